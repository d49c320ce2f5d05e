package api

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// addressed reports whether a request that came over a loopback listener calls
// the host by a name of this machine. A page whose own name was made to stand
// for 127.0.0.1 (DNS rebinding) is of the same origin to its browser, and its
// name in Host is all that tells it from an operator's.
func (s *Server) addressed(ctx *fasthttp.RequestCtx) bool {
	nc := ctx.Conn()
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok { // TLS
		nc = t.NetConn()
	}
	c, ok := nc.(*conn)
	if !ok || !c.local {
		return true
	}
	found := ctx.Request.Header.Host()
	if string(found) == c.host { // also "", which no browser sends
		return true
	}
	host := string(found)
	if !ofLoopback(host) && !slices.Contains(s.opts.AllowedHosts, hostName(host)) {
		return false
	}
	c.host = host
	return true
}

// hostName is a Host without its port, in lower case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// ofLoopback reports whether a Host names this machine to everybody. Of names
// only localhost does.
func ofLoopback(host string) bool {
	name := hostName(host)
	a, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && a.Unmap().IsLoopback()
}
