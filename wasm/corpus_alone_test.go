package wasm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What is promised of a call's end, past its deadline.
const (
	overrunP99  = 2 * time.Millisecond
	overrunMost = 10 * time.Millisecond
)

// slack is by how much promises in time may be missed where other programs run on the same machine, and the race
// detector in this one.
const slack = 10

// loose is a bound in time as the tests hold it.
func loose(d time.Duration) time.Duration {
	switch {
	case strict():
		return d
	case raced:
		return 3 * slack * d
	}
	return slack * d
}

// overruns are by how much calls ended past their deadline.
type overruns []time.Duration

func (o overruns) quantile(q float64) time.Duration {
	if len(o) == 0 {
		return 0
	}
	slices.Sort(o)
	return o[min(len(o)-1, int(q*float64(len(o))))]
}

func (o overruns) String() string {
	round := func(q float64) time.Duration { return o.quantile(q).Round(time.Microsecond) }
	return fmt.Sprintf("p50 %v, p99 %v, p99.9 %v, most %v of %d", round(.5), round(.99), round(.999), round(1), len(o))
}

// tally is what many calls came to: how late they were, how late without what the machine took, and the longest that each
// had the processor without a look of the meter.
type tally struct{ late, ours, longest overruns }

func (y *tally) add(e entry) {
	y.late = append(y.late, e.late)
	y.ours = append(y.ours, e.ours)
	y.longest = append(y.longest, e.longest)
}

func (y *tally) join(z tally) {
	y.late = append(y.late, z.late...)
	y.ours = append(y.ours, z.ours...)
	y.longest = append(y.longest, z.longest...)
}

func (y *tally) String() string {
	return fmt.Sprintf("past the deadline: %v; without what the machine took: %v; longest without a look: %v", y.late, y.ours, y.longest)
}

// broken says which promises are.
func (y *tally) broken() (list []string) {
	for _, p := range []struct {
		what        string
		found, most time.Duration
	}{
		{"the 99th percentile of what calls are late", y.ours.quantile(.99), overrunP99},
		{"what a call is late at most", y.ours.quantile(1), overrunMost},
		{"what a guest keeps a processor for without a look at most", y.longest.quantile(1), overrunMost},
	} {
		if p.found > p.most {
			list = append(list, fmt.Sprintf("%s is %v, at most %v", p.what, p.found, p.most))
		}
	}
	return list
}

// TestHostile: each kind of hostile guest alone ends in time, as it should, again and again; and leaves nothing.
func TestHostile(t *testing.T) {
	l := &ledger{books: openBooks(t)}
	if strict() && !l.kept() {
		t.Skip("NOT JUDGED: this kernel keeps no books on threads (/proc/self/task/*/schedstat), so nobody knows what the machine took")
	}
	engines(t, func(t *testing.T, engine string) {
		rounds := 3
		switch {
		case strict():
			rounds = 50
		case engine == "interpreter":
			rounds = 1
		case raced:
			rounds = 2
		}
		before, goroutines := residentSize(t), runtime.NumGoroutine()
		o := corpusOptions(engine)
		o.watch = l.look
		rt, err := New(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		var all, floor tally
		for _, h := range corpus(t) {
			if only := h.directives["engine"]; only != "" && only != engine {
				continue
			}
			all.join(h.alone(t, rt, l, rounds))
			for range (rounds + 4) / 5 {
				floor.add(l.native(corpusLimit))
			}
		}
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
		t.Logf("hostile guests %v", &all)
		t.Logf("a loop in Go   %v", &floor)
		if strict() {
			for _, what := range all.broken() {
				t.Error(what)
			}
		}
		time.Sleep(10 * time.Millisecond)
		debug.FreeOSMemory()
		if n := runtime.NumGoroutine(); n > goroutines {
			t.Errorf("%d goroutines, before %d", n, goroutines)
		}
		if after := residentSize(t); after > before+64<<20 && !raced {
			t.Errorf("%d MiB are resident, before %d", after>>20, before>>20)
		}
	})
}

// alone has a kind do its worst, and returns what that came to. One time in time is enough unless the tests are strict: what
// keeps a call from ending does so always, and other programs do not.
func (h *hostile) alone(t *testing.T, rt *Runtime, l *ledger, rounds int) (y tally) {
	if h.refused() {
		h.refuse(t, rt, l)
		return y
	}
	e := h.arm(t, rt)
	defer e.module.Close(context.Background())
	defer h.weigh(t, e.module)()
	most, worst := loose(overrunMost), time.Duration(0)
	slow := raced || rt.opts.Engine == "interpreter" // so that some have too little time to do their worst
	for len(y.ours) < rounds || !strict() && worst > most && len(y.ours) < rounds+5 {
		l.begin(h.limit())
		err := e.call(context.Background())
		was := l.end()
		y.add(was)
		if err := h.judge(err); err != nil && !(slow && errors.Is(err, context.DeadlineExceeded)) {
			t.Error(err)
		}
		if was.ours > overrunMost/2 && strict() {
			t.Logf("%s: %v late, %v of it ours; %s", h.name, was.late, was.ours, was.told)
		}
		if worst = y.ours.quantile(0); strict() {
			worst = y.ours.quantile(1)
		}
		if worst > time.Second { // it will not be quicker
			break
		}
	}
	if worst > most {
		t.Errorf("%s: at most %v; %v", h.name, most, &y)
	} else if y.ours.quantile(1) > overrunMost || strict() && y.ours.quantile(.5) > overrunP99/2 || y.longest.quantile(1) > 2*late {
		t.Logf("%s: %v", h.name, &y)
	}
	return y
}

// refuse holds that a kind is not loaded.
func (h *hostile) refuse(t *testing.T, rt *Runtime, l *ledger) {
	l.begin(rt.opts.StartTimeout)
	_, err := rt.Load(context.Background(), bundle(t, "m", h.code, h.manifest()))
	if was := l.end(); was.ours > loose(overrunMost) {
		t.Errorf("%s: refused %v late, %v of it ours; %s", h.name, was.late, was.ours, was.told)
	}
	if err == nil || !strings.Contains(err.Error(), h.directives["load"]) {
		t.Errorf("%s: %v, want %q", h.name, err, h.directives["load"])
	}
}

// residentSize is how much memory the process has, in bytes; 0 where that is not known.
func residentSize(t testing.TB) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, text, _ := strings.Cut(string(status), "VmRSS:")
	kib := 0
	if _, err := fmt.Sscan(text, &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// hostGrows is how much more memory the host may need for a call, and the collector leave for a while.
const hostGrows = 96 << 20

// weigh begins to watch how much memory the process has. What it returns ends that, and judges it.
func (h *hostile) weigh(t *testing.T, m *module) func() {
	granted := m.grant.pool * (m.grant.memory<<20 + m.grant.stack)
	before, peak := residentSize(t), 0
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			peak = max(peak, residentSize(t))
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	return func() {
		close(stop)
		watching.Wait()
		if grown := peak - before; grown > granted+granted/20+hostGrows && !raced { // the race detector has memory of its own
			t.Errorf("%s: the process has grown by %d MiB, %d are granted", h.name, grown>>20, granted>>20)
		}
	}
}

// native is a loop that does nothing but look at the clock, and lets others run as guests do: what the machine adds, and
// how well the books are kept.
func (l *ledger) native(limit time.Duration) entry {
	l.begin(limit)
	began := time.Now()
	for yielded := began; time.Since(began) < limit; {
		for looked := time.Now(); time.Since(looked) < late/10; {
			continue
		}
		l.look(nil)
		if time.Since(yielded) > yieldAfter {
			runtime.Gosched()
			yielded = time.Now()
		}
	}
	return l.end()
}
