package wasm

import (
	"fmt"
	"net/netip"
	"strings"
)

// pattern is a host, or several, that may be reached over HTTP: HOST or
// HOST:PORT.
//
//	api.example.org        on port 80 for http, 443 for https
//	api.example.org:8443   on this port
//	api.example.org:*      on any
//	*.example.org          all names below it, not itself
//	10.0.0.7  [fd00::7]    an address: the only way to reach one that is not public
//	*                      every name and public address
type pattern struct {
	host string     // in lower case; below "*." without the star; "" for every one
	addr netip.Addr // valid for an address
	port string     // "" for the scheme's own, "*" for any
}

func parsePatterns(list []string) ([]pattern, error) {
	all := make([]pattern, len(list))
	for i, s := range list {
		var err error
		if all[i], err = parsePattern(s); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func parsePattern(s string) (p pattern, err error) {
	h, port, ported := s, "", false
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") && (strings.Count(s, ":") == 1 || s[0] == '[') {
		h, port, ported = s[:i], s[i+1:], true
	}
	p.port = port
	h = strings.TrimSuffix(strings.ToLower(h), ".")
	if a, err := netip.ParseAddr(strings.Trim(h, "[]")); err == nil {
		p.host, p.addr = a.Unmap().String(), a.Unmap()
	} else if h != "*" {
		p.host = strings.TrimPrefix(h, "*")
	}
	name := strings.TrimPrefix(p.host, ".")
	switch {
	case p.addr.IsValid() || h == "*":
	case name == "" || h[0] == '*' && p.host[0] != '.' || strings.ContainsAny(name, "*/@:[]?# \t\r\n") || strings.HasPrefix(name, ".") || h[0] == '.':
		return p, fmt.Errorf("found %q, expected HOST or HOST:PORT, where HOST may begin with *. or be *", s)
	}
	if ported && port != "*" {
		if _, err := netip.ParseAddrPort("[::]:" + port); err != nil || port[0] == '+' {
			return p, fmt.Errorf("found %q, expected a port from 0 to 65535 or * behind the colon", s)
		}
	}
	return p, nil
}

// matches reports whether it stands for a host, in lower case and without
// brackets, and a port; usual is true where that is the scheme's own.
func (p pattern) matches(host, port string, usual bool) bool {
	switch p.port {
	case "*":
	case "":
		if !usual {
			return false
		}
	default:
		if p.port != port {
			return false
		}
	}
	switch {
	case p.host == "":
		return true
	case p.host[0] == '.':
		return len(host) > len(p.host) && strings.HasSuffix(host, p.host)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap() == p.addr
	}
	return p.host == host
}

func matchesAny(list []pattern, host, port string, usual bool) bool {
	for _, p := range list {
		if p.matches(host, port, usual) {
			return true
		}
	}
	return false
}

// names reports whether one of the list is literally this address, at this
// port. Without a port it is at 80 and 443.
func names(list []pattern, a netip.AddrPort) bool {
	for _, p := range list {
		port := fmt.Sprint(a.Port())
		if p.addr.IsValid() && p.addr == a.Addr().Unmap().WithZone("") &&
			(p.port == "*" || p.port == port || p.port == "" && (port == "80" || port == "443")) {
			return true
		}
	}
	return false
}
