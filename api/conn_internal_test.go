package api

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// White box: how often a deadline is really set cannot be seen from outside.

func TestDeadlinesAreSetOnce(t *testing.T) {
	var d due
	var set []time.Time
	arm := func(latest *time.Time) {
		t.Helper()
		if err := d.arm(latest, func(at time.Time) error { set = append(set, at); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	at := func(ms int) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }
	within := func(deadline time.Time) {
		t.Helper()
		last := set[len(set)-1]
		if last.Before(deadline) || last.After(deadline.Add(dueSlack)) {
			t.Errorf("set to %v after what was asked for", last.Sub(deadline))
		}
	}
	for _, step := range []struct {
		note  time.Time
		sets  int // so far
		bound int // ms; 0 for none
	}{
		{at(1000), 1, 0}, {at(1000), 1, 0}, {at(1010), 1, 0}, {at(1019), 1, 0}, {at(1030), 2, 0}, // later
		{at(500), 3, 0}, {at(100000), 4, 0}, {at(100001), 4, 0}, // earlier, and much later
		{at(100001), 5, 700}, {at(300), 6, 700}, {at(90000), 7, 700}, // bounded
	} {
		d.note(step.note)
		var latest *time.Time
		want := step.note
		if step.bound > 0 {
			bound := at(step.bound)
			if latest = &bound; want.After(bound) {
				want = bound
			}
		}
		if arm(latest); len(set) != step.sets {
			t.Fatalf("%v: set %d times, expected %d", step.note.Sub(now), len(set), step.sets)
		}
		within(want)
	}
	d.note(time.Time{})
	if arm(nil); !set[len(set)-1].IsZero() {
		t.Error("none was asked for")
	}
	bound := at(50)
	arm(&bound)
	within(bound)
}

// Reads and writes end at their deadlines, and those that wait at the gate's end.
func TestDeadlinesHold(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(4)
	l, err := g.listen(ln, true)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	start := time.Now()
	_ = c.SetReadDeadline(start.Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) < 50*time.Millisecond {
		t.Errorf("read: found %v after %v", err, time.Since(start))
	}
	start = time.Now()
	_ = c.SetWriteDeadline(start.Add(50 * time.Millisecond))
	for err = nil; err == nil; { // until nothing more fits
		_, err = c.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) < 50*time.Millisecond {
		t.Errorf("write: found %v after %v", err, time.Since(start))
	}
	_ = c.SetDeadline(time.Time{})
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 1 { // it was heard
		t.Fatal(err)
	}
	waits := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		waits <- err
	}()
	time.Sleep(20 * time.Millisecond)
	start = time.Now()
	g.close()
	if err := <-waits; !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, io.EOF) || time.Since(start) > patience+2*time.Second {
		t.Errorf("the end: found %v after %v", err, time.Since(start))
	}
}
