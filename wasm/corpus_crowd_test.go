package wasm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
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

// crowd calls good plugins and hostile ones at once. Each of its callers calls, waits for the end and a millisecond more,
// and calls again; in hostile times each tenth call is a hostile one.
type crowd struct {
	t       *testing.T
	good    []host.Function
	enemies []*enemy
	hostile atomic.Bool
	calls   atomic.Int64 // of enemies

	mu    sync.Mutex // guards what follows
	times [2]times   // peaceful and hostile
}

// times are measurements: how long good calls took, how long they took and their callers waited for a processor before,
// and by how much heartbeats were late.
type times struct {
	calls, waits, beats overruns
}

func newCrowd(t *testing.T, rt *Runtime) *crowd {
	c := &crowd{t: t}
	for range 9 {
		c.good = append(c.good, fn(t, watModule(t, rt, goodText, "f"), "f"))
	}
	for _, h := range corpus(t) {
		if !h.refused() {
			c.enemies = append(c.enemies, h.arm(t, rt))
		}
	}
	return c
}

func (c *crowd) time() *times {
	if c.hostile.Load() {
		return &c.times[1]
	}
	return &c.times[0]
}

// caller calls until ctx ends.
func (c *crowd) caller(ctx context.Context, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 3))
	for n := int32(0); ctx.Err() == nil; n++ {
		due := time.Now().Add(time.Millisecond)
		time.Sleep(time.Millisecond)
		if c.hostile.Load() && n%10 == 0 {
			e := c.enemies[random.IntN(len(c.enemies))]
			c.calls.Add(1)
			err := e.call(context.Background())
			if err := e.judge(err); err != nil && !errors.Is(err, context.DeadlineExceeded) { // they have less time than alone
				c.t.Error(err)
			}
			continue
		}
		now, began := c.time(), time.Now()
		v, err := c.good[random.IntN(len(c.good))].Exec(context.Background(), nil, []any{int64(n)})
		took := time.Since(began)
		if err != nil || v != goodResult(n) {
			c.t.Errorf("a good call: %v, %v; want %d", v, err, goodResult(n))
		}
		c.mu.Lock()
		now.calls = append(now.calls, took)
		now.waits = append(now.waits, time.Since(due))
		c.mu.Unlock()
	}
}

// heart beats once a millisecond.
func (c *crowd) heart(ctx context.Context) {
	for ctx.Err() == nil {
		now, due := c.time(), time.Now().Add(time.Millisecond)
		time.Sleep(time.Millisecond)
		late := time.Since(due)
		c.mu.Lock()
		now.beats = append(now.beats, late)
		c.mu.Unlock()
	}
}

// collector has the collector run all the time.
func (c *crowd) collector(ctx context.Context) {
	for ctx.Err() == nil {
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
	}
}

// longestPause is the longest time for which the collector stopped the world, since the last time it was asked.
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
	rt := newRuntime(t, o)
	c := newCrowd(t, rt)
	rounds, length := 3, 700*time.Millisecond
	if strict() {
		rounds, length = 10, 3*time.Second
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	for i := range 10 {
		running.Go(func() { c.caller(ctx, uint64(i)) })
	}
	running.Go(func() { c.heart(ctx) })
	running.Go(func() { c.collector(ctx) })
	var p pauses
	var longest [2]time.Duration
	peak := 0
	p.longest()
	for i := range 2 * rounds {
		c.hostile.Store(i%2 == 1)
		for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			peak = max(peak, residentSize(t))
		}
		longest[i%2] = max(longest[i%2], p.longest())
	}
	cancel()
	running.Wait()
	c.judge(longest)
	granted := 0
	for _, m := range rt.loaded() {
		granted += m.grant.pool * (m.grant.memory<<20 + m.grant.stack)
	}
	t.Logf("%d MiB were resident at most, %d are granted", peak>>20, granted>>20)
	if peak > granted+granted/20 {
		t.Errorf("%d MiB were resident, beyond the grants of %d", peak>>20, granted>>20)
	}
}

// judge compares what was measured with what is promised.
func (c *crowd) judge(longest [2]time.Duration) {
	for i, name := range []string{"without", "with"} {
		m := &c.times[i]
		c.t.Logf("%-7s hostile guests: good calls: %v; with the wait before: %v; heartbeats late by: %v; longest pause %v", name, m.calls, m.waits, m.beats, longest[i])
	}
	alone, among := c.times[0].calls.quantile(.99), c.times[1].calls.quantile(.99)
	c.t.Logf("%d hostile calls of %d kinds; others' 99th percentile %.2fx, %v more", c.calls.Load(), len(c.enemies), float64(among)/float64(alone), among-alone)
	most := crowdBounds()
	if more := among - alone; more > most.more || float64(more) > most.part*float64(alone) {
		c.t.Errorf("others' 99th percentile was %v and is %v", alone, among)
	}
	if late := c.times[1].beats.quantile(1); late > most.beat {
		c.t.Errorf("a heartbeat was %v late, at most %v", late, most.beat)
	}
	if longest[1] > most.pause {
		c.t.Errorf("the collector stopped the world for %v, at most %v", longest[1], most.pause)
	}
	if len(c.times[1].calls) < 100 || c.calls.Load() < int64(len(c.times[1].calls)/20) {
		c.t.Error(fmt.Sprint("too few calls: ", len(c.times[1].calls), " good ones, ", c.calls.Load(), " hostile ones"))
	}
}
