package host

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// late is a function whose module closes between bind and call.
type late struct {
	nothing
	calls atomic.Int32
}

func (l *late) Exec(context.Context, *Call, []any) (any, error) {
	l.calls.Add(1)
	return nil, Errorf(ErrClosed, "late")
}

// TestHandleMissed: a call that the old module refused is given to the new one,
// and counted once; one that no successor waits for fails.
func TestHandleMissed(t *testing.T) {
	var r registry
	r.init()
	entryOf := func(fn Function) *entry {
		e := &entry{plugin: Plugin{ID: ID{ClassWASM, "p"}}}
		e.bindings = []*binding{{name: "f", owner: e, fn: fn, signature: &Signature{}}}
		return e
	}
	old := &late{}
	e := entryOf(old)
	r.publish(e)
	f := &Handle{reg: &r, name: "f"}
	f.cur.Store(e.bindings[0])
	if _, err := f.Exec(t.Context(), nil, nil); !errors.Is(err, ErrClosed) || old.calls.Load() != 1 {
		t.Fatalf("no successor: %v after %d calls", err, old.calls.Load())
	}
	var once sync.Once
	swapping := swap{&late{}, func() { once.Do(func() { r.publish(entryOf(nothing{})) }) }}
	r.publish(entryOf(swapping))
	if _, err := f.Exec(t.Context(), nil, nil); err != nil || swapping.calls.Load() != 1 {
		t.Fatalf("%v after %d calls", err, swapping.calls.Load())
	}
	if u := r.usages["f"].read(); u.Calls != 2 || u.Errors != 1 {
		t.Errorf("%+v", u)
	}
	r.withdraw(ID{ClassWASM, "p"})
	if _, err := f.Exec(t.Context(), nil, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("after removal: %v", err)
	}
}

// swap publishes its successor while it is called.
type swap struct {
	*late
	publish func()
}

func (s swap) Exec(ctx context.Context, c *Call, args []any) (any, error) {
	s.publish()
	return s.late.Exec(ctx, c, args)
}

func TestUsage(t *testing.T) {
	all := newUsage()
	if r := all.read(); r != (Usage{}) {
		t.Errorf("%+v", r)
	}
	u := &use{binding: &binding{owner: &entry{}}, tally: all.join()}
	fail := errors.New("x")
	for i := range 1000 {
		start := u.begin()
		if (i%sampling == 0) == start.IsZero() {
			t.Fatalf("call %d sampled: %t", i, !start.IsZero())
		}
		var err error
		if i%10 == 0 {
			err = fail
		}
		u.end(start, err)
	}
	r := all.read()
	if r.Calls != 1000 || r.Errors != 100 || r.P50 <= 0 || r.P99 < r.P50 || r.P99 > time.Second {
		t.Errorf("%+v", r)
	}
}

// TestHandleAllocatesNothing: the ceiling of the call path above a runtime.
func TestHandleAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("sync.Pool forgets on purpose where the race detector looks")
	}
	var r registry
	r.init()
	e := &entry{plugin: Plugin{ID: ID{ClassWASM, "p"}}}
	fn := nothing{}
	e.bindings = []*binding{{name: "f", owner: e, fn: fn, signature: fn.Signature(), scalar: fn, bytes: fn}}
	r.publish(e)
	f := &Handle{reg: &r, name: "f"}
	f.cur.Store(e.bindings[0])
	ctx, words := context.Background(), make([]uint64, 1)
	for name, call := range map[string]func(){
		"Exec":       func() { _, _ = f.Exec(ctx, nil, nil) },
		"ExecScalar": func() { _ = f.ExecScalar(ctx, nil, words) },
		"ExecBytes":  func() { _, _ = f.ExecBytes(ctx, nil, nil, nil) },
	} {
		if n := testing.AllocsPerRun(1000, call); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

type nothing struct{}

func (nothing) Signature() *Signature                                             { return &Signature{} }
func (nothing) Validate([]any) error                                              { return nil }
func (nothing) Exec(context.Context, *Call, []any) (any, error)                   { return nil, nil }
func (nothing) ExecScalar(context.Context, *Call, []uint64) error                 { return nil }
func (nothing) ExecBytes(_ context.Context, _ *Call, d, _ []byte) ([]byte, error) { return d, nil }

func BenchmarkHandle(b *testing.B) {
	var r registry
	r.init()
	e := &entry{plugin: Plugin{ID: ID{ClassWASM, "p"}}}
	e.bindings = []*binding{{name: "f", owner: e, fn: nothing{}, scalar: nothing{}}}
	r.publish(e)
	f := &Handle{reg: &r, name: "f"}
	f.cur.Store(e.bindings[0])
	ctx, words := context.Background(), make([]uint64, 1)
	b.ReportAllocs()
	for b.Loop() {
		_ = f.ExecScalar(ctx, nil, words)
	}
}
