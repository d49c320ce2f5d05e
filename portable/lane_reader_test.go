package portable_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// settle makes as many lone calls as it takes until calls read their own answers.
func (p *plugin) settle(t testing.TB) {
	t.Helper()
	for range 20 {
		p.want(t, 1.0, "echo", 1.0)
	}
}

// TestLaneReaders: whoever has read the last answer, what comes next is read in
// time.
func TestLaneReaders(t *testing.T) {
	cases := map[string]func(*testing.T, *plugin){
		"a slow call, and others beside it": func(t *testing.T, p *plugin) {
			slow := make(chan error, 1)
			go func() {
				_, err := p.call("sleep", 300.0)
				slow <- err
			}()
			time.Sleep(20 * time.Millisecond)
			for range 50 {
				p.want(t, "x", "echo", "x")
			}
			select {
			case err := <-slow:
				t.Errorf("the others have waited for it: %v", err)
			default:
				must(t, <-slow)
			}
		},
		"a cancelled call": func(t *testing.T, p *plugin) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			begun := time.Now()
			_, err := p.function(t, "sleep").Exec(ctx, nil, []any{1000.0})
			if took := time.Since(begun); !errors.Is(err, context.Canceled) || took > 500*time.Millisecond {
				t.Errorf("%v after %v", err, took)
			}
		},
		"a short deadline": func(t *testing.T, p *plugin) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			defer cancel()
			begun := time.Now()
			_, err := p.function(t, "sleep").Exec(ctx, nil, []any{1000.0})
			if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > 300*time.Millisecond {
				t.Errorf("%v after %v", err, took)
			}
		},
		"the end of the process": func(t *testing.T, p *plugin) {
			if g := guestError(t, "die", callError(p, "die", 3.0)); g.Fault != host.FaultExit {
				t.Error(g)
			}
			p.want(t, 1.0, "echo", 1.0)
		},
		"a source": func(t *testing.T, p *plugin) {
			s := p.open(t, "rows", host.Props{"count": 5})
			for i := range 5 {
				if m, err := next(s); err != nil || m.Value.(map[string]any)["n"] != int64(i) {
					t.Fatalf("row %d: %+v, %v", i, m, err)
				}
			}
			p.settle(t)
			must(t, s.Close(t.Context()))
		},
		"a sink": func(t *testing.T, p *plugin) {
			s := p.openSink(t, host.Props{"file": "out"})
			must(t, s.Write(t.Context(), host.Message{Value: map[string]any{"a": int64(1)}}))
			must(t, s.(host.Flusher).Flush(t.Context()))
			must(t, s.Close(t.Context()))
			p.settle(t)
		},
		"a long answer": func(t *testing.T, p *plugin) {
			text := strings.Repeat("é", 3<<18) // more than the ring takes
			if got, err := p.call("echo", text); got != text {
				t.Errorf("%.80v, %v", got, err)
			}
		},
		"many at once": func(t *testing.T, p *plugin) {
			text := strings.Repeat("é", 1<<17) // together more than the ring takes
			var wg sync.WaitGroup
			for range 12 {
				wg.Go(func() {
					for range 3 {
						if got, err := p.call("echo", text); got != text {
							t.Errorf("%.80v, %v", got, err)
						}
					}
				})
			}
			wg.Wait()
		},
		"a fault": func(t *testing.T, p *plugin) {
			if g := guestError(t, "fail", callError(p, "fail")); g.Class != "usage" {
				t.Error(g)
			}
		},
	}
	each(t, lanes(), func(t *testing.T, sdk string) {
		for name, test := range cases {
			t.Run(name, func(t *testing.T) {
				o := testOptions(t)
				o.RecvTimeout = 10 * time.Second
				p := load(t, newRuntime(t, o), newRole(sdk))
				for range 2 {
					p.settle(t)
					test(t, p)
				}
				p.settle(t)
			})
		}
	})
}

// TestLaneReadersLimit: a call that reads its own answer is ended like any other.
func TestLaneReadersLimit(t *testing.T) {
	each(t, lanes(), func(t *testing.T, sdk string) {
		o := testOptions(t)
		o.RecvTimeout = 400 * time.Millisecond
		p := load(t, newRuntime(t, o), newRole(sdk))
		for range 2 {
			p.settle(t)
			begun := time.Now()
			_, err := p.call("sleep", 4000.0)
			took := time.Since(begun)
			if g := guestError(t, "sleep", err); g.Fault != host.FaultDeadline || took < 300*time.Millisecond || took > 2*time.Second {
				t.Errorf("%v after %v", err, took)
			}
		}
		p.settle(t)
	})
}
