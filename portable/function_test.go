package portable_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

func TestFunction(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		r := newRole(sdk)
		r.Functions = []string{"echo", "zero", "count", "fail", "none", "hard"}
		r.Aggregate = []string{"count"}
		p := load(t, newRuntime(t, testOptions(t)), r)
		p.want(t, "zero", "zero")
		p.want(t, nil, "none")
		p.want(t, "héllo", "echo", "héllo")
		p.want(t, 3.0, "count", []any{1.0, 2.0, 3.0})
		if !p.function(t, "count").Signature().Aggregate || p.function(t, "echo").Signature().Aggregate {
			t.Error("IsAggregate is not asked")
		}
		g := guestError(t, "fail", callError(p, "fail", "x"))
		if g.Fault != host.FaultReturned || !strings.Contains(g.Error(), "boom") {
			t.Errorf("fail: %v", g)
		}
	})
}

func callError(p *plugin, name string, args ...any) error {
	_, err := p.call(name, args...)
	return err
}

func guestError(t *testing.T, symbol string, err error) *host.GuestError {
	t.Helper()
	g, ok := errors.AsType[*host.GuestError](err)
	if !ok || g.Symbol != symbol {
		t.Fatalf("error %v, want a *GuestError of %s", err, symbol)
	}
	return g
}

// TestValidate: no arguments are [], never null, which Go's SDK refuses.
func TestValidate(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "zero", "echo", "hard")
		must(t, p.function(t, "zero").Validate(nil))
		must(t, p.function(t, "zero").Validate([]any{}))
		must(t, p.function(t, "echo").Validate([]any{nil}))
		for name, want := range map[string]string{"zero": "zero wants no arguments", "hard": "have mercy"} {
			err := p.function(t, name).Validate([]any{1.0, "x"})
			if !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want ErrInvalid with %q", name, err, want)
			}
		}
	})
}

// TestAnswersOfEKuiper: what plugins say that is neither a value nor a text.
func TestAnswersOfEKuiper(t *testing.T) {
	each(t, wires(), func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "garbage", "errval", "echo")
		for _, raw := range []string{"garbage{", "have you tried", "handshake?", `"a string"`, "[1]"} {
			err := callError(p, "garbage", raw)
			if g := guestError(t, "garbage", err); g.Fault != host.FaultResult || !strings.Contains(err.Error(), "Failed to unmarshal function result "+raw) {
				t.Errorf("%q: %v", raw, err)
			}
			p.want(t, raw, "echo", raw)
		}
		for _, raw := range []string{`{"state":true}`, `{"state":true,"result":null}`, `{}`, `null`, `{"state":false}`} {
			p.want(t, nil, "garbage", raw)
		}
		if err := callError(p, "errval", 1.0); !strings.Contains(fmt.Sprint(err), "errval") {
			t.Error(err)
		}
	})
}

func TestCallContext(t *testing.T) {
	p := startWith(t, "go", "context")
	f := p.function(t, "context")
	for _, c := range []*host.Call{nil, {}, {Rule: "r", Op: "o", Instance: 2, Func: 3, Run: 9}, {Rule: `q"\`}} {
		got, err := f.Exec(t.Context(), c, nil)
		must(t, err)
		want := `{"ruleId":"$$call","opId":"call","instanceId":0,"funcId":0}`
		switch {
		case c != nil && c.Rule == "r":
			want = `{"ruleId":"r","opId":"o","instanceId":2,"funcId":3}`
		case c != nil && c.Rule != "":
			want = `{"ruleId":"q\"\\","opId":"call","instanceId":0,"funcId":0}`
		}
		if got != want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestTimeOut: eKuiper's sentence, and the late answer is nobody's.
func TestTimeOut(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		o := testOptions(t)
		o.RecvTimeout = 40 * time.Millisecond
		r := newRole(sdk)
		p := load(t, newRuntime(t, o), r)
		for i := range 3 {
			begun := time.Now()
			err := callError(p, "sleep", 200.0+float64(i))
			took := time.Since(begun)
			if g := guestError(t, "sleep", err); g.Fault != host.FaultDeadline || !errors.Is(err, context.DeadlineExceeded) ||
				!strings.Contains(err.Error(), "time out, plugin kit status running, message: ") || took > time.Second {
				t.Fatalf("after %v: %v", took, err)
			}
			until(t, "an answer that is ours", func() bool {
				got, err := p.call("sleep", 1.0)
				if err == nil && got != 1.0 {
					t.Fatalf("the late answer %v was taken for that of another call", got)
				}
				return err == nil
			})
		}
		if st := p.status(); st.Restarts != 0 {
			t.Errorf("a slow call has cost the process: %+v", st)
		}
	})
}

// ownAnswers has n callers use a function at once; each must get its own answer.
func ownAnswers(f host.Function, n, calls int) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for k := range calls {
				want := fmt.Sprintf("%d-%d", i, k)
				got, err := f.Exec(context.Background(), nil, []any{want})
				if err != nil || got != want {
					errs[i] = fmt.Errorf("%s: got %v, %w", want, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func TestManyCallers(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "echo")
		n := scale("VANTH_CALLS", 50, 500)
		if raceEnabled {
			n = scale("VANTH_CALLS", 50, 100)
		}
		begun := time.Now()
		must(t, ownAnswers(p.function(t, "echo"), 16, n))
		t.Logf("%s: 16 callers: %.0f calls/s", sdk, float64(16*n)/time.Since(begun).Seconds())
		begun = time.Now()
		must(t, ownAnswers(p.function(t, "echo"), 1, 4*n))
		t.Logf("%s: 1 caller: %.0f calls/s", sdk, float64(4*n)/time.Since(begun).Seconds())
	})
}

// TestWrongAnswersAreCaught: the check above can fail.
func TestWrongAnswersAreCaught(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := startWith(t, sdk, "stale")
		if ownAnswers(p.function(t, "stale"), 2, 3) == nil {
			t.Error("a plugin whose answers are those of the calls before passes")
		}
	})
}

// TestQueueBound: as many calls wait as may, the next is told so at once.
func TestQueueBound(t *testing.T) {
	o := testOptions(t)
	o.RecvTimeout = 20 * time.Second
	p := load(t, newRuntime(t, o), newRole("go"))
	f := p.function(t, "sleep")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range 1026 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := f.Exec(ctx, nil, []any{20_000.0}); errors.Is(err, host.ErrBusy) {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	until(t, "the queue is full", func() bool {
		short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
		defer stop()
		begun := time.Now()
		_, err := f.Exec(short, nil, []any{1.0})
		return errors.Is(err, host.ErrBusy) && time.Since(begun) < 50*time.Millisecond
	})
	p.want(t, "others go on", "echo", "others go on")
}

// TestInstances: a manifest's "instances" are processes, all of which serve.
func TestInstances(t *testing.T) {
	each(t, []string{"go", "ring"}, func(t *testing.T, sdk string) {
		r := newRole(sdk)
		r.Functions = []string{"token", "sleep", "die"}
		rt := newRuntime(t, testOptions(t))
		p := load(t, rt, r, func(m *host.Manifest) { m.Instances = 3 })
		tokens := map[any]bool{}
		for range 12 {
			v, err := p.call("token")
			must(t, err)
			tokens[v] = true
		}
		if len(tokens) != 3 || len(p.status().Processes) != 3 {
			t.Errorf("%d processes answered, status %+v", len(tokens), p.status())
		}
		begun := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { p.want(t, 300.0, "sleep", 300.0) })
		}
		wg.Wait()
		if took := time.Since(begun); took > 700*time.Millisecond {
			t.Errorf("three calls of 300 ms in three processes took %v", took)
		}
		_ = callError(p, "die", 1.0)
		failed := 0
		for range 12 {
			if _, err := p.call("token"); err != nil {
				failed++ // one that was sent at that very moment
				guestError(t, "token", err)
			}
		}
		if failed > 1 {
			t.Errorf("%d of 12 calls have failed while one of three processes comes back", failed)
		}
		bad := bundle(t, r, func(m *host.Manifest) { m.Instances = 17 })
		if _, err := rt.Load(t.Context(), bad); !errors.Is(err, host.ErrInvalid) {
			t.Error("17 instances: ", err)
		}
	})
}
