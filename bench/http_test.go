package bench

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/host"
)

// serve answers with handler on network and returns a client for it.
func serve(b *testing.B, network string, run func(net.Listener) error, stop func()) *fasthttp.HostClient {
	b.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(b.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = run(l) }()
	c := &fasthttp.HostClient{Addr: "bench", Dial: func(string) (net.Conn, error) { return net.Dial(network, l.Addr().String()) }}
	b.Cleanup(func() {
		c.CloseIdleConnections()
		stop()
		<-done
	})
	return c
}

// post sends body n times over and checks each answer; one operation is one
// request.
func post(b *testing.B, c *fasthttp.HostClient, path, contentType, body, want string) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://bench" + path)
	req.Header.SetMethod("POST")
	req.Header.SetContentType(contentType)
	req.SetBodyString(body)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Do(req, resp); err != nil || string(bytes.TrimSpace(resp.Body())) != want {
			b.Fatal(err, resp.String())
		}
	}
}

// BenchmarkHTTP calls through HTTP from one client; the floor is a bare fasthttp
// server that answers the same bytes.
func BenchmarkHTTP(b *testing.B) {
	const call, answer = `{"args":[1.5,2.5]}`, `{"result":4.0}`
	const rows = 1000
	for _, network := range []string{"tcp", "unix"} {
		b.Run(network, func(b *testing.B) {
			b.Run("fasthttp", func(b *testing.B) {
				s := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
					ctx.SetContentType("application/json")
					ctx.SetBodyString(answer)
				}}
				post(b, serve(b, network, s.Serve, func() { _ = s.Shutdown() }), "/x", "application/json", call, answer)
			})
			server := func(b *testing.B, h *host.Host) *fasthttp.HostClient {
				s, err := api.New(h, api.Options{})
				if err != nil {
					b.Fatal(err)
				}
				return serve(b, network, s.Serve, func() { _ = s.Close(context.Background()) })
			}
			both(b, func(b *testing.B, h *host.Host) {
				post(b, server(b, h), "/functions/add/call", "application/json", call, answer)
			})
			b.Run("batch1000", func(b *testing.B) {
				both(b, func(b *testing.B, h *host.Host) {
					post(b, server(b, h), "/functions/add/batch", "application/x-ndjson",
						strings.Repeat("[1.5,2.5]\n", rows), strings.TrimSpace(strings.Repeat(answer+"\n", rows)))
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/call")
				})
			})
		})
	}
}
