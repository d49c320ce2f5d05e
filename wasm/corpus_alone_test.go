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
	return fmt.Sprintf("p50 %v, p99 %v, most %v of %d", o.quantile(.5).Round(time.Microsecond), o.quantile(.99).Round(time.Microsecond), o.quantile(1).Round(time.Microsecond), len(o))
}

// TestHostile: each kind of hostile guest alone ends in time, as it should, again and again; and leaves nothing.
func TestHostile(t *testing.T) {
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
		rt, err := New(context.Background(), corpusOptions(engine))
		if err != nil {
			t.Fatal(err)
		}
		var all, noise overruns
		for _, h := range corpus(t) {
			if only := h.directives["engine"]; only != "" && only != engine {
				continue
			}
			all = append(all, h.alone(t, rt, rounds)...)
			noise = append(noise, nativeOverrun(corpusLimit))
		}
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
		t.Logf("past the deadline: %v; a loop in Go that looks at the clock: %v", all, noise)
		if p99 := all.quantile(.99); strict() && p99 > overrunP99 {
			t.Errorf("the 99th percentile is %v, at most %v", p99, overrunP99)
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

// alone has a kind do its worst, and returns by how much it was late each time. One time in time is enough unless the tests
// are strict: what keeps a call from ending does so always, and other programs do not.
func (h *hostile) alone(t *testing.T, rt *Runtime, rounds int) (over overruns) {
	if h.refused() {
		h.refuse(t, rt)
		return nil
	}
	e := h.arm(t, rt)
	defer e.module.Close(context.Background())
	defer h.weigh(t, e.module)()
	most, worst := loose(overrunMost), time.Duration(0)
	slow := raced || rt.opts.Engine == "interpreter" // so that some have too little time to do their worst
	for len(over) < rounds || !strict() && worst > most && len(over) < rounds+5 {
		began := time.Now()
		err := e.call(context.Background())
		over = append(over, time.Since(began)-h.limit())
		if err := h.judge(err); err != nil && !(slow && errors.Is(err, context.DeadlineExceeded)) {
			t.Error(err)
		}
		if worst = over.quantile(0); strict() {
			worst = over.quantile(1)
		}
		if worst > time.Second { // it will not be quicker
			break
		}
	}
	if worst > most {
		t.Errorf("%s: past its deadline by %v; at most %v", h.name, over, most)
	} else if over.quantile(1) > overrunMost || strict() && over.quantile(.5) > overrunP99 {
		t.Logf("%s: %v", h.name, over)
	}
	return over
}

// refuse holds that a kind is not loaded.
func (h *hostile) refuse(t *testing.T, rt *Runtime) {
	began := time.Now()
	_, err := rt.Load(context.Background(), bundle(t, "m", h.code, h.manifest()))
	if took := time.Since(began); took > rt.opts.StartTimeout+loose(overrunMost) {
		t.Errorf("%s: refused after %v", h.name, took)
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

// nativeOverrun is by how much a loop is late that does nothing but look at the clock: what the machine adds.
func nativeOverrun(limit time.Duration) time.Duration {
	began := time.Now()
	for time.Since(began) < limit {
		runtime.Gosched()
	}
	return time.Since(began) - limit
}
