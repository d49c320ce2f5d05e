//go:build linux

package portable

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

func ringOf(t *testing.T) *ring {
	t.Helper()
	f, r, err := newRing()
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	t.Cleanup(r.free)
	return r
}

// TestRingWakes: a reader that sleeps is woken once for all that comes until it has
// read.
func TestRingWakes(t *testing.T) {
	r := ringOf(t)
	h := &r.out
	offer := func(step string, want bool) {
		t.Helper()
		if all, asleep := r.offer([]byte("abc")); !all || asleep != want {
			t.Errorf("%s: %v, asleep %v, want %v", step, all, asleep, want)
		}
	}
	offer("awake", false)
	h.tail.Store(h.own)
	h.readWait.Store(1)
	if all, asleep := r.offer(nil); !all || asleep {
		t.Error("nothing wakes")
	}
	offer("asleep", true)
	offer("being woken", false)
	h.tail.Store(h.own)
	offer("asleep again, after it has read", true)
	h.readWait.Store(0)
	offer("awake again", false)
	h.readWait.Store(1)
	offer("asleep again", true)
}

// TestRingOffer: all or nothing.
func TestRingOffer(t *testing.T) {
	r := ringOf(t)
	if all, _ := r.offer(make([]byte, ringBuf+1)); all {
		t.Error("more than the ring has room for")
	}
	if all, _ := r.offer(make([]byte, ringBuf)); !all {
		t.Error("as much as the ring has room for")
	}
	if all, _ := r.offer([]byte{1}); all {
		t.Error("a full ring")
	}
	r.out.tail.Store(1 << 31)
	if all, _ := r.offer([]byte{1}); all {
		t.Error("a tail beyond the head")
	}
	if err := r.write([]byte{1}, time.Second); !errors.Is(err, errProtocol) {
		t.Error(err)
	}
}

// sleeper reads what comes by a ring's out, n bytes, as an SDK does: it sets its word
// once, and not again after it was woken for nothing.
func sleeper(r *ring, n uint32) {
	h := &r.out
	for own := uint32(0); own < n && !r.over.Load(); {
		head := h.head.Load()
		if head == own {
			h.readWait.Store(1)
			for head = h.head.Load(); head == own && !r.over.Load(); head = h.head.Load() {
				sleep(h.head, own, 0)
			}
			h.readWait.Store(0)
		}
		own = head
		h.tail.Store(own)
	}
}

// TestRingWakesSleepers: writers that store at the same time, and wake after they
// have stored, lose no reader. Nobody writes after them who would wake it.
func TestRingWakesSleepers(t *testing.T) {
	const rounds, writers, size = 5000, 4, 21
	r := ringOf(t)
	h := &r.out
	done := make(chan struct{})
	go func() {
		sleeper(r, rounds*writers*size)
		close(done)
	}()
	defer func() {
		r.shut()
		wake(h.head, all)
		<-done
	}()
	var mu sync.Mutex
	b := make([]byte, size)
	for range rounds {
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				mu.Lock()
				all, asleep := r.offer(b)
				mu.Unlock()
				if !all {
					t.Error("there is no room")
				}
				if rand.IntN(8) == 0 {
					runtime.Gosched()
				}
				if asleep {
					r.rouse()
				}
			})
		}
		wg.Wait()
		for end := time.Now().Add(5 * time.Second); h.tail.Load() != h.own; runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("the reader sleeps at %d of %d", h.tail.Load(), h.own)
			}
		}
	}
}

// TestRingPoke: a read ends, and the next goes on as if it had not been.
func TestRingPoke(t *testing.T) {
	for _, look := range []time.Duration{0, lookFor} {
		r := ringOf(t)
		r.attend(look, 0)
		frames := newFrameReader(r)
		payload := bytes.Repeat([]byte("x"), 3*readBuffer)
		whole := end(append(begin(nil, head{op: opMessage, id: 7}), payload...), 0)
		give := func(b []byte) {
			at := r.in.head.Load()
			copy(r.in.buf[at:], b)
			r.in.head.Store(at + uint32(len(b)))
			wake(r.in.head, one)
		}
		for _, part := range [][]byte{nil, whole[:5], whole[5:20], whole[20:1000], whole[1000 : readBuffer+7]} {
			give(part)
			poked := make(chan struct{})
			go func() {
				for {
					select {
					case <-poked:
						return
					case <-time.After(time.Millisecond):
						r.poke()
					}
				}
			}()
			if _, _, err := frames.next(); !errors.Is(err, errPoked) {
				t.Fatal(err)
			}
			close(poked)
			time.Sleep(2 * time.Millisecond)
			r.calm()
		}
		give(whole[readBuffer+7:])
		h, got, err := frames.next()
		if err != nil || h.op != opMessage || h.id != 7 || !bytes.Equal(got, payload) {
			t.Errorf("%+v, %d bytes, %v", h, len(got), err)
		}
	}
}

// TestRingTells: a reader says how far it has read before it waits, when there was
// much, and when somebody waits for room; not each time.
func TestRingTells(t *testing.T) {
	r := ringOf(t)
	h := &r.in
	give := func(n int) { h.head.Add(uint32(n)) }
	b := make([]byte, ringBuf)
	read := func(n int) {
		t.Helper()
		if got, err := r.Read(b[:n]); got != n || err != nil {
			t.Fatal(got, err)
		}
	}
	told := func(step string, want uint32) {
		t.Helper()
		if got := h.tail.Load(); got != want {
			t.Errorf("%s: found %d told, want %d", step, got, want)
		}
	}
	give(100)
	read(10)
	told("a little", 0)
	h.roomFor.Store(1)
	read(10)
	told("somebody waits", 20)
	h.roomFor.Store(0)
	read(80)
	told("all of it", 20)
	r.poked.Store(true)
	if _, err := r.Read(b); !errors.Is(err, errPoked) {
		t.Fatal(err)
	}
	told("about to wait", 100)
	r.calm()
	give(ringBuf)
	read(tellAfter)
	told("much", 100+tellAfter)
}
