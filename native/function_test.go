package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

func (k *kit) function(t testing.TB, f api.Function) host.Function {
	t.Helper()
	fn, err := newFunction(k.guest, "fn", f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return fn
}

func execs(fn func(ctx api.FunctionContext, args []any) (any, bool)) *fakeFunc {
	return &fakeFunc{exec: fn}
}

func returns(v any, ok bool) *fakeFunc {
	return execs(func(api.FunctionContext, []any) (any, bool) { return v, ok })
}

// nilError is an error whose method panics on a nil pointer.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

type badError struct{}

func (badError) Error() string { panic("in Error") }
func (badError) Is(error) bool { panic("in Is") }

func TestFunctionErrors(t *testing.T) {
	k := newKit(t, guestOptions{})
	ring := map[string]any{}
	ring["ring"] = ring
	for _, c := range []struct {
		name  string
		f     *fakeFunc
		fault host.Fault
		class string
		text  string
	}{
		{"error", returns(errors.New("boom"), false), host.FaultReturned, "fatal", "boom"},
		{"error and true", returns(errors.New("boom"), true), host.FaultReturned, "fatal", "boom"},
		{"text", returns("boom", false), host.FaultReturned, "fatal", "boom"},
		{"nothing", returns(nil, false), host.FaultReturned, "fatal", "failed without an error"},
		{"value", returns(7, false), host.FaultReturned, "fatal", "number 7"},
		{"network", returns(&net.OpError{Op: "dial", Err: errors.New("x")}, false), host.FaultReturned, "io", "dial"},
		{"system", returns(fmt.Errorf("write: %w", syscall.ENOSPC), false), host.FaultReturned, "io", "no space"},
		{"pipe", returns(io.ErrClosedPipe, false), host.FaultReturned, "io", "closed pipe"},
		{"nil pointer error", returns((*nilError)(nil), false), host.FaultReturned, "fatal", "<nil>"},
		{"error that panics", returns(badError{}, false), host.FaultReturned, "fatal", "in Error"},
		{"panic", execs(func(api.FunctionContext, []any) (any, bool) { panic("boom") }), host.FaultTrap, "", "panic: boom"},
		{"panic nil", execs(func(api.FunctionContext, []any) (any, bool) { panic(nil) }), host.FaultTrap, "", "panic: "},
		{"panic with a bad error", execs(func(api.FunctionContext, []any) (any, bool) { panic(badError{}) }), host.FaultTrap, "", "in Error"},
		{"nil map", execs(func(api.FunctionContext, []any) (any, bool) {
			var m map[string]int
			m["x"] = 1
			return nil, true
		}), host.FaultTrap, "", "nil map"},
		{"index", execs(func(_ api.FunctionContext, args []any) (any, bool) { return args[9], true }), host.FaultTrap, "", "out of range"},
		{"channel", returns(make(chan int), true), host.FaultResult, "", "found chan int"},
		{"func", returns(func() {}, true), host.FaultResult, "", "found func()"},
		{"complex", returns(complex(1, 2), true), host.FaultResult, "", "found complex128"},
		{"circle", returns(ring, true), host.FaultResult, "", "nests deeper"},
		{"json that panics", returns(badJSON{}, true), host.FaultTrap, "", "in MarshalJSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.function(t, c.f).Exec(context.Background(), nil, nil)
			g, ok := errors.AsType[*host.GuestError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if g.Fault != c.fault || g.Class != c.class || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %q, class %q: %v", g.Fault, g.Class, err)
			}
			if g.Plugin != testID() || g.Version != "1.2.3" || g.Symbol != "fn" {
				t.Errorf("got %+v", g)
			}
			if c.fault == host.FaultTrap && (!strings.Contains(g.Output, "native.") || strings.Contains(g.Output, "debug.Stack")) {
				t.Errorf("output %q", g.Output)
			}
		})
	}
	if n := k.calls.InFlight(); n != 0 {
		t.Errorf("%d calls are counted after all have ended", n)
	}
}

type badJSON struct{}

func (badJSON) MarshalJSON() ([]byte, error) { panic("in MarshalJSON") }

func TestFunctionSignature(t *testing.T) {
	k := newKit(t, guestOptions{})
	f := returns(int64(1), true)
	f.aggregate = func() bool { return true }
	if s := k.function(t, f).Signature(); !s.Variadic || !s.Aggregate || !s.NullCall {
		t.Errorf("got %+v", s)
	}
	f.aggregate = func() bool { panic("boom") }
	if _, err := newFunction(k.guest, "fn", f, nil); err == nil || !strings.Contains(err.Error(), "IsAggregate: panic: boom") {
		t.Errorf("got %v", err)
	}

	sig := &host.Signature{Args: []host.Type{host.TypeString}, Returns: host.TypeI64}
	fn, err := newFunction(k.guest, "fn", returns("text", true), sig)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fn.Exec(t.Context(), nil, []any{int64(1)}); !errors.Is(err, host.ErrInvalid) {
		t.Errorf("wrong argument: %v", err)
	}
	if v, err := fn.Exec(t.Context(), nil, []any{nil}); v != nil || err != nil {
		t.Errorf("null argument: %v, %v", v, err)
	}
	if _, err := fn.Exec(t.Context(), nil, []any{"x"}); err == nil || !strings.Contains(err.Error(), string(host.FaultResult)) {
		t.Errorf("wrong result: %v", err)
	}
}

func TestFunctionValidate(t *testing.T) {
	k := newKit(t, guestOptions{})
	f := returns(nil, true)
	f.validate = func(args []any) error {
		if len(args) != 1 {
			return errors.New("expects 1 argument")
		}
		_ = args[0].(string) // as plugins that know eKuiper's parser do
		return nil
	}
	fn := k.function(t, f)
	if err := fn.Validate([]any{"x"}); err != nil {
		t.Error(err)
	}
	if err := fn.Validate(nil); !errors.Is(err, host.ErrInvalid) || err.Error() != "fn: expects 1 argument" {
		t.Error(err)
	}
	if err := fn.Validate([]any{nil}); err == nil || !strings.Contains(err.Error(), "Validate: panic") {
		t.Error(err)
	}
}

func TestFunctionContexts(t *testing.T) {
	k := newKit(t, guestOptions{Home: "/home/vanth"})
	var seen api.FunctionContext
	fn := k.function(t, execs(func(ctx api.FunctionContext, _ []any) (any, bool) { seen = ctx; return nil, true }))
	exec := func(ctx context.Context, c *host.Call) api.FunctionContext {
		t.Helper()
		if _, err := fn.Exec(ctx, c, nil); err != nil {
			t.Fatal(err)
		}
		return seen
	}
	a := &host.Call{Rule: "r", Op: "o", Instance: 2, Run: 3, Func: 4}
	b := &host.Call{Rule: "r", Op: "o", Func: 5}
	live, cancel := context.WithCancel(context.WithValue(t.Context(), nilError{}, "value"))
	defer cancel()
	ca := exec(live, a)
	if exec(live, a) != ca || exec(live, b) == ca || exec(live, nil) == ca {
		t.Error("contexts are not one for each call")
	}
	if ca.GetRuleId() != "r" || ca.GetOpId() != "o" || ca.GetInstanceId() != 2 || ca.GetRunId() != 3 || ca.GetFuncId() != 4 || ca.GetRootPath() != "/home/vanth" {
		t.Errorf("got %s %s %d %d %d %s", ca.GetRuleId(), ca.GetOpId(), ca.GetInstanceId(), ca.GetRunId(), ca.GetFuncId(), ca.GetRootPath())
	}
	if ca.Value(nilError{}) != "value" {
		t.Error("the context lost its values")
	}
	cancel()
	select {
	case <-ca.Done():
	case <-time.After(time.Second):
		t.Error("the context does not end")
	}
	if !errors.Is(ca.Err(), context.Canceled) {
		t.Error(ca.Err())
	}
	if _, err := fn.Exec(live, a, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a call with a context that has ended: %v", err)
	}
	fresh := exec(t.Context(), a)
	if fresh == ca || fresh.Err() != nil || fresh.GetFuncId() != 4 {
		t.Error("a later call is given the context that has ended")
	}
	for range maxSeats + 10 {
		exec(t.Context(), &host.Call{Rule: "r"})
	}
	if n := len(*fn.(*function).seats.Load()); n > maxSeats {
		t.Errorf("%d seats", n)
	}
}

func TestFunctionState(t *testing.T) {
	k := newKit(t, guestOptions{})
	count := execs(func(ctx api.FunctionContext, _ []any) (any, bool) {
		if err := ctx.IncrCounter("n", 1); err != nil {
			return err, false
		}
		n, err := ctx.GetCounter("n")
		return n, err == nil
	})
	one, other := k.function(t, count), k.function(t, count)
	a, b := &host.Call{Rule: "r", Op: "o", Func: 0}, &host.Call{Rule: "r", Op: "o", Func: 1}
	for _, step := range []struct {
		f    host.Function
		c    *host.Call
		want int64
	}{{one, a, 1}, {one, a, 2}, {one, b, 1}, {other, a, 3}, {one, nil, 1}, {one, nil, 2}} {
		if v, err := step.f.Exec(t.Context(), step.c, nil); v != step.want || err != nil {
			t.Errorf("%v: got %v, %v, want %d", step.c, v, err, step.want)
		}
	}
	if n := k.state.Counter(a.Scope(), "$$func0_n"); n != 3 {
		t.Errorf("eKuiper's key holds %d", n)
	}
}

func TestFunctionDeadline(t *testing.T) {
	k := newKit(t, guestOptions{})
	fn := k.function(t, execs(func(ctx api.FunctionContext, _ []any) (any, bool) {
		<-ctx.Done()
		return "interrupted", false
	}))
	_, err := fn.Exec(timeout(t, 20*time.Millisecond), nil, nil)
	if g, ok := errors.AsType[*host.GuestError](err); !ok || g.Fault != host.FaultDeadline || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestFunctionClose(t *testing.T) {
	k := newKit(t, guestOptions{Grace: 5 * time.Second})
	started := make(chan struct{})
	fn := k.function(t, execs(func(ctx api.FunctionContext, _ []any) (any, bool) {
		close(started)
		<-ctx.Done()
		return ctx.Err(), false
	}))
	done := make(chan error, 1)
	go func() {
		_, err := fn.Exec(context.Background(), nil, nil)
		done <- err
	}()
	<-started
	begun := time.Now()
	if err := errors.Join(k.close(timeout(t, 50*time.Millisecond)), k.close(t.Context())); err != nil {
		t.Error(err)
	}
	if waited := time.Since(begun); waited < 40*time.Millisecond || waited > 3*time.Second {
		t.Errorf("close took %v", waited)
	}
	if err := <-done; !errors.Is(err, host.ErrInterrupted) {
		t.Errorf("the call that was forced: %v", err)
	}
	_, err := fn.Exec(t.Context(), nil, nil)
	if !errors.Is(err, host.ErrClosed) || !errors.Is(fn.Validate(nil), host.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func TestFunctionCloseDoesNotHang(t *testing.T) {
	k := newKit(t, guestOptions{Grace: 20 * time.Millisecond})
	started, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	fn := k.function(t, execs(func(api.FunctionContext, []any) (any, bool) {
		close(started)
		<-release
		return nil, true
	}))
	go func() {
		defer close(ended)
		_, _ = fn.Exec(context.Background(), nil, nil)
	}()
	<-started
	err := k.close(timeout(t, 20*time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), "1 calls have not returned") {
		t.Errorf("got %v", err)
	}
	close(release)
	<-ended
}

func TestFunctionGoexit(t *testing.T) {
	k := newKit(t, guestOptions{})
	fn := k.function(t, execs(func(api.FunctionContext, []any) (any, bool) { runtime.Goexit(); return nil, true }))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = fn.Exec(context.Background(), nil, nil)
	}()
	<-ended
	if err := k.close(timeout(t, time.Second)); err != nil || k.calls.InFlight() != 0 {
		t.Errorf("the call is still counted: %v", err)
	}
}

func TestFunctionParallel(t *testing.T) {
	k := newKit(t, guestOptions{})
	fn := k.function(t, execs(func(ctx api.FunctionContext, args []any) (any, bool) {
		return args[0], ctx.IncrCounter("n", 1) == nil
	}))
	calls := []*host.Call{nil, {Rule: "a"}, {Rule: "b"}}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for range 500 {
				if v, err := fn.Exec(ctx, calls[i%3], []any{int64(i)}); v != int64(i) || err != nil {
					t.Errorf("got %v, %v", v, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := k.state.Counter("\x00function fn", "$$func0_n") + k.state.Counter(calls[1].Scope(), "$$func0_n") + k.state.Counter(calls[2].Scope(), "$$func0_n"); n != 4000 {
		t.Errorf("counted %d", n)
	}
}

func TestFunctionResultIsNotShared(t *testing.T) {
	k := newKit(t, guestOptions{})
	echo := k.function(t, execs(func(_ api.FunctionContext, args []any) (any, bool) { return args[0], true }))
	list := []any{[]byte("one"), map[string]any{"k": "v"}}
	v, err := echo.Exec(t.Context(), nil, []any{list})
	if err != nil {
		t.Fatal(err)
	}
	copy(list[0].([]byte), "XXX")
	list[1].(map[string]any)["k"] = "X"
	list[1] = nil
	if want := []any{[]byte("one"), map[string]any{"k": "v"}}; !reflect.DeepEqual(v, want) {
		t.Errorf("the result became %v", v)
	}
}

func TestFunctionAllocations(t *testing.T) {
	k := newKit(t, guestOptions{})
	fn := k.function(t, execs(func(_ api.FunctionContext, args []any) (any, bool) { return args[0], true }))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	args := []any{"text"}
	for _, c := range []struct {
		name string
		ctx  context.Context
		call *host.Call
	}{
		{"outside", context.Background(), nil},
		{"outside, with cancellation", ctx, nil},
		{"rule", ctx, &host.Call{Rule: "r", Op: "o"}},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := fn.Exec(c.ctx, c.call, args); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}
