package api_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

const benchBody = `{"args":[1234,5678]}`

var benchRequest = fmt.Sprintf("POST /functions/add/call HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
	len(benchBody), benchBody)

// exchange sends the same request again and again over one connection in
// memory; it allocates nothing of its own.
func exchange(tb testing.TB, ln *fasthttputil.InmemoryListener) (next func()) {
	tb.Helper()
	c, err := ln.Dial()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	request, buf := []byte(benchRequest), make([]byte, 4096)
	length := 0
	next = func() {
		if _, err := c.Write(request); err != nil {
			tb.Fatal(err)
		}
		n := 0
		for n == 0 || n < length {
			m, err := c.Read(buf[n:])
			if err != nil {
				tb.Fatal(err)
			}
			n += m
		}
		if length == 0 {
			length = n // all answers are equally long
			if want := "HTTP/1.1 200 OK"; string(buf[:len(want)]) != want {
				tb.Fatalf("found %s", buf[:n])
			}
		}
	}
	next()
	return next
}

// vanth serves a function that adds, on a listener in memory.
func vanth(tb testing.TB) *fasthttputil.InmemoryListener {
	tb.Helper()
	h, err := host.Open(context.Background(), host.Options{
		Home: tb.TempDir(), Runtimes: []host.Runtime{&testRuntime{funcs()}}, Store: &hosttest.MemStore{},
	})
	if err != nil {
		tb.Fatal(err)
	}
	k := &kit{t: tb, host: h}
	k.install("kit", "add")
	srv, err := api.New(h, api.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	ln := fasthttputil.NewInmemoryListener()
	served := make(chan error)
	go func() { served <- srv.Serve(ln) }()
	tb.Cleanup(func() {
		_ = srv.Close(context.Background())
		<-served
		_ = h.Close(context.Background())
	})
	return ln
}

// bare is fasthttp that reads the same bytes and answers with as many as the
// call does, under the same kinds of limits and with nothing between.
func bare(tb testing.TB, stream bool) *fasthttputil.InmemoryListener {
	tb.Helper()
	buf := make([]byte, 256) // there is one connection
	srv := &fasthttp.Server{
		StreamRequestBody: stream, NoDefaultServerHeader: true,
		ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		Handler: func(ctx *fasthttp.RequestCtx) {
			if stream {
				_, _ = io.ReadFull(ctx.RequestBodyStream(), buf[:len(benchBody)])
			}
			ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
			ctx.Response.Header.SetContentType("application/json")
			ctx.Response.AppendBodyString(`{"result":6912}`)
		},
	}
	ln := fasthttputil.NewInmemoryListener()
	go func() { _ = srv.Serve(ln) }()
	tb.Cleanup(func() { _ = srv.Shutdown() })
	return ln
}

func BenchmarkCall(b *testing.B) {
	for _, c := range []struct {
		name string
		ln   func(testing.TB) *fasthttputil.InmemoryListener
	}{
		{"vanth", vanth},
		{"fasthttp", func(tb testing.TB) *fasthttputil.InmemoryListener { return bare(tb, false) }},
		{"fasthttp-stream", func(tb testing.TB) *fasthttputil.InmemoryListener { return bare(tb, true) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			next := exchange(b, c.ln(b))
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
		})
	}
}

// A call allocates what its values need: two arguments, one result, and what
// fasthttp needs for a body.
func TestCallAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	ceiling := testing.AllocsPerRun(2000, exchange(t, bare(t, true))) + 3
	if n := testing.AllocsPerRun(2000, exchange(t, vanth(t))); n > ceiling {
		t.Errorf("found %v allocations, expected at most %v", n, ceiling)
	}
}
