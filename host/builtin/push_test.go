package builtin_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
)

// send posts to the push server.
func (k *kit) send(method, path string, body io.Reader) (int, http.Header) {
	k.t.Helper()
	q, err := http.NewRequest(method, "http://"+k.PushAddress()+path, body)
	if err != nil {
		k.t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		k.t.Fatal(err)
	}
	defer r.Body.Close()
	io.Copy(io.Discard, r.Body)
	return r.StatusCode, r.Header
}

func TestPush(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	k := newKit(t)
	a := k.source("httppush", host.Props{"datasource": "/a", "timeout": 100})
	b := k.source("httppush", host.Props{"datasource": "/b", "method": "PUT"})
	bb := k.source("httppush", host.Props{"datasource": "/b", "method": "PUT"})
	address := k.PushAddress()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if code, _ := k.send("POST", "/a", strings.NewReader(fmt.Sprintf(`{"i":%d}`, i))); code != 200 && code != 429 {
				t.Errorf("found status %d", code)
			}
		})
	}
	seen := map[any]bool{}
	for range 20 {
		var row map[string]any
		if err := json.Unmarshal(k.next(a).Value.([]byte), &row); err != nil {
			t.Fatal(err)
		}
		seen[row["i"]] = true
	}
	wg.Wait()
	if len(seen) != 20 {
		t.Errorf("found %d different rows", len(seen))
	}
	wg.Go(func() {
		if code, _ := k.send("PUT", "/b", strings.NewReader("both")); code != 200 {
			t.Errorf("found status %d", code)
		}
	})
	if one, two := k.text(b), k.text(bb); one != "both" || two != "both" {
		t.Errorf("found %q and %q", one, two)
	}
	wg.Wait()
	for _, c := range []struct {
		method, path string
		want         int
		header       string
	}{
		{"POST", "/none", 404, ""},
		{"POST", "/b", 405, "Allow"},
		{"GET", "/a", 405, "Allow"},
		{"POST", "/a", 429, "Retry-After"}, // nobody takes it
	} {
		code, h := k.send(c.method, c.path, nil)
		if code != c.want || c.header != "" && h.Get(c.header) == "" {
			t.Errorf("%s %s: found %d %v", c.method, c.path, code, h)
		}
	}
	// A large body, and one that is too large.
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if m, err := bb.Next(ctx); err != nil || len(m.Value.([]byte)) != 5<<20 {
			t.Errorf("found %d bytes, %v", len(m.Value.([]byte)), err)
		}
	}()
	go b.Next(context.Background())
	if code, _ := k.send("PUT", "/b", io.LimitReader(zeros{}, 5<<20)); code != 200 {
		t.Errorf("found status %d", code)
	}
	q, _ := http.NewRequest("POST", "http://"+address+"/a", io.LimitReader(zeros{}, builtin.MaxBytes+1))
	if r, err := http.DefaultClient.Do(q); err == nil {
		if r.Body.Close(); r.StatusCode != 413 {
			t.Errorf("found status %d", r.StatusCode)
		}
	}
	// A request that waits is told when its source ends, and the last source ends
	// the server.
	c := k.source("httppush", host.Props{"datasource": "/c", "timeout": "1h"})
	wg.Go(func() {
		if code, h := k.send("POST", "/c", strings.NewReader("x")); code != 503 || h.Get("Retry-After") == "" {
			t.Errorf("found status %d", code)
		}
	})
	time.Sleep(50 * time.Millisecond)
	for _, s := range []host.Source{c, b, bb} {
		prompt(t, "close", func() { s.Close(context.Background()) })
	}
	wg.Wait()
	slow, err := net.Dial("tcp", address) // a client that never ends its request
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	io.WriteString(slow, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	time.Sleep(20 * time.Millisecond)
	prompt(t, "close", func() { a.Close(context.Background()) })
	if k.PushAddress() != "" {
		t.Error("it still listens")
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	k.source("httppush", host.Props{"datasource": "/a"}) // and again
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestPushMemory has many clients with large bodies: only some are held at once.
func TestPushMemory(t *testing.T) {
	t.Parallel()
	defer http.DefaultClient.CloseIdleConnections()
	k := newKit(t)
	in := k.source("httppush", host.Props{"datasource": "/a", "timeout": 200})
	var wg sync.WaitGroup
	var busy, taken atomic.Int64
	for range 8 {
		wg.Go(func() {
			switch code, _ := k.send("POST", "/a", io.LimitReader(zeros{}, 30<<20)); code {
			case 200:
				taken.Add(1)
			case 429, 503:
				busy.Add(1)
			default:
				t.Errorf("found status %d", code)
			}
		})
	}
	wg.Wait() // nobody takes anything
	if busy.Load() != 8 {
		t.Errorf("found %d busy, %d taken", busy.Load(), taken.Load())
	}
	wg.Go(func() { k.send("POST", "/a", io.LimitReader(zeros{}, 60<<20)) }) // all of it was given back
	if m := k.next(in); len(m.Value.([]byte)) != 60<<20 {
		t.Errorf("found %d bytes", len(m.Value.([]byte)))
	}
	wg.Wait()
}

func TestPushSecure(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	_, cert, key := a.pair("server")
	k := newKit(t, func(o *builtin.Options) { o.PushCert, o.PushKey = cert, key })
	in := k.source("httppush", host.Props{"datasource": "/a"})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool()}}}
	defer client.CloseIdleConnections()
	go func() {
		if r, err := client.Post("https://"+k.PushAddress()+"/a", "", strings.NewReader("x")); err == nil {
			r.Body.Close()
		}
	}()
	if got := k.text(in); got != "x" {
		t.Error(got)
	}
	taken := newKit(t, func(o *builtin.Options) { o.PushAddr = k.PushAddress() })
	s, err := taken.Source("httppush", nil, host.Props{"datasource": "/a"})
	if err != nil {
		t.Fatal(err)
	}
	fails(t, s.Open(taken.soon()), host.ErrUnavailable, "address already in use", "httpServerPort")
}
