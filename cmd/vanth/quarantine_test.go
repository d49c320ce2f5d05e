package main

import (
	"net/http"
	"strings"
	"testing"
)

// TestE2EQuarantine: a plugin that only fails says so in its status, is refused, and
// is let in again by hand or by an update.
func TestE2EQuarantine(t *testing.T) {
	p := startServe(t, t.TempDir())
	c := newPeer(p.address)
	defer c.close()
	do := func(method, path string, body []byte, want int) string {
		t.Helper()
		status, text, err := c.do(method, path, body)
		if err != nil || status != want {
			t.Fatalf("%s %s: %d %s, %v; expected %d", method, path, status, text, err, want)
		}
		return text
	}
	const head = "\x00asm\x01\x00\x00\x00" + "\x01\x05\x01\x60\x00\x01\x7f" + "\x03\x02\x01\x00" + "\x07\x05\x01\x01f\x00\x00"
	bad, good := head+"\x0a\x05\x01\x03\x00\x00\x0b", head+"\x0a\x06\x01\x04\x00\x41\x07\x0b"
	do("POST", "/plugins/wasm?name=bad", wasmZip(t, "bad", []byte(bad)), http.StatusCreated)
	const path = "/plugins/wasm/bad"
	if st := do("GET", path+"/status", nil, 200); !strings.HasPrefix(st, `{"refCount":{},"status":"running","errMsg":"","restarts":0,"sandbox":"wasm","instances":{"alive":1,`) {
		t.Error(st)
	}
	fail := func() {
		t.Helper()
		for range 50 {
			do("POST", "/functions/f/call", []byte(`{"args":[]}`), http.StatusBadGateway)
		}
		if text := do("POST", "/functions/f/call", []byte(`{"args":[]}`), http.StatusServiceUnavailable); !strings.Contains(text, "quarantined for 1s: too many calls failed in a row") {
			t.Error(text)
		}
	}
	fail()
	st := do("GET", path+"/status", nil, 200)
	if !strings.Contains(st, `"status":"error","errMsg":"quarantined: too many calls failed in a row`) || !strings.Contains(st, `"faults":50,"waitedMs":0}`) {
		t.Error(st)
	}
	do("POST", path+"/restart", nil, 200)
	fail()
	do("PUT", path, wasmZip(t, "bad", []byte(good)), 200)
	if got := c.result(t, "f", `[]`); got != `200 {"result":7}` {
		t.Error(got)
	}
}
