package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
	"github.com/vanth-io/vanth/host/hosttest"
)

const benchBody = `{"args":[1234,5678]}`

// post is a request as bytes.
func post(path, kind, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, kind, len(body), body)
}

// benchRequest is what the bare server answers too.
func benchRequest() []byte { return post("/functions/add/call", js, benchBody) }

// exchange sends the same request again and again over one connection in
// memory; it allocates nothing of its own. Answers have at most 64 KiB.
func exchange(tb testing.TB, ln *fasthttputil.InmemoryListener, request []byte) (next func()) {
	tb.Helper()
	c, err := ln.Dial()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	buf := make([]byte, 64<<10)
	length := len(buf) // until the first answer says better: all are equally long
	next = func() {
		if _, err := c.Write(request); err != nil {
			tb.Fatal(err)
		}
		for n := 0; n < length; {
			m, err := c.Read(buf[n:])
			if err != nil {
				tb.Fatal(err)
			}
			n += m
			if head, _, ok := bytes.Cut(buf[:n], []byte("\r\n\r\n")); ok && length == len(buf) {
				body := -1
				_, after, _ := bytes.Cut(head, []byte("Content-Length: "))
				if _, err := fmt.Sscan(string(after), &body); err != nil || !bytes.HasPrefix(head, []byte("HTTP/1.1 200 OK")) {
					tb.Fatalf("found %s", buf[:n])
				}
				length = len(head) + 4 + body
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
		Home: tb.TempDir(), Runtimes: []host.Runtime{&testRuntime{funcs: funcs()}}, Store: &hosttest.MemStore{},
	})
	if err != nil {
		tb.Fatal(err)
	}
	k := &kit{t: tb, host: h}
	k.install("kit", "add")
	k.installPack("quick", `{"version":"1","functions":["quick"],"symbols":{"quick":{"args":["f64","f64"],"returns":"f64"}}}`)
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

// The bodies of calls and of batches that go by words.
var (
	quickCall   = post("/functions/quick/call", js, benchBody)
	quickBinary = post("/functions/quick/call", mp, "\x92\x01\x02")
)

func quickLines(rows int) []byte {
	return post("/functions/quick/batch", nd, strings.Repeat("[1.5,2.5]\n", rows))
}

func quickFrames(rows int) []byte {
	body := frame.AppendArrayHeader(nil, rows)
	for range rows {
		body = frame.AppendFloat(frame.AppendFloat(append(body, 0x92), 1.5), 2.5)
	}
	return post("/functions/quick/batch", mp, string(body))
}

func BenchmarkCall(b *testing.B) {
	for _, c := range []struct {
		name    string
		ln      func(testing.TB) *fasthttputil.InmemoryListener
		request []byte
	}{
		{"values", vanth, benchRequest()},
		{"words", vanth, quickCall},
		{"binary", vanth, quickBinary},
		{"fasthttp", func(tb testing.TB) *fasthttputil.InmemoryListener { return bare(tb, false) }, benchRequest()},
		{"fasthttp-stream", func(tb testing.TB) *fasthttputil.InmemoryListener { return bare(tb, true) }, benchRequest()},
	} {
		b.Run(c.name, func(b *testing.B) {
			next := exchange(b, c.ln(b), c.request)
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
		})
	}
}

// BenchmarkBatch has 1,000 calls in one request; one operation is one request.
func BenchmarkBatch(b *testing.B) {
	const rows = 1000
	for _, c := range []struct {
		name    string
		request []byte
	}{{"lines", quickLines(rows)}, {"binary", quickFrames(rows)}} {
		b.Run(c.name, func(b *testing.B) {
			next := exchange(b, vanth(b), c.request)
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/call")
		})
	}
}

// A call allocates what its values need: two arguments, one result, and what
// fasthttp needs for a body. One that goes by words needs the last alone.
func TestCallAllocations(t *testing.T) {
	if api.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	floor := testing.AllocsPerRun(2000, exchange(t, bare(t, true), benchRequest()))
	ln := vanth(t)
	for _, c := range []struct {
		what    string
		request []byte
		most    float64
	}{{"values", benchRequest(), 3}, {"words", quickCall, 0}, {"binary", quickBinary, 0}} {
		if n := testing.AllocsPerRun(2000, exchange(t, ln, c.request)); n > floor+c.most {
			t.Errorf("%s: found %v allocations, expected at most %v", c.what, n, floor+c.most)
		}
	}
}

// The rows of a batch by words allocate nothing; the batch does.
func TestBatchAllocations(t *testing.T) {
	if api.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	ln := vanth(t)
	for what, request := range map[string]func(int) []byte{"lines": quickLines, "binary": quickFrames} {
		few := testing.AllocsPerRun(200, exchange(t, ln, request(100)))
		many := testing.AllocsPerRun(200, exchange(t, ln, request(1000)))
		if many-few > 9 { // buffers that collections took, and no more than one in a hundred rows
			t.Errorf("%s: found %v allocations for 100 rows and %v for 1,000", what, few, many)
		}
	}
}
