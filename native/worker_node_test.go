package native

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

func TestWorkerSink(t *testing.T) {
	k := newWorkerKit(t)
	m := k.load(t, "1", "shelf")
	ctx := timeout(t, 20*time.Second)
	s, err := m.Sink("shelf", nil, host.Props{"size": 3})
	if err != nil {
		t.Fatal(err)
	}
	write := func(v string) error { return s.Write(ctx, host.Message{Value: map[string]any{"v": v}}) }
	if err := write("early"); !errors.Is(err, host.ErrClosed) {
		t.Error(err)
	}
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	if err := write("one"); err != nil || !strings.Contains(k.logs.String(), "shelved one") {
		t.Error(err, k.logs)
	}
	if g, ok := errors.AsType[*host.GuestError](write("refuse")); !ok || g.Fault != host.FaultReturned {
		t.Error(g)
	}
	if g, ok := errors.AsType[*host.GuestError](write("die")); !ok || g.Fault != host.FaultTrap {
		t.Error(g)
	}
	if err := write("two"); err != nil || !strings.Contains(k.logs.String(), "shelved two") {
		t.Error(err, k.logs)
	}
	if err := errors.Join(s.Close(ctx), s.Close(ctx)); err != nil {
		t.Error(err)
	}
	if err := write("late"); !errors.Is(err, host.ErrClosed) {
		t.Error(err)
	}
	if s, err = m.Sink("shelf", nil, host.Props{"size": 4}); err != nil {
		t.Fatal(err)
	}
	if err := s.Open(ctx); err == nil || !strings.Contains(err.Error(), "size is 4") {
		t.Error(err)
	}
}

func TestWorkerSource(t *testing.T) {
	k := newWorkerKit(t)
	m := k.load(t, "1", "ticks")
	ctx := timeout(t, 20*time.Second)
	s, err := m.Source("ticks", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(ctx); err != nil {
		t.Fatal(err)
	}
	for n := int64(1); n <= 5; {
		short, cancel := context.WithTimeout(ctx, 3*time.Millisecond) // many are given up: none is lost
		msg, err := s.Next(short)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			continue
		}
		want := host.Message{Value: map[string]any{"n": n}, Meta: map[string]any{"topic": "t"}, Time: time.Unix(1, 0).UTC()}
		if err != nil || !reflect.DeepEqual(msg, want) {
			t.Fatal(msg, err)
		}
		n++
	}
	for range 2 {
		if _, err := s.Next(ctx); err != io.EOF {
			t.Error(err)
		}
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if _, err := s.Next(ctx); !errors.Is(err, host.ErrClosed) {
		t.Error(err)
	}
}

// FuzzWorkerWire feeds the host what a worker might send.
func FuzzWorkerWire(f *testing.F) {
	for _, m := range [][]any{
		{opReply, "x"},
		{opFail, 6, "text", "", "", "", ""},
		{opFail, 0, "text", "echo", "error", "io", "said"},
		{opState, []any{[]any{[]byte("s"), []byte("k"), true, 5}, []any{[]byte("s"), []byte("k"), false, nil}}},
		{opFetch, []byte("s"), []byte("k")},
		{opLog, 4, "text", []any{"key", "value"}},
	} {
		b, err := pack(1, m[0].(int), m[1:]...)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x90})
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := newGuest(host.Bundle{Plugin: host.Plugin{ID: testID()}}, guestOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r := &request{id: 1, symbol: "echo", reply: make(chan answer, 1)}
		c := &child{m: &isolated{guest: g, state: g.memory.kept}, asked: map[int64]*request{1: r}}
		ours, theirs := net.Pipe()
		c.link = &link{conn: ours, out: make(chan []byte, linkQueue), done: make(chan struct{})}
		fed := make(chan struct{})
		go func() {
			defer close(fed)
			_ = theirs.SetDeadline(time.Now().Add(time.Second))
			_, _ = theirs.Write(b)
			theirs.Close()
		}()
		// More fetches than the queue holds would wait for a writer.
		if strings.Count(string(b), "\x0f") < linkQueue {
			c.link.fail(c.link.read(c.handle))
		}
		ours.Close()
		<-fed
	})
}
