package sp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/portable/internal/trial"
)

// only returns the one connection of a Caller.
func only(t *testing.T, c *Caller) *conn {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.conns {
		return k
	}
	t.Fatal("no connection")
	return nil
}

// departed returns a Caller whose connection has left the poller, and a peer that answers what it got, after what
// before does.
func departed(t *testing.T, before func(p *peer, text string)) (*Caller, *conn) {
	t.Helper()
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	p := dialReq(t, path, 0x80000001)
	up(t, c, 1)
	go func() {
		f := frames{src: p, max: 2 << 20}
		for id := uint32(0x80000002); ; id++ {
			b, err := f.next()
			if err != nil {
				return
			}
			text := string(b[idLen:])
			before(p, text)
			if _, err := p.Write(request(id, text)); err != nil {
				return
			}
		}
	}()
	return c, leave(t, c)
}

// leave makes calls until the connection has left the poller.
func leave(t *testing.T, c *Caller) *conn {
	t.Helper()
	k := only(t, c)
	if !k.lookout.several {
		t.Skip("one processor")
	}
	for range 100 {
		for range 3 * soloFor {
			if got, err := c.Call(soon(t), []byte("x"), nil); err != nil || string(got) != "x" {
				t.Fatal(got, err)
			}
		}
		if k.away() {
			return k
		}
	}
	t.Fatal("the connection never leaves the poller")
	return nil
}

// A connection that has left the poller comes back when that is due, and loses nothing.
func TestAwayFromThePoller(t *testing.T) {
	noLeak(t)
	c, k := departed(t, func(p *peer, text string) {
		switch text {
		case "slow":
			time.Sleep(8 * napFor)
		case "again":
			p.say(request(0x90000000, "handshake"))
			_, _ = io.ReadFull(p, make([]byte, headLen+idLen+len(text)))
		}
	})
	wantBack := func(why string) {
		t.Helper()
		eventually(t, "back: "+why, func() bool { return !k.away() })
		leave(t, c)
	}
	for _, text := range []string{"slow", "again", strings.Repeat("large", 100_000)} {
		got, err := c.Call(soon(t), []byte(text), nil)
		if err != nil || string(got) != text {
			t.Fatalf("%.10q answered by %.10q, %v", text, got, err)
		}
		if text != "again" {
			wantBack(text[:4])
		}
	}
	wantBack("nobody calls")
	// While another call of the Hub is on its way, nobody sleeps on its thread.
	c.hub.asked.Add(1)
	if _, err := c.Call(soon(t), []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	if k.away() {
		t.Error("a call that is not alone slept on its thread")
	}
	c.hub.asked.Add(-1)
}

// Whatever ends a call ends one that sleeps on its thread.
func TestAwayCallEnds(t *testing.T) {
	late := errors.New("late")
	for name, test := range map[string]struct {
		ends func(c *Caller, cancel context.CancelCauseFunc)
		peer func(p *peer)
		want error
	}{
		"cancelled":          {func(_ *Caller, cancel context.CancelCauseFunc) { cancel(late) }, nil, late},
		"the Caller closes":  {func(c *Caller, _ context.CancelCauseFunc) { _ = c.Close() }, nil, ErrPeerGone},
		"the peer goes":      {nil, func(p *peer) { p.Close() }, ErrPeerGone},
		"the peer talks on":  {nil, func(p *peer) { drip(p, request(0x90000001, strings.Repeat("x", 10_000))) }, context.DeadlineExceeded},
		"the peer is silent": {nil, func(*peer) { time.Sleep(time.Second) }, context.DeadlineExceeded},
		"garbage":            {nil, func(p *peer) { p.say(bytes.Repeat([]byte{7}, 17)) }, ErrPeerGone},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			asked := make(chan struct{})
			c, k := departed(t, func(p *peer, text string) {
				if text != "end" {
					return
				}
				close(asked)
				if test.peer != nil {
					test.peer(p)
				} else {
					time.Sleep(50 * time.Millisecond)
				}
			})
			ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer stop()
			ctx, cancel := context.WithCancelCause(ctx)
			if test.ends != nil {
				go func() {
					<-asked
					test.ends(c, cancel)
				}()
			}
			begun := time.Now()
			_, err := c.Call(ctx, []byte("end"), nil)
			if took := time.Since(begun); !errors.Is(err, test.want) || took > 500*time.Millisecond {
				t.Errorf("found %v after %v, want %v", err, took, test.want)
			}
			cancel(nil)
			k.close()
		})
	}
}

// drip sends a byte at a time.
func drip(p *peer, b []byte) {
	for i := range b {
		if _, err := p.Write(b[i : i+1]); err != nil {
			return
		}
		time.Sleep(napFor / 10)
	}
}

// A look in vain ends, calls look while that is answered sooner, and not where other calls are on their way.
func TestLookout(t *testing.T) {
	c, k := departed(t, func(*peer, string) {})
	eventually(t, "the watcher reads", func() bool { // so that nobody else uses what is looked at here
		c.mu.Lock()
		defer c.mu.Unlock()
		return k.reads == watcher
	})
	o := lookout{into: make([]byte, 10)}
	o.attend(&c.hub.asked)
	o.several = true
	began := time.Now()
	if err := k.raw.Read(o.looks); err != nil || o.n != 0 || time.Since(began) < lookFor/2 {
		t.Fatal(o.n, err, time.Since(began))
	}
	// calls makes a call after the other, which take so long, and returns how many looked.
	calls := func(n int, slept, looked time.Duration) (looks int) {
		for range n {
			o.begin()
			took := slept
			if o.worth() {
				took = looked
				looks++
			}
			o.begun = o.begun.Add(-took)
			o.answered()
		}
		return looks
	}
	const round = 2*trial.Calls + trial.Term
	for _, sooner := range []bool{true, false, true} {
		want := trial.Calls
		slept, looked := time.Millisecond, 2*time.Millisecond
		if sooner {
			want += trial.Term
			slept, looked = looked, slept
		}
		if n := calls(round, slept, looked); n != want {
			t.Errorf("found %d of %d calls that look, want %d, as looking is sooner: %t", n, round, want, sooner)
		}
	}
	calls(trial.Calls, time.Millisecond, time.Millisecond)
	o.begin() // of those that try
	if !o.worth() {
		t.Fatal("nobody tries")
	}
	c.hub.asked.Store(2)
	if o.worth() {
		t.Error("a call looks that is not alone")
	}
	if before := o.trial; calls(10, 0, 0) != 0 || o.trial != before {
		t.Error("calls count that are not alone")
	}
	c.hub.asked.Store(0)
	if o.several = false; o.worth() {
		t.Error("a call looks on one processor")
	}
}
