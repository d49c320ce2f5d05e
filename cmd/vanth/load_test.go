package main

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// TestUpdatesUnderLoad updates a plugin 1,000 times over HTTP while callers
// call: no call fails, and none sees a version that is older than one seen
// before or was not yet sent.
func TestUpdatesUnderLoad(t *testing.T) {
	updatesUnderLoad(t, startServe(t, t.TempDir()), "wasm", 1000, versioned)
}

func updatesUnderLoad(t *testing.T, p *process, class string, updates int, body func(t testing.TB, name string, version int) []byte) {
	c := newPeer(p.address)
	defer c.close()
	if status, body, err := c.do("POST", "/plugins/"+class+"?name=load", body(t, "load", 1)); err != nil || status != http.StatusCreated {
		t.Fatal(status, body, err)
	}
	var sent, calls atomic.Int64
	sent.Store(1)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c := newPeer(p.address)
			defer c.close()
			for last := 0; ; calls.Add(1) {
				select {
				case <-done:
					return
				default:
				}
				got, err := c.call("load")
				if err != nil || got < last || int64(got) > sent.Load() {
					t.Errorf("version %d after %d, %d sent: %v", got, last, sent.Load(), err)
					return
				}
				last = got
			}
		})
	}
	for n := 2; n <= updates+1 && !t.Failed(); n++ {
		sent.Store(int64(n))
		if status, body, err := c.do("PUT", "/plugins/"+class+"/load", body(t, "load", n)); err != nil || status != http.StatusOK {
			t.Errorf("update %d: %d %s %v", n, status, body, err)
		}
		if got, err := c.call("load"); err != nil || got != n {
			t.Errorf("after update %d was answered: version %d, %v", n, got, err)
		}
	}
	close(done)
	wg.Wait()
	t.Logf("%d calls during %d updates", calls.Load(), updates)
}
