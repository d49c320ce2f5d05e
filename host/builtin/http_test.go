package builtin_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
)

// server runs a handler; what hangs ends with the test.
func server(t *testing.T, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func TestPull(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	var calls atomic.Int64
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s %d", r.Method, r.URL.Path, r.Header.Get("X-A"), r.Header.Get("Content-Type"), b, (n+1)/2)
	})
	props := host.Props{
		"url": s.URL + "/pull", "datasource": "/now", "method": "POST", "body": `{"a":1}`, "headers": map[string]any{"x-a": "h"},
		"interval": 20, "incremental": true,
	}
	in := k.source("httppull", props)
	for want := 1; want <= 3; want++ { // each answer comes twice
		if got := k.text(in); got != fmt.Sprintf(`POST /pull/now h application/json {"a":1} %d`, want) {
			t.Errorf("found %s", got)
		}
	}
	props["url"], props["incremental"] = s.URL+"/?from={{.LastPullTime}}&to={{.PullTime}}", false
	k.text(k.source("httppull", props))
	_, err := k.Source("httppull", nil, host.Props{"url": s.URL + "/{{.Other}}"})
	fails(t, err, host.ErrUnsupported, "templates are not supported")
}

// TestPullTimes asks for what is new only.
func TestPullTimes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := server(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.RawQuery) })
	in := k.source("httppull", host.Props{"url": s.URL + "/?from={{.LastPullTime}}&to={{.PullTime}}", "interval": 20})
	var from, to, last int64
	for i := range 3 {
		if _, err := fmt.Sscanf(k.text(in), "from=%d&to=%d", &from, &to); err != nil {
			t.Fatal(err)
		}
		if i > 0 && from != last || to < from {
			t.Errorf("found %d to %d after %d", from, to, last)
		}
		last = to
	}
}

func TestPullBadAnswers(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	var mode atomic.Value
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch mode.Load() {
		case "status":
			http.Error(w, "broken", 500)
		case "missing":
			http.Error(w, "nothing here", 404)
		case "hang":
			<-r.Context().Done()
		case "slow body":
			for r.Context().Err() == nil {
				io.WriteString(w, "x")
				w.(http.Flusher).Flush()
				time.Sleep(5 * time.Millisecond)
			}
		case "huge":
			b := make([]byte, 1<<20)
			for range builtin.MaxBytes>>20 + 1 {
				w.Write(b)
			}
		case "cut":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "part")
		case "no code":
			io.WriteString(w, `{"message":"x"}`)
		case "bad code":
			io.WriteString(w, `{"code":503}`)
		default:
			io.WriteString(w, `{"code":200,"data":1}`)
		}
	})
	for _, c := range []struct {
		mode, response string
		sentinel       error
		words          string
	}{
		{"status", "code", host.ErrUnavailable, `found status 500, expected 2xx: "broken`},
		{"missing", "code", host.ErrInvalid, "found status 404"},
		{"hang", "code", host.ErrUnavailable, "no answer within 100ms (property timeout)"},
		{"slow body", "code", host.ErrUnavailable, "no answer within 100ms"},
		{"huge", "code", host.ErrInvalid, "larger than 67108864 bytes"},
		{"cut", "code", host.ErrUnavailable, "unexpected EOF"},
		{"no code", "body", host.ErrInvalid, "a number called code"},
		{"bad code", "body", host.ErrUnavailable, "found code 503"},
	} {
		t.Run(c.mode, func(t *testing.T) {
			timeout := 100
			if c.mode == "huge" {
				timeout = 8000
			}
			in := k.source("httppull", host.Props{"url": s.URL, "timeout": timeout, "interval": 10, "responseType": c.response})
			defer in.Close(context.Background())
			mode.Store(c.mode)
			_, err := in.Next(k.soon())
			fails(t, err, c.sentinel, "source httppull: ", s.URL, c.words)
			mode.Store("")
			for range 2 { // it goes on
				if got := k.text(in); got != `{"code":200,"data":1}` {
					t.Errorf("found %s", got)
				}
			}
		})
	}
	in := k.source("httppull", host.Props{"url": "http://user:secret@127.0.0.1:1/"})
	_, err := in.Next(k.soon())
	fails(t, err, host.ErrUnavailable, "127.0.0.1:1", "refused")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("%v has the password", err)
	}
	mode.Store("hang")
	in = k.source("httppull", host.Props{"url": s.URL, "timeout": "1h"})
	time.AfterFunc(30*time.Millisecond, func() { in.Close(context.Background()) })
	prompt(t, "next", func() { _, err = in.Next(context.Background()) })
	fails(t, err, host.ErrClosed)
}

func TestHTTPSecure(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	pair, _, _ := a.pair("server")
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	k := newKit(t)
	for _, p := range []host.Props{{"rootCaPath": a.ca}, {"insecureSkipVerify": "true"}} {
		p["url"] = s.URL
		if got := k.text(k.source("httppull", p)); got != "ok" {
			t.Error(got)
		}
	}
	_, err := k.source("httppull", host.Props{"url": s.URL}).Next(k.soon())
	fails(t, err, host.ErrInvalid, "set rootCaPath")
}

func TestRest(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	got := make(chan string, 10)
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- fmt.Sprintf("%s %s %s %s", r.Method, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), b)
		io.WriteString(w, "thanks")
	})
	for _, c := range []struct {
		props host.Props
		value any
		want  string
	}{
		{host.Props{}, map[string]any{"a": "<x>"}, `POST application/json  {"a":"<x>"}`},
		{host.Props{"method": "PUT"}, []any{map[string]any{"a": 1}}, `PUT application/json  [{"a":1}]`},
		{host.Props{"bodyType": "text"}, []byte("raw"), `POST text/plain  raw`},
		{host.Props{"bodyType": "html"}, []byte("raw"), `POST text/html  raw`},
		{host.Props{"bodyType": "form", "headers": map[string]any{"authorization": "Bearer x"}}, map[string]any{"a": "x y", "b": 1}, `POST application/x-www-form-urlencoded Bearer x a=x+y&b=1`},
		{host.Props{"method": "get"}, map[string]any{"a": 1}, `GET   `},
	} {
		c.props["url"], c.props["debugResp"] = s.URL, true
		k.write(k.sink("rest", c.props), c.value)
		if text := <-got; text != c.want {
			t.Errorf("found %q, expected %q", text, c.want)
		}
	}
	if n := strings.Count(k.log.String(), "thanks"); n != 6 {
		t.Errorf("the log has %d answers", n)
	}
}

func TestRestRetries(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	var calls atomic.Int64
	answer := []int{500, 429, 0, 204}
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1) - 1
		switch code := answer[min(int(n), len(answer)-1)]; code {
		case 0:
			c, _, _ := w.(http.Hijacker).Hijack()
			c.Close()
		default:
			w.WriteHeader(code)
		}
	})
	out := k.sink("rest", host.Props{"url": s.URL, "retries": 3})
	k.write(out, map[string]any{})
	if n := calls.Load(); n != 4 {
		t.Errorf("found %d calls", n)
	}
	answer = []int{404}
	calls.Store(0)
	fails(t, out.Write(k.soon(), host.Message{Value: map[string]any{}}), host.ErrInvalid, "sink rest: POST "+s.URL, "found status 404")
	if n := calls.Load(); n != 1 {
		t.Errorf("what will not pass was sent %d times", n)
	}
	answer = []int{503}
	out = k.sink("rest", host.Props{"url": s.URL, "retries": 1})
	fails(t, out.Write(k.soon(), host.Message{Value: map[string]any{}}), host.ErrUnavailable, "found status 503")
	out = k.sink("rest", host.Props{"url": s.URL, "retries": 1000})
	ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
	defer cancel()
	prompt(t, "write", func() {
		fails(t, out.Write(ctx, host.Message{Value: map[string]any{}}), context.DeadlineExceeded)
	})
	// A server that takes nothing: the time limit holds, and Close is prompt.
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	out = k.sink("rest", host.Props{"url": "http://" + mute.Addr().String(), "timeout": 50})
	fails(t, out.Write(k.soon(), host.Message{Value: make([]byte, 8<<20)}), host.ErrUnavailable, "no answer within 50ms")
	out = k.sink("rest", host.Props{"url": "http://" + mute.Addr().String(), "timeout": "1h"})
	time.AfterFunc(30*time.Millisecond, func() { out.Close(context.Background()) })
	prompt(t, "write", func() {
		fails(t, out.Write(context.Background(), host.Message{Value: map[string]any{}}), host.ErrClosed)
	})
	fails(t, out.Write(k.soon(), host.Message{Value: map[string]any{}}), host.ErrClosed)
}
