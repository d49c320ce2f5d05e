package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/api"
)

func clientTLS(pool *x509.CertPool) *tls.Config { return &tls.Config{RootCAs: pool} }

// A page whose name was made to stand for 127.0.0.1 calls the host by that name.
func TestHostOfLoopback(t *testing.T) {
	refusal := func(host, kind, found string) {
		t.Helper()
		k := newKit(t, api.Options{AllowedHosts: []string{"Edge.example", "10.1.2.3"}})
		path := "/ping"
		if kind == js {
			path = "/functions"
		}
		w := k.dial().send("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
		w.reply().want(t, 403, kind, ours(6017, `Host: found `+found+` on a listener of this machine alone; call it by localhost, 127.0.0.1 or [::1], or list the name under basic.allowedHosts`))
	}
	refusal("evil.example", text, `\"evil.example\"`)
	refusal("evil.example:9081", js, `\"evil.example:9081\"`)

	k := newKit(t, api.Options{AllowedHosts: []string{"Edge.example", "10.1.2.3"}})
	for host, status := range map[string]int{
		"localhost": 200, "LOCALHOST:9081": 200, "localhost.": 200, "127.0.0.1": 200, "127.0.0.1:9081": 200, "127.9.9.9": 200,
		"[::1]": 200, "[::1]:9081": 200, "[::ffff:127.0.0.1]:80": 200,
		"edge.example": 200, "EDGE.example:80": 200, "10.1.2.3:9081": 200,
		"evil.example": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "10.0.0.1": 403, "0.0.0.0": 403, "x": 403, "[fe80::1]": 403,
	} {
		w := k.dial().send("GET /ping HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		if r := w.reply(); r.status != status {
			t.Errorf("Host %q: found %d, expected %d", host, r.status, status)
		}
	}
	k.dial().send("GET /ping HTTP/1.0\r\n\r\n").reply().want(t, 200, "", "") // no browser
	// A connection is not believed for its first request.
	w := k.dial()
	for host, status := range map[string]int{"127.0.0.1": 200, "evil.example": 403} {
		w.send("GET /ping HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		if r := w.reply(); r.status != status {
			t.Errorf("Host %q: found %d, expected %d", host, r.status, status)
		}
	}
}

// Where somebody else looks after who may call, any name does.
func TestHostElsewhere(t *testing.T) {
	get := func(tr *http.Transport, url string, status int) {
		t.Helper()
		defer tr.CloseIdleConnections()
		req, err := http.NewRequest("GET", url+"/ping", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "any.example"
		resp, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		if r := read(t, resp); r.status != status {
			t.Errorf("%s: found %d %s, expected %d", url, r.status, r.body, status)
		}
	}
	get(&http.Transport{}, "http://"+newKit(t, api.Options{Auth: &api.Auth{Keys: t.TempDir()}}).addr, 200)

	cert, key, pool := certificate(t)
	k := newKit(t, api.Options{CertFile: cert, KeyFile: key})
	get(&http.Transport{TLSClientConfig: clientTLS(pool)}, "https://"+k.addr, 403)

	sock := filepath.Join(t.TempDir(), "s")
	serve := func(ln net.Listener, err error) {
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- k.srv.Serve(ln) }()
		t.Cleanup(func() { k.end(); <-served })
	}
	serve(net.Listen("unix", sock))
	get(&http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", sock)
	}}, "http://x", 200)

	every, err := net.Listen("tcp", "0.0.0.0:0")
	serve(every, err)
	get(&http.Transport{TLSClientConfig: clientTLS(pool)}, "https://"+strings.Replace(every.Addr().String(), "[::]", "127.0.0.1", 1), 200)
}
