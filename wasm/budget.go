package wasm

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A plugin may have a budget: so many percent of one processor core, on average, for
// all its calls together. It works as cpu.max of control groups does: what calls
// used is taken off when they ask for fuel, and when there is nothing left they wait
// for more, in the order in which they came. So a plugin over its budget gets slower.
// The time of a call goes on while it waits.
//
// What was used is processor time, not the time that went by, where the system tells.
// A call that ends within its fuel looks at no clock: what such calls used is an amount
// of fuel when somebody next looks, and an estimate makes it time. That is what a unit
// costs in short slices, one of which follows each such look: they are at places of
// the code that chance chooses, as often as they are run.
//
// Of what the host does for a plugin only resets count, which cost more than calls do.

// budgetBurst is how far a plugin that did nothing is ahead of its budget: it may use
// what that gives in so long at once. Of one percent that is 1 ms, which slices are
// kept below.
const budgetBurst = 100 * time.Millisecond

// The sizes of slices that are measured for the estimate. The large ones are more
// exact, and only calls that use more are measured.
const (
	mostTrial  = leastFuel
	leastTrial = 250
)

// payAfter is for how long a call runs before it pays, which would cost more than a short
// slice does.
const payAfter = 50 * time.Microsecond

// budget is what all calls of a plugin may use, and what they did.
type budget struct {
	percent int
	thread  func() time.Duration // CPU time of the thread; nil where it is not known
	owing   atomic.Bool          // somebody has to wait, at the last look
	waited  atomic.Int64         // ns, of calls

	mu     sync.Mutex    // guards what follows
	bucket               // in ns of a processor
	last   time.Duration // of a refill of the bucket, on the runtime's clock
	each   float64       // estimate of what a unit of fuel costs, in ns
	size   int64         // of the next slice that is measured
	told   bool          // one was
}

// newBudget makes one of so many percent of a core.
func newBudget(percent int) *budget {
	share := float64(percent) / 100
	return &budget{
		percent: percent, thread: threadClock(), each: 1, size: mostTrial,
		bucket: bucket{rate: share * float64(time.Second), most: share * float64(budgetBurst)},
	}
}

// allot gives the plugin its budget, if it is to have one.
func (m *module) allot() {
	if m.metered && m.grant.cpu > 0 {
		m.budget = newBudget(m.grant.cpu)
		m.pool.owing = &m.budget.owing
	}
}

// bill is what a call used since an instance last paid.
type bill struct {
	units int64
	took  time.Duration // of a processor; at most, if it is not known
	known bool
	trial trial
	work  time.Duration // of the host's for it, beside that
}

// trial is whether a slice is measured for the estimate.
type trial int8

const (
	noTrial trial = iota
	trialPassed
	trialMissed // the call ended before the slice did
)

// pay takes off what was used, and tells how long to wait before more is. That is at
// least a turn: many short waits would cost more than they give.
func (b *budget) pay(now time.Duration, c bill) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.known {
		c.took = min(c.took, time.Duration(float64(c.units)*b.each))
	}
	b.learn(c)
	b.refill(now - b.last)
	b.last = max(b.last, now)
	b.take(float64(c.took + c.work))
	debt := b.spent - b.most
	b.owing.Store(debt > 0)
	if debt <= 0 {
		return 0
	}
	return time.Duration(debt/b.rate*float64(time.Second)) + turn
}

// learn requires mu. Until a slice was measured, what else is known counts.
func (b *budget) learn(c bill) {
	switch c.trial {
	case trialMissed:
		b.size = max(leastTrial, b.size/2)
	case trialPassed:
		b.size = min(mostTrial, 2*b.size)
		b.told = true
	case noTrial:
		if b.told {
			return
		}
	}
	if c.known && c.units > 0 {
		b.each += (max(0, float64(c.took))/float64(c.units) - b.each) / 8
	}
}

// trialSize is how much fuel a slice has that is measured.
func (b *budget) trialSize() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

// account is what an instance knows of its use of processors, for its plugin's
// budget.
type account struct {
	paid   time.Duration // when, last, or since when the guest runs again
	unpaid int64         // units used since
	work   time.Duration // of the host's for it since
	usual  time.Duration // for one such piece of work
	known  bool          // when is in the call under way
	trial  bool          // the slice under way is measured
	noted  bool          // what the thread has had is known: cpu
	cpu    time.Duration // of the thread, when the guest last went on after others ran
	taken  time.Duration // off the budget since
	rate   float64       // what a unit last cost in the call under way, in ns; 0 where it is not known
	waited time.Duration // in the call under way
}

// pay has the budget pay for what was used since it last did.
func (in *instance) pay(b *budget, now time.Duration, units int64) (wait time.Duration) {
	a := &in.account
	a.unpaid += units
	c := bill{units: a.unpaid, took: max(0, now-a.paid), known: a.known, work: a.work}
	switch {
	case a.trial && a.known:
		c.trial = trialPassed
	case a.trial:
		c.trial = trialMissed
	case c.took < payAfter && now-in.yielded < yieldAfter:
		return 0
	}
	a.paid, a.unpaid, a.work = now, 0, 0
	a.rate = 0
	if a.known {
		c.took, c.known = a.really(b, c.took)
		a.rate = max(0, float64(c.took)/float64(max(1, c.units)))
	}
	// While it starts, imports pay apart, and units are not all there is to pay for.
	a.trial = !a.known && c.trial == noTrial && !in.starting()
	return b.pay(now, c)
}

// really is how long the guest had a processor, if it seems to have had one for so
// long. What seems short is taken for true until something seems long: that is when
// the system may have run others. It may be less than nothing, for what was taken.
func (a *account) really(b *budget, took time.Duration) (_ time.Duration, known bool) {
	a.taken += took
	if took < late/4 || b.thread == nil {
		return took, true
	}
	if !a.noted {
		return took, false
	}
	cpu := b.thread() - a.cpu
	if cpu < 0 || cpu > a.taken { // of another thread: Go moved the call in an import
		return took, true
	}
	took -= a.taken - cpu
	a.taken = cpu
	return took, true
}

// tried ends the slice that is measured with its call: what it paid at once, and then did, would never be seen
// otherwise. A call that paid next to nothing tells nothing.
func (in *instance) tried() {
	b, a := in.module.budget, &in.account
	used := in.used()
	units := a.unpaid + used - in.counted
	if b == nil || in.fuel == nil || units < leastTrial {
		return
	}
	now := in.module.rt.clock()
	c := bill{units: units, took: max(0, now-a.paid), work: a.work, trial: trialPassed}
	c.took, c.known = a.really(b, c.took)
	in.count(used)
	a.paid, a.unpaid, a.work, a.trial = now, 0, 0, false
	b.pay(now, c)
}

// resume notes that the guest goes on, and that others ran, if they did.
func (in *instance) resume(b *budget, others bool) {
	a := &in.account
	switch {
	case a.unpaid > 0: // it did not pay, and goes on as it was
	case !a.known: // and most calls end soon: to ask the kernel would cost as much
		a.known, a.noted, a.taken = true, false, 0
		a.paid = in.module.rt.clock()
	case others || !a.noted && a.paid-in.began >= payAfter:
		a.noted, a.taken = true, 0
		if b.thread != nil {
			a.cpu = b.thread()
		}
		a.paid = in.module.rt.clock()
	}
}

// rest has the call wait for its plugin's budget, without its seat, and ends it when
// it is over.
func (in *instance) rest(b *budget, wait time.Duration) (now time.Duration) {
	r := in.module.rt
	r.seats.leave(in)
	if !in.starting() {
		wait = min(wait, in.left())
	}
	began := r.clock()
	in.sleep(wait)
	now = r.clock()
	in.waited += now - began
	b.waited.Add(int64(now - began))
	in.over(now)
	return now
}

// sleep returns when the time is up, or nobody wants the result of the call any more.
func (in *instance) sleep(d time.Duration) {
	var gone <-chan struct{}
	if in.caller != nil {
		gone = in.caller.Done()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-gone:
	case <-in.ctx.Done():
	}
}

// worked notes that the host worked for the instance since then, between two calls. What
// took much longer than usual did not have a processor all along, or will be usual soon.
func (in *instance) worked(since time.Duration) {
	took := min(in.module.rt.clock()-since, 8*in.usual+time.Microsecond)
	in.usual += (took - in.usual) / 8
	in.work += took
}

// idled notes that the guest did nothing for so long, since an import waited; it may go on on another thread.
func (in *instance) idled(d time.Duration) {
	in.paid += d
	in.noted = false
}

// square pays for what an instance that ends has used since it last paid.
func (in *instance) square() {
	b := in.module.budget
	if b == nil {
		return
	}
	a, now := &in.account, in.module.rt.clock()
	c := bill{units: a.unpaid + in.used() - in.counted, took: max(0, now-a.paid), work: a.work}
	switch {
	case a.trial:
		c.trial = trialMissed
	case a.known && a.rate > 0: // it ends soon after its call, not with it
		c.took, c.known = min(c.took, time.Duration(float64(c.units)*a.rate)), true
	}
	b.pay(now, c)
}

// errLate is the end of a call that took too long.
func (in *instance) errLate(limit time.Duration) error {
	return fmt.Errorf("ran longer than %v%s: %w", limit, in.held(", with "), context.DeadlineExceeded)
}

// errGivenUp is the end of a call whose caller has gone.
func (in *instance) errGivenUp(err error) error {
	return fmt.Errorf("given up by its caller%s: %w", in.held(", after "), err)
}

// held tells behind prefix for how long the call under way waited for its plugin's
// budget, and what to do; "" if it did not.
func (in *instance) held(prefix string) string {
	if in.began == 0 || in.waited == 0 {
		return ""
	}
	return fmt.Sprintf("%s%v of waiting for more of the plugin's budget, which is %d percent of a core: see limits.cpuPercent of the manifest and wasm.cpuPercent",
		prefix, in.waited.Round(time.Millisecond/10), in.module.budget.percent)
}
