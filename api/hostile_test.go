package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
)

const callEcho = "POST /functions/echo/call HTTP/1.1\r\nHost: x\r\n"

func TestSlowloris(t *testing.T) {
	k := newKit(t, api.Options{HeaderTimeout: 100 * time.Millisecond, ReadTimeout: 200 * time.Millisecond, IdleTimeout: 100 * time.Millisecond})
	k.install("kit", "echo")
	t.Run("header", func(t *testing.T) {
		w := k.dial().send("GET /ping HTTP/1.1\r\nX: ")
		w.reply().want(t, 408, js, ours(6012, "header: found no end of it before the time was up; send the request faster, or split it"))
		w.gone()
	})
	t.Run("trickled header", func(t *testing.T) {
		w := k.dial()
		start := time.Now()
		for range 50 {
			if _, err := io.WriteString(w, "X"); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if took := time.Since(start); took > 900*time.Millisecond {
			t.Errorf("it was heard out for %v", took)
		}
	})
	t.Run("body", func(t *testing.T) {
		w := k.dial().send(callEcho + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"arg")
		w.reply().want(t, 408, js, ours(6012, "body: found 5 bytes before the time was up; send the request faster, or split it"))
		w.gone()
	})
	t.Run("idle", func(t *testing.T) {
		w := k.dial().send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
		w.reply().want(t, 200, "", "")
		w.gone()
	})
}

func TestHalfClosed(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "echo")
	w := k.dial().send(callEcho + "Content-Length: 12\r\n\r\n{\"args\":[1]}")
	_ = w.Conn.(*net.TCPConn).CloseWrite()
	w.reply().want(t, 200, js, `{"result":1}`)
	w.gone()
}

func TestOversized(t *testing.T) {
	k := newKit(t, api.Options{MaxBody: 32 << 10})
	k.install("kit", "echo")
	t.Run("declared", func(t *testing.T) {
		w := k.dial().send("%s", callEcho+"Content-Length: 99999999999\r\n\r\n"+strings.Repeat(" ", 8<<10))
		w.reply().want(t, 413, js, ours(6010, "body: found at least 99999999999 bytes, expected at most 32768; the setting is under limits"))
		w.gone()
	})
	t.Run("chunked", func(t *testing.T) {
		w := k.dial().send(callEcho + "Transfer-Encoding: chunked\r\n\r\n")
		for range 12 { // more than is read for the connection's sake would reset it under us
			w.send("1000\r\n%s\r\n", strings.Repeat(" ", 4096))
		}
		w.send("0\r\n\r\nGET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
		if r := w.reply(); r.status != 413 {
			t.Errorf("found %d %s", r.status, r.body)
		}
		w.reply().want(t, 200, "", "") // the connection stands at the next request
	})
	t.Run("without end", func(t *testing.T) {
		w := k.dial().send(callEcho + "Transfer-Encoding: chunked\r\n\r\n")
		for range 25_000 { // far more than the kernel holds for a reader that is slow
			if _, err := fmt.Fprintf(w, "1000\r\n%s\r\n", strings.Repeat(" ", 4096)); err != nil {
				return
			}
		}
		t.Error("a hundred megabytes were accepted")
	})
	t.Run("header", func(t *testing.T) {
		w := k.dial().send("GET /ping HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 9000))
		w.reply().want(t, 431, js, ours(6011, "header: found more than 8 KiB, expected at most that"))
		w.gone()
	})
	t.Run("path", func(t *testing.T) {
		if r := k.dial().send("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("x", 9000)).reply(); r.status != 431 {
			t.Errorf("found %d", r.status)
		}
	})
}

func TestMalformed(t *testing.T) {
	k := newKit(t, api.Options{ReadTimeout: 300 * time.Millisecond})
	k.install("kit", "echo")
	big := strings.Repeat("x", 20<<10)
	for _, c := range []struct {
		what, request string
		status        int
	}{
		{"not HTTP", "HELO x\r\n\r\n", 400},
		{"two lengths", callEcho + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
		{"negative length", callEcho + "Content-Length: -2\r\n\r\n{}", 400},
		{"length that is none", callEcho + "Content-Length: 0x2\r\n\r\n{}", 400},
		{"huge length", callEcho + "Content-Length: 99999999999999999999\r\n\r\n{}", 400},
		{"length and chunks", callEcho + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"unknown coding", callEcho + "Transfer-Encoding: gzip\r\n\r\n", 400},
		{"short body", callEcho + "Content-Length: 20\r\n\r\n{}", 400},
		{"short long body", callEcho + "Content-Length: 90000\r\n\r\n" + big, 400},
		{"bad chunk", callEcho + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
		{"chunk without end", callEcho + "Transfer-Encoding: chunked\r\n\r\n5\r\n{}", 400},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := k.dial().send("%s", c.request)
			_ = w.Conn.(*net.TCPConn).CloseWrite()
			r := w.reply()
			if r.status != c.status || r.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(r.body, `{"error":60`) {
				t.Errorf("found %d %s", r.status, r.body)
			}
			w.gone()
		})
	}
	k.do("GET", "/ping", nil).want(t, 200, "", "")
}

// A body that no handler wanted is never taken for the next request.
func TestUnreadBody(t *testing.T) {
	k := newKit(t, api.Options{})
	const smuggled = "GET /stop HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, path := range []string{"/nothing", "/ping", "/functions/none/call", "/plugins/wasm/x"} {
		w := k.dial()
		pad := strings.Repeat("y", 20<<10)
		w.send("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s%s", path, len(pad)+len(smuggled), pad, smuggled)
		w.send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
		if r := w.reply(); r.status != 404 && r.status != 405 {
			t.Errorf("%s: found %d", path, r.status)
		}
		w.reply().want(t, 200, "", "")
	}
	// Too long to be heard out: the connection ends.
	w := k.dial().send("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n%s", strings.Repeat("y", 300<<10))
	w.reply().want(t, 404, text, "404 page not found\n")
	w.gone()
}

func TestPipelining(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "echo")
	const n = 200
	w := k.dial()
	var b strings.Builder
	for i := range n {
		body := fmt.Sprintf(`{"args":[%d]}`, i)
		fmt.Fprintf(&b, "%sContent-Length: %d\r\n\r\n%s", callEcho, len(body), body)
	}
	go w.send("%s", b.String())
	for i := range n {
		w.reply().want(t, 200, js, fmt.Sprintf(`{"result":%d}`, i))
	}
}

func TestDeepJSON(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "echo")
	nest := func(n int) string {
		return `{"args":[` + strings.Repeat("[", n) + strings.Repeat("]", n) + `]}`
	}
	if r := k.do("POST", "/functions/echo/call", nest(63)); r.status != 200 {
		t.Errorf("found %d %s", r.status, r.body)
	}
	k.do("POST", "/functions/echo/call", nest(64)).want(t, 400, js, ours(6001, "body: at byte 72: found nesting deeper than 64, expected at most that"))
	start := time.Now()
	for _, body := range []string{
		nest(1 << 20), strings.Repeat(`{"args":[`, 1<<18), `{"args":["` + strings.Repeat(`\u0041`, 1<<20) + `"]}`,
		`{"args":[` + strings.Repeat("1", 1<<20) + `]}`, `{"args":[` + strings.Repeat("1,", 1<<21) + `1]}`,
		`{"args":[0.` + strings.Repeat("1", 1<<20) + `]}`, `{"args":[` + strings.Repeat(" ", 1<<22) + `]}`,
	} {
		k.do("POST", "/functions/echo/call", body)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestForeignOrigin(t *testing.T) {
	k := newKit(t, api.Options{StopDelay: time.Hour})
	for _, c := range []struct {
		method, path, header, value string
		status                      int
	}{
		{"POST", "/plugins/wasm", "Origin", "https://evil.example", 403},
		{"POST", "/plugins/wasm", "Origin", "null", 403},
		{"POST", "/plugins/wasm", "Origin", "http://" + k.addr, 400},
		{"POST", "/plugins/wasm", "Sec-Fetch-Site", "cross-site", 403},
		{"POST", "/plugins/wasm", "Sec-Fetch-Site", "same-origin", 400},
		{"GET", "/stop", "Sec-Fetch-Site", "cross-site", 403},
		{"GET", "/stop", "Sec-Fetch-Site", "none", 200},
		{"GET", "/plugins/wasm", "Origin", "https://evil.example", 200},
	} {
		r := k.do(c.method, c.path, "{", c.header, c.value)
		if r.status != c.status {
			t.Errorf("%s %s, %s: %s: found %d %s", c.method, c.path, c.header, c.value, r.status, r.body)
		}
		for name := range r.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s is sent", name)
			}
		}
	}
}

func TestTooManyConnections(t *testing.T) {
	k := newKit(t, api.Options{MaxConns: 2})
	ping := func(w *wire) { w.send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n").reply().want(t, 200, "", "") }
	a, b := k.dial(), k.dial()
	ping(a)
	ping(b)
	w := k.dial()
	w.reply().want(t, 503, js, ours(6007, "found 2 open connections, which is the limit; retry after 1 s"))
	w.gone()
	a.Close()
	for range 100 { // until the server sees it
		c := k.dial().send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
		if c.reply().status == 200 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a place that became free is not given again")
}

func TestExpectContinue(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "echo")
	w := k.dial().send(callEcho + "Expect: 100-continue\r\nContent-Length: 12\r\n\r\n")
	if r := w.reply(); r.status != 100 {
		t.Fatalf("found %d", r.status)
	}
	w.send(`{"args":[1]}`).reply().want(t, 200, js, `{"result":1}`)
}

// Requests that share buffers never see each other's bytes.
func TestConcurrentCalls(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "echo")
	done := make(chan struct{})
	for g := range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 100 {
				v := fmt.Sprintf("%q", bytes.Repeat([]byte{byte('a' + g)}, i*7%300))
				r := k.do("POST", "/functions/echo/call", `{"args":[`+v+`]}`)
				if r.body != `{"result":`+v+`}` {
					t.Errorf("found %s, expected %s", r.body, v)
				}
			}
		}()
	}
	for range 8 {
		<-done
	}
}
