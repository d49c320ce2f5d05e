package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
)

// full expects 429 and when to come back.
func full(t *testing.T, r reply, message string) {
	t.Helper()
	r.want(t, 429, js, ours(6020, message+"; retry after 1 s, or send less at once"))
	if r.header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
}

// insist sends a request until there is a place for it.
func insist(k *kit, path, body string) {
	for k.do("POST", path, body, "Content-Type", nd).status == 429 {
		time.Sleep(time.Millisecond)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// Calls and batches beyond the bound are refused and do not wait; what was refused
// or ended, in whatever way, takes no place.
func TestCallsInFlight(t *testing.T) {
	k := newKit(t, api.Options{MaxCalls: 2})
	k.install("kit", all()...)
	k.installLaned()
	var wg sync.WaitGroup
	hold := func(path, body string) {
		wg.Go(func() { insist(k, path, body) })
	}
	hold("/functions/slow/call", `{"args":[700]}`)
	hold("/functions/slow/batch", "[300]\n[400]")
	until(t, "the two were not counted", func() bool {
		return k.do("POST", "/functions/wadd/call", `{"args":[1.5,2]}`).status == 429
	})
	const message = "found 2 calls in flight, at most that many are allowed (limits.calls)"
	full(t, k.do("POST", "/functions/wadd/call", `{"args":[1.5,2]}`), message)
	full(t, k.do("POST", "/functions/echo/batch", `[[1]]`), message)
	if r := k.do("GET", "/functions", nil); r.status != 200 {
		t.Errorf("a listing: found %d", r.status)
	}
	wg.Wait()
	for range 5 { // each ends in its own way, and gives its place back
		for _, name := range []string{"add", "panics", "trap", "busy", "none", "wadd", "fpanic"} {
			for _, what := range []string{"call", "batch"} {
				k.do("POST", "/functions/"+name+"/"+what, `{"args":[1]}`)
			}
		}
		w := k.dial().send("POST /functions/slow/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n%600s", strings.Repeat("[150]\n", 100))
		if resp := w.r; resp != nil {
			_, _ = w.r.ReadByte()
		}
		w.Close() // its client goes away
		until(t, "a batch that was left keeps its place", func() bool {
			return k.do("POST", "/functions/wadd/call", `{"args":[1.5,2]}`).status == 200
		})
	}
	for range 2 {
		hold("/functions/slow/call", `{"args":[50]}`)
	}
	wg.Wait()
	k.do("POST", "/functions/wadd/call", `{"args":[1.5,2]}`).want(t, 200, js, `{"result":3.5}`)
}

// So are bodies that have no room, while small ones pass.
func TestBodiesBuffered(t *testing.T) {
	const size = 64 << 10
	k := newKit(t, api.Options{MaxBody: size, MaxBuffered: size})
	k.install("kit", "slow", "echo")
	body := func(ms int) string { return fmt.Sprintf(`{"args":[%d,"%s"]}`, ms, strings.Repeat("x", 40<<10)) }
	var wg sync.WaitGroup
	for range 2 { // 25 KiB each are counted
		wg.Go(func() { insist(k, "/functions/slow/call", body(900)) })
	}
	var last reply
	until(t, "the two were not counted", func() bool {
		last = k.do("POST", "/functions/slow/call", body(0))
		return last.status == 429
	})
	full(t, last, "body: found bodies of up to 65536 bytes that wait for their answers, which is the most that is taken (limits.bufferMiB)")
	k.do("POST", "/functions/echo/call", `{"args":[1]}`).want(t, 200, js, `{"result":1}`)
	wg.Wait()
	for range 10 {
		if r := k.do("POST", "/functions/slow/call", body(0)); r.status != 200 {
			t.Fatalf("found %d %s", r.status, r.body)
		}
		if r := k.do("POST", "/functions/slow/call", body(0)+"}"); r.status != 400 {
			t.Fatalf("found %d %s", r.status, r.body)
		}
	}
}
