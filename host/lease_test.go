package host

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestLease: nobody holds a lease after wait returned, and refused attempts do
// not disturb the count.
func TestLease(t *testing.T) {
	for range 200 {
		var l lease
		l.init()
		var inside, ended atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for l.acquire() {
					inside.Add(1)
					if ended.Load() != 0 {
						t.Error("acquired after wait returned")
					}
					inside.Add(-1)
					l.release()
				}
				for range 10 {
					if l.acquire() {
						t.Error("acquired after retirement")
					}
				}
			})
		}
		l.retire()
		if err := l.wait(context.Background()); err != nil {
			t.Fatal(err)
		}
		ended.Store(1)
		wg.Wait()
		if n := inside.Load(); n != 0 {
			t.Fatalf("%d inside", n)
		}
	}
}

func TestLeaseWaitGivesUp(t *testing.T) {
	var l lease
	l.init()
	if !l.acquire() {
		t.Fatal("refused")
	}
	l.retire()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := l.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	l.release()
	if err := l.wait(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestUsage(t *testing.T) {
	var u usage
	if r := u.read(); r != (Usage{}) {
		t.Errorf("%+v", r)
	}
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
	r := u.read()
	if r.Calls != 1000 || r.Errors != 100 || r.P50 <= 0 || r.P99 < r.P50 || r.P99 > time.Second {
		t.Errorf("%+v", r)
	}
}

// TestHandleAllocates nothing: the ceiling of the call path above a runtime.
func TestHandleAllocatesNothing(t *testing.T) {
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

// TestLeaseWaitSeesIdle also when ctx has ended.
func TestLeaseWaitSeesIdle(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 {
		var l lease
		l.init()
		l.retire()
		if err := l.wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
