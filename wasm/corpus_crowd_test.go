package wasm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// bounds are what is promised to others while hostile guests run.
type bounds struct {
	beat  time.Duration // a goroutine that is due every millisecond is never later
	pause time.Duration // the collector never stops the world for longer
	more  time.Duration // the 99th percentile of others' calls grows by no more,
	part  float64       // nor by more than this part of it
}

// crowdBounds are the promises, if the tests are strict. Where other programs have the processors too, this process is late
// by itself; but hostile guests that nobody stops would make it seconds.
func crowdBounds() bounds {
	if strict() {
		return bounds{10 * time.Millisecond, time.Millisecond, time.Millisecond, .1}
	}
	return bounds{2 * time.Second, time.Second, 200 * time.Millisecond, math.Inf(1)}
}

// goodText is a plugin that works for some tens of microseconds and remembers nothing.
const goodText = `(module (memory 1)
  (func (export "f") (param $n i32) (result i32) (local $i i32) (local $sum i32)
    (local.set $i (i32.const 40000))
    (loop $fill
      (local.set $i (i32.sub (local.get $i) (i32.const 4)))
      (i32.store (local.get $i) (i32.mul (local.get $i) (local.get $n)))
      (br_if $fill (local.get $i)))
    (local.set $i (i32.const 40000))
    (loop $sum
      (local.set $i (i32.sub (local.get $i) (i32.const 4)))
      (local.set $sum (i32.add (i32.rem_u (local.get $sum) (i32.const 1000003)) (i32.load (local.get $i))))
      (br_if $sum (local.get $i)))
    (local.get $sum)))`

func goodResult(n int32) int64 {
	sum := uint32(0)
	for i := int32(39996); i >= 0; i -= 4 {
		sum = sum%1000003 + uint32(i*n)
	}
	return int64(int32(sum))
}

// mode is what a tenth of the calls are.
type mode int32

const (
	peaceful mode = iota // good ones too
	native               // loops in Go, which let others run as guests do: what a process has to expect that works as much
	wild                 // those of hostile guests
	modes
)

func (m mode) String() string {
	return [...]string{"alone", "beside loops in Go", "beside hostile guests"}[m]
}

// crowd calls good plugins and hostile ones at once. Each of its callers calls, waits for the end and a millisecond more,
// and calls again; in hostile times each tenth call is a hostile one.
type crowd struct {
	t *testing.T
	*books
	good    []host.Function
	enemies []*enemy
	mode    atomic.Int32
	calls   atomic.Int64  // of enemies
	seat    chan struct{} // loops in Go take turns, as long calls do

	mu     sync.Mutex // guards what follows
	times  [modes]times
	active map[string]int // calls of enemies, by their names
}

// times are measurements: how long good calls took, by how much heartbeats were late, and for how long the collector
// stopped the world; each as it was, and without what the machine took. waits is how long good calls took and their callers
// waited for a processor before.
type times struct {
	calls, beats, pauses [2]overruns
	waits                overruns
}

func newCrowd(t *testing.T, o Options) (*crowd, *Runtime) {
	c := &crowd{t: t, books: openBooks(t), active: map[string]int{}, seat: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))}
	rt := newRuntime(t, o)
	for range 9 {
		c.good = append(c.good, fn(t, watModule(t, rt, goodText, "f"), "f"))
	}
	for _, h := range corpus(t) {
		if !h.refused() {
			c.enemies = append(c.enemies, h.arm(t, rt))
		}
	}
	return c, rt
}

// note adds a measurement, and what it is without what the machine took meanwhile.
func (c *crowd) note(o *[2]overruns, took time.Duration, from, to stand) {
	ours := max(0, took-c.taken(from, to))
	c.mu.Lock()
	defer c.mu.Unlock()
	if ours > overrunMost/2 && strict() {
		c.t.Logf("%v, %v of it ours: %s; beside %v", took, ours, c.tell(stretch{from, to}), slices.Sorted(maps.Keys(c.active)))
	}
	o[0], o[1] = append(o[0], took), append(o[1], ours)
}

// caller calls until ctx ends.
func (c *crowd) caller(ctx context.Context, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 3))
	for n := int32(0); ctx.Err() == nil; n++ {
		due := time.Now().Add(time.Millisecond)
		time.Sleep(time.Millisecond)
		now := mode(c.mode.Load())
		if now != peaceful && n%10 == 0 {
			c.worst(now, random)
			continue
		}
		from := c.stand()
		v, err := c.good[random.IntN(len(c.good))].Exec(context.Background(), nil, []any{int64(n)})
		to := c.stand()
		if err != nil || v != goodResult(n) {
			c.t.Errorf("a good call: %v, %v; want %d", v, err, goodResult(n))
		}
		c.note(&c.times[now].calls, to.at-from.at, from, to)
		waited := time.Since(due)
		c.mu.Lock()
		c.times[now].waits = append(c.times[now].waits, waited)
		c.mu.Unlock()
	}
}

// worst is a call of an enemy, or what stands for it.
func (c *crowd) worst(now mode, random *rand.Rand) {
	if now == native {
		c.seat <- struct{}{}
		c.spin()
		<-c.seat
		return
	}
	e := c.enemies[random.IntN(len(c.enemies))]
	c.calls.Add(1)
	c.enter(e, 1)
	err := e.call(context.Background())
	c.enter(e, -1)
	if err := e.judge(err); err != nil && !errors.Is(err, context.DeadlineExceeded) { // they have less time than alone
		c.t.Error(err)
	}
}

// enter notes that calls of an enemy begin, or end.
func (c *crowd) enter(e *enemy, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active[e.name] += n; c.active[e.name] == 0 {
		delete(c.active, e.name)
	}
}

// spin is a long call in Go.
func (c *crowd) spin() {
	for began, yielded := time.Now(), time.Now(); time.Since(began) < corpusLimit; {
		if time.Since(yielded) > yieldAfter {
			runtime.Gosched()
			yielded = time.Now()
		}
	}
}

// anyThread is where somebody stands who waits for the process, not for a thread that works for him.
const anyThread = -1

// heart beats once a millisecond.
func (c *crowd) heart(ctx context.Context) {
	for ctx.Err() == nil {
		now, from := mode(c.mode.Load()), c.stand()
		time.Sleep(time.Millisecond)
		to := c.stand()
		from.thread = anyThread
		c.note(&c.times[now].beats, to.at-from.at-time.Millisecond, from, to)
	}
}

// collector has the collector run all the time.
func (c *crowd) collector(ctx context.Context) {
	var p pauses
	p.longest()
	for ctx.Err() == nil {
		now, from := mode(c.mode.Load()), c.stand()
		runtime.GC()
		to := c.stand()
		from.thread = anyThread
		c.note(&c.times[now].pauses, p.longest(), from, to)
		c.refresh()
		time.Sleep(20 * time.Millisecond)
	}
}

// pauses know the longest time for which the collector stopped the world, since the last time it was asked.
type pauses struct{ before []uint64 }

func (p *pauses) longest() time.Duration {
	s := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(s)
	h := s[0].Value.Float64Histogram()
	if p.before == nil {
		p.before = make([]uint64, len(h.Counts))
	}
	longest := 0.0
	for i, n := range h.Counts {
		if n > p.before[i] {
			if longest = h.Buckets[i+1]; math.IsInf(longest, 1) {
				longest = h.Buckets[i]
			}
		}
	}
	copy(p.before, h.Counts)
	return time.Duration(longest * float64(time.Second))
}

// TestHostileCrowd has all kinds of hostile guests at once make up a tenth of all calls, next to nine good plugins.
func TestHostileCrowd(t *testing.T) {
	o := corpusOptions("")
	o.PoolMax = 10
	c, rt := newCrowd(t, o)
	rounds, length := 3, 500*time.Millisecond
	if strict() {
		rounds, length = 30, time.Second
	}
	peak := c.run(rounds, length)
	c.judge()
	granted := 0
	for _, m := range rt.loaded() {
		granted += m.grant.pool * (m.grant.memory<<20 + m.grant.stack)
	}
	t.Logf("%d MiB were resident at most, %d are granted", peak>>20, granted>>20)
	if peak > granted+granted/20 {
		t.Errorf("%d MiB were resident, beyond the grants of %d", peak>>20, granted>>20)
	}
}

// run has all modes in turn, so often and for so long each time, and returns how much memory the process had at most.
func (c *crowd) run(rounds int, length time.Duration) (peak int) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for i := range 10 {
		running.Go(func() { c.caller(ctx, uint64(i)) })
	}
	running.Go(func() { c.heart(ctx) })
	running.Go(func() { c.collector(ctx) })
	for i := range int(modes) * rounds {
		c.mode.Store(int32(i) % int32(modes))
		for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			peak = max(peak, residentSize(c.t))
		}
	}
	return peak
}

// judge compares what was measured with what is promised.
func (c *crowd) judge() {
	for m := range modes {
		x := &c.times[m]
		c.t.Logf("%s: good calls: %v; without what the machine took: %v; with the wait before: %v", m, x.calls[0], x.calls[1], x.waits)
		c.t.Logf("%s: heartbeats late by: %v; without what the machine took: %v", m, x.beats[0], x.beats[1])
		c.t.Logf("%s: pauses of the collector: %v; without what the machine took: %v", m, x.pauses[0], x.pauses[1])
	}
	quiet, loud, most := &c.times[peaceful], &c.times[wild], crowdBounds()
	alone, among := quiet.calls[1].quantile(.99), loud.calls[1].quantile(.99)
	c.t.Logf("%d hostile calls of %d kinds; others' 99th percentile %.2fx, %v more", c.calls.Load(), len(c.enemies), float64(among)/float64(alone), among-alone)
	if most.part < 1 && float64(quiet.calls[0].quantile(.99)) > (1+most.part)*float64(alone) {
		c.t.Logf("NOT JUDGED: others' 99th percentile is the machine's: alone it is %v, of which it took all but %v", quiet.calls[0].quantile(.99), alone)
	} else if more := among - alone; more > most.more || float64(more) > most.part*float64(alone) {
		c.t.Errorf("others' 99th percentile was %v and is %v", alone, among)
	}
	c.hold("a heartbeat was late by", func(x *times) *overruns { return &x.beats[1] }, most.beat)
	c.hold("the collector stopped the world for", func(x *times) *overruns { return &x.pauses[1] }, most.pause)
	if len(loud.calls[0]) < 100 || c.calls.Load() < int64(len(loud.calls[0])/20) {
		c.t.Error(fmt.Sprint("too few calls: ", len(loud.calls[0]), " good ones, ", c.calls.Load(), " hostile ones"))
	}
}

// hold judges the longest of some times, unless it is too long also where there is no hostile guest: then the machine is
// too busy to tell.
func (c *crowd) hold(what string, of func(*times) *overruns, most time.Duration) {
	longest := func(m mode) time.Duration { return of(&c.times[m]).quantile(1) }
	floor := max(longest(peaceful), longest(native))
	switch among := longest(wild); {
	case among <= most:
	case floor > most:
		c.t.Logf("NOT JUDGED: %s %v, at most %v; but without hostile guests %v", what, among, most, floor)
	default:
		c.t.Errorf("%s %v, at most %v; without hostile guests %v", what, among, most, floor)
	}
}
