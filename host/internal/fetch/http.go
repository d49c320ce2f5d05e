package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

const (
	maxRedirects   = 5
	maxHeaderBytes = 64 << 10
)

// download copies the body of u to dst. ctx ends when the transfer is over, in whatever way: the
// connections hang on it. judge is asked about every address before it is connected to.
func download(ctx context.Context, p Policy, judge func(netip.Addr) error, u *url.URL, digest string, dst io.Writer) (Result, error) {
	client := &http.Client{Transport: transport(ctx, p, judge), CheckRedirect: checkRedirect}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Result{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return Result{}, because(ctx, u, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		// The standard words, not the peer's: those could be anything.
		status := strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
		return Result{}, fmt.Errorf("cannot download the file with status: %s", status)
	}
	if resp.ContentLength > p.MaxBytes {
		return Result{}, tooLarge(resp.ContentLength, p.MaxBytes)
	}
	res, err := Copy(ctx, p.MaxBytes, resp.Body, digest, dst)
	if err != nil {
		return Result{}, because(ctx, u, err)
	}
	return res, nil
}

// because prefers the end of ctx to the accident it caused ("use of closed network connection"),
// and leaves alone what a rule has refused.
func because(ctx context.Context, u *url.URL, err error) error {
	var named *url.Error
	switch {
	case errors.Is(err, ErrRefused):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", u.Redacted(), context.Cause(ctx))
	case errors.As(err, &named):
		return err
	}
	return fmt.Errorf("%s: %w", u.Redacted(), err)
}

// transport lives for one download: nothing is kept alive, nothing comes from the environment.
func transport(ctx context.Context, p Policy, judge func(netip.Addr) error) *http.Transport {
	d := &net.Dialer{
		KeepAlive: -1,
		// After resolution and before the connection, for each address that is tried.
		Control: func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return refuse("address %q: expected ip and port", address)
			}
			return judge(ap.Addr())
		},
	}
	return &http.Transport{
		Proxy: nil,
		// http.Transport detaches the dial from the request; here it must not outlive the call.
		// Closing the connection with ctx also ends a TLS handshake that the peer stalls.
		DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			c, err := d.DialContext(ctx, network, addr)
			if err == nil {
				context.AfterFunc(ctx, func() { c.Close() })
			}
			return c, err
		},
		TLSClientConfig:        verified(p.TLS),
		DisableKeepAlives:      true,
		DisableCompression:     true, // what is hashed is what was sent
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

func verified(c *tls.Config) *tls.Config {
	if c == nil {
		c = &tls.Config{}
	}
	c = c.Clone()
	c.InsecureSkipVerify = false
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.NextProtos = nil // HTTP/1.1: one request needs no more
	return c
}

// checkRedirect judges where a redirect leads; the address behind it is judged when it is dialed.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return refuse("redirect refused: found more than %d", maxRedirects)
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return refuse("redirect refused: found scheme %q, expected http or https", req.URL.Scheme)
	case req.URL.Hostname() == "":
		return refuse("redirect refused: expected a host")
	case req.URL.Scheme == "http" && via[len(via)-1].URL.Scheme == "https":
		return refuse("redirect refused: it leads from https to http")
	}
	return nil
}
