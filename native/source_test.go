package native

import (
	"context"
	"errors"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

func (k *kit) source(t testing.TB, s api.Source, props host.Props) host.Source {
	t.Helper()
	src, err := newSource(k.guest, "src", s, props, &host.Call{Rule: "r", Op: "src"})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// opened opens a source, and closes it with the test.
func (k *kit) opened(t testing.TB, s api.Source, props host.Props) host.Source {
	t.Helper()
	src := k.source(t, s, props)
	if err := src.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close(context.Background()) })
	return src
}

func next(t testing.TB, s host.Source) any {
	t.Helper()
	m, err := s.Next(timeout(t, 5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return m.Value
}

func wantNext(t testing.TB, s host.Source, want any) {
	t.Helper()
	if got := next(t, s); !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

func row(n int) map[string]any { return map[string]any{"n": int64(n)} }

func TestSourceShapes(t *testing.T) {
	at := time.Unix(5, 0)
	meta := map[string]any{"topic": "t", "qos": 1}
	for name, s := range map[string]api.Source{
		"bytes": &bytesPusher{subscribe: func(ctx api.StreamContext, in api.BytesIngest, _ api.ErrorIngest) error {
			b := []byte("one")
			in(ctx, b, meta, at)
			copy(b, "two")
			in(ctx, b, nil, time.Time{})
			return nil
		}},
		"tuple": &tuplePusher{subscribe: func(ctx api.StreamContext, in api.TupleIngest, _ api.ErrorIngest) error {
			go func() { // a plugin's own goroutine
				m := map[string]any{"v": "one"}
				in(ctx, m, meta, at)
				m["v"] = "two" // what was ingested is copied
				in(ctx, []map[string]any{m}, nil, time.Time{})
			}()
			return nil
		}},
		"pull bytes": &bytesPuller{pull: func(ctx api.StreamContext, _ time.Time, in api.BytesIngest, _ api.ErrorIngest) {
			in(ctx, []byte("one"), meta, at)
			in(ctx, []byte("two"), nil, time.Time{})
		}},
		"pull tuple": &tuplePuller{pull: func(ctx api.StreamContext, _ time.Time, in api.TupleIngest, _ api.ErrorIngest) {
			in(ctx, []any{map[string]any{"v": "one"}, map[string]any{"v": "two"}}, meta, at)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			src := newKit(t, guestOptions{}).opened(t, s, host.Props{"interval": 0})
			m, err := src.Next(t.Context())
			if err != nil || !reflect.DeepEqual(m.Meta, map[string]any{"topic": "t", "qos": int64(1)}) || !m.Time.Equal(at) {
				t.Fatalf("got %+v, %v", m, err)
			}
			one, two := any([]byte("one")), any([]byte("two"))
			if strings.Contains(name, "tuple") {
				one, two = map[string]any{"v": "one"}, map[string]any{"v": "two"}
			}
			if !reflect.DeepEqual(m.Value, one) {
				t.Errorf("got %v", m.Value)
			}
			wantNext(t, src, two)
			if _, err := src.Next(timeout(t, 10*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("nothing more: %v", err)
			}
		})
	}
}

func TestSourceLife(t *testing.T) {
	k := newKit(t, guestOptions{Home: "/h"})
	s := &boundedPusher{}
	s.provision = func(ctx api.StreamContext, configs map[string]any) error {
		if configs["format"] != "json" || configs["datasource"] != "t" || ctx.GetRuleId() != "r" || ctx.GetRootPath() != "/h" {
			t.Errorf("got %v", configs)
		}
		return ctx.PutState("k", 1)
	}
	s.connect = func(_ api.StreamContext, sch api.StatusChangeHandler) error {
		sch(api.ConnectionConnecting, "")
		sch(api.ConnectionConnected, "ok")
		return nil
	}
	var after func()
	s.subscribe = func(ctx api.StreamContext, in api.TupleIngest, _ api.ErrorIngest) error {
		in(ctx, row(1), nil, time.Time{})
		s.eof(ctx, "done")
		in(ctx, row(2), nil, time.Time{})
		after = func() { in(ctx, row(3), nil, time.Time{}); s.eof(ctx, "") }
		return nil
	}
	src := k.source(t, s, host.Props{"datasource": "t"})
	if _, err := src.Next(t.Context()); !errors.Is(err, host.ErrClosed) {
		t.Errorf("before open: %v", err)
	}
	if err := src.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := src.Open(t.Context()); !errors.Is(err, host.ErrInvalid) {
		t.Errorf("opened twice: %v", err)
	}
	if got := s.steps(); !slices.Equal(got, []string{"provision", "eof", "connect"}) {
		t.Errorf("steps %v", got)
	}
	if status, message := src.(*source).Status(); status != "connected" || message != "ok" {
		t.Error(status, message)
	}
	wantNext(t, src, row(1))
	for range 2 {
		if _, err := src.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("the end: %v", err)
		}
	}
	if err := errors.Join(src.Close(t.Context()), src.Close(t.Context())); err != nil {
		t.Error(err)
	}
	after() // ingest after close does nothing and does not block
	if got := s.steps(); !slices.Equal(got, []string{"provision", "eof", "connect", "subscribe", "close"}) {
		t.Errorf("steps %v", got)
	}
	if src.Open(t.Context()) == nil {
		t.Error("opened after close")
	}
}

func TestSourcePullsEveryInterval(t *testing.T) {
	var n atomic.Int64
	src := newKit(t, guestOptions{}).opened(t, &tuplePuller{pull: func(ctx api.StreamContext, at time.Time, in api.TupleIngest, _ api.ErrorIngest) {
		in(ctx, map[string]any{"n": n.Add(1)}, nil, at)
	}}, host.Props{"interval": "30ms"})
	begun := time.Now()
	wantNext(t, src, row(1))
	if d := time.Since(begun); d > 25*time.Millisecond {
		t.Errorf("the first pull came after %v", d)
	}
	for i := range 4 {
		wantNext(t, src, row(i+2))
	}
	if d := time.Since(begun); d < 110*time.Millisecond || d > 2*time.Second {
		t.Errorf("four intervals took %v", d)
	}
	time.Sleep(200 * time.Millisecond) // nobody asks: at most one pull ahead
	if got := n.Load(); got > 6 {
		t.Errorf("%d pulls", got)
	}
}

func TestSourceBackPressure(t *testing.T) {
	var n atomic.Int64
	src := newKit(t, guestOptions{Queue: 4}).opened(t, &tuplePusher{subscribe: func(ctx api.StreamContext, in api.TupleIngest, _ api.ErrorIngest) error {
		for ctx.Err() == nil {
			in(ctx, map[string]any{"n": n.Add(1)}, nil, time.Time{})
		}
		return nil
	}}, nil)
	wantNext(t, src, row(1))
	time.Sleep(20 * time.Millisecond)
	if got := n.Load(); got > 7 {
		t.Errorf("%d rows are ahead", got)
	}
	for i := range 100 {
		wantNext(t, src, row(i+2))
	}
}

func TestSourceErrors(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name    string
		s       api.Source
		text    string
		class   string
		goes    bool // the source goes on
		trapped bool
	}{
		{"ingested", &tuplePusher{subscribe: func(ctx api.StreamContext, in api.TupleIngest, e api.ErrorIngest) error {
			e(ctx, boom)
			e(ctx, nil)
			in(ctx, row(1), nil, time.Time{})
			return nil
		}}, "boom", "io", true, false},
		{"set", &tuplePusher{subscribe: func(ctx api.StreamContext, in api.TupleIngest, _ api.ErrorIngest) error {
			ctx.SetError(boom)
			in(ctx, row(1), nil, time.Time{})
			return nil
		}}, "boom", "io", true, false},
		{"no value", &tuplePusher{subscribe: func(ctx api.StreamContext, in api.TupleIngest, _ api.ErrorIngest) error {
			in(ctx, "text", nil, time.Time{})
			in(ctx, row(1), nil, time.Time{})
			return nil
		}}, "ingest: found string", "", true, false},
		{"list of no maps", &tuplePusher{subscribe: func(ctx api.StreamContext, in api.TupleIngest, _ api.ErrorIngest) error {
			in(ctx, []any{row(9), 1}, nil, time.Time{})
			in(ctx, row(1), nil, time.Time{})
			return nil
		}}, "ingest: [1]: found number 1", "", true, false},
		{"meta of no values", &bytesPuller{pull: func(ctx api.StreamContext, _ time.Time, in api.BytesIngest, _ api.ErrorIngest) {
			in(ctx, nil, map[string]any{"c": make(chan int)}, time.Time{})
			in(ctx, nil, nil, time.Time{})
		}}, "ingest: meta: c: found chan int", "", true, false},
		{"pull panics", &tuplePuller{pull: func() func(api.StreamContext, time.Time, api.TupleIngest, api.ErrorIngest) {
			n := 0
			return func(ctx api.StreamContext, _ time.Time, in api.TupleIngest, _ api.ErrorIngest) {
				if n++; n == 1 {
					panic("boom")
				}
				in(ctx, row(1), nil, time.Time{})
			}
		}()}, "Pull: panic: boom", "", true, true},
		{"subscribe fails", &tuplePusher{subscribe: func(api.StreamContext, api.TupleIngest, api.ErrorIngest) error { return boom }}, "Subscribe: boom", "fatal", false, false},
		{"subscribe panics", &bytesPusher{subscribe: func(api.StreamContext, api.BytesIngest, api.ErrorIngest) error { panic("boom") }}, "Subscribe: panic: boom", "", false, true},
		{"goexit", &tuplePusher{subscribe: func(api.StreamContext, api.TupleIngest, api.ErrorIngest) error { runtime.Goexit(); return nil }}, "Goexit", "", false, false},
		{"goexit of pull", &tuplePuller{pull: func(api.StreamContext, time.Time, api.TupleIngest, api.ErrorIngest) { runtime.Goexit() }}, "Goexit", "", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newKit(t, guestOptions{}).opened(t, c.s, host.Props{"interval": 1})
			_, err := src.Next(timeout(t, 5*time.Second))
			g, ok := errors.AsType[*host.GuestError](err)
			if !ok || !strings.Contains(err.Error(), c.text) || g.Class != c.class || (g.Fault == host.FaultTrap) != c.trapped {
				t.Fatalf("got %v, %+v", err, g)
			}
			_, err = src.Next(timeout(t, 5*time.Second))
			if (err == nil) != c.goes {
				t.Errorf("then: %v", err)
			}
			if err := src.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSourceEndsWithItsModule(t *testing.T) {
	k := newKit(t, guestOptions{})
	src := k.opened(t, &tuplePusher{subscribe: func(ctx api.StreamContext, _ api.TupleIngest, _ api.ErrorIngest) error {
		<-ctx.Done()
		return ctx.Err()
	}}, nil)
	time.AfterFunc(10*time.Millisecond, func() { _ = k.close(context.Background()) })
	if _, err := src.Next(t.Context()); !errors.Is(err, host.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := src.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := k.source(t, &tuplePusher{}, nil).Open(t.Context()); !errors.Is(err, host.ErrClosed) {
		t.Errorf("opened after the module's end: %v", err)
	}
}

func TestSourceRewinds(t *testing.T) {
	k := newKit(t, guestOptions{})
	s := &rewinder{offset: 0}
	s.subscribe = func(ctx api.StreamContext, in api.TupleIngest, _ api.ErrorIngest) error {
		from, _ := s.GetOffset()
		for i := from.(int) + 1; i <= 5; i++ {
			s.set(i)
			in(ctx, row(i), nil, time.Time{})
		}
		s.set(7)
		in(ctx, []map[string]any{row(6), row(7)}, nil, time.Time{})
		return nil
	}
	src := k.opened(t, s, nil)
	o := src.(offsetter)
	if v, err := o.Offset(); v != 0 || err != nil {
		t.Errorf("at first: %v, %v", v, err)
	}
	if err := o.Rewind(2); err != nil {
		t.Fatal(err)
	}
	for i := 3; i <= 7; i++ {
		wantNext(t, src, row(i))
		want := i
		if i == 6 {
			want = 5 // half of a list is none
		}
		if v, err := o.Offset(); v != want || err != nil {
			t.Errorf("behind %d: %v, %v", i, v, err)
		}
	}
	if got := s.steps(); !slices.Equal(got, []string{"provision", "connect", "rewind", "subscribe"}) {
		t.Errorf("steps %v", got)
	}
	if err := o.ResetOffset(map[string]any{"to": 1}); err != nil {
		t.Error(err)
	}
	if v, _ := o.Offset(); v != 1 {
		t.Error(v)
	}
	s.omu.Lock()
	s.err = errors.New("boom")
	s.omu.Unlock()
	if _, err := o.Offset(); err == nil || !strings.Contains(err.Error(), "GetOffset: boom") {
		t.Error(err)
	}
	if err := o.Rewind(1); err == nil || !strings.Contains(err.Error(), "Rewind") {
		// Rewind calls set before it returns its error.
		t.Error(err)
	}
	if _, ok := k.source(t, &tuplePusher{}, nil).(offsetter); ok {
		t.Error("a source that cannot rewind says it can")
	}
}
