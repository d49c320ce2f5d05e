package wasm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/meter"
)

// This file bounds calls in time. A metered guest runs on fuel, and asks for more
// about every tenth of a millisecond; that is when somebody looks at the clock, at
// who waits for the call, and at who else wants to run. A call that ends within its
// fuel has cost nothing of this.

// mostFuel is given at once: tens of microseconds of plain instructions. Some are a
// thousand times slower, those that touch memory for the first time; so an instance
// begins with leastFuel, and gets more while it is quick; one that took longer than
// late for a slice gets less again.
const (
	mostFuel  = 100_000
	leastFuel = 2_000
	late      = time.Millisecond
)

// A call lets others run after it ran for so long. Letting go more often would
// leave less time to the call than to the scheduler.
const yieldAfter = 500 * time.Microsecond

// errFuel and errStack are what a call asks for beyond its grant.
var (
	errFuel  = errors.New("out of fuel")
	errStack = errors.New("stack overflow")
)

// ended is how an import or the meter ends a call that is not the guest's fault, or
// that is late: the engine hands it through.
type ended struct{ error }

func (e *ended) Unwrap() error { return e.error }

// spending is what an instance has of time and fuel.
type spending struct {
	fuel    api.MutableGlobal // left, before and after a call; nil where nothing is metered
	granted int64             // in the life of the instance; what is used is that less what is left
	counted int64             // of what was used, with the module
	owed    int64             // by imports, where there is no fuel to take it from
	most    int64             // of granted, for the call under way; 0 for no limit

	caller   context.Context // of the call under way; nil when it cannot end
	began    time.Duration   // of the call, on the runtime's clock; 0 until somebody asks
	refilled time.Duration   // when, last
	slice    int64           // to be given next
	account                  // for the plugin's budget
	yielded  time.Duration   // when others last could run
	seated   time.Duration   // since when it has a seat among the long calls; 0 for none
}

// used is the fuel that the instance used so far, between calls.
func (s *spending) used() int64 {
	if s.fuel == nil {
		return 0
	}
	return s.granted - int64(s.fuel.Get())
}

// count adds what was used to the module's count, which calls that end within their
// fuel do not touch.
func (in *instance) count(used int64) {
	in.module.fuel.Add(uint64(used - in.counted))
	in.counted = used
}

// begin makes ready for a call that may use so much fuel; 0 is no limit. It gets a
// first slice that is smaller if need be, so that a look at the fuel meets the limit.
func (in *instance) begin(limit int64) {
	in.began = 0
	if limit == 0 || in.fuel == nil {
		return
	}
	used, left := in.used(), min(mostFuel, limit)
	switch b := in.module.budget; {
	case b != nil && (used-in.counted >= mostFuel || b.owing.Load()):
		left = 0 // it asks at once, and pays
	case used-in.counted >= mostFuel:
		in.count(used)
	}
	in.most = used + limit
	in.granted = used + left
	in.fuel.Set(uint64(left))
}

// refill is the import that a metered guest calls when it has no fuel left, or no
// room on the stack. It returns the fuel to go on with, or panics.
func (in *instance) refill(left, room int64) int64 {
	if in.fuel != nil { // for who asks, should the call end here
		in.fuel.Set(uint64(left))
	}
	if room < 0 {
		panic(fmt.Errorf("%w: the call needs more than %d KiB: see limits.stackKiB of the manifest and wasm.stackKiB", errStack, in.module.grant.stack>>10))
	}
	used := in.granted - left
	since := used - in.counted
	in.count(used)
	in.pause(since)
	give := in.slice
	if in.trial {
		give = min(give, in.module.budget.trialSize())
	}
	if in.most > 0 {
		if give = min(give, in.most-used); give < 0 {
			panic(fmt.Errorf("%w: the call needs more than %d units: see limits.fuel of the manifest and wasm.fuel", errFuel, in.module.grant.fuel))
		}
	}
	in.granted = used + give
	return give
}

// pause has the call pay for so many units, ends it if it is late or nobody wants it
// any more, and lets others run.
func (in *instance) pause(units int64) {
	first, last := in.began == 0, in.refilled
	now, budget := in.now(), in.module.budget
	var wait time.Duration
	if budget != nil {
		wait = in.pay(budget, now, units)
	}
	in.over(now)
	if took := now - last; !first || took < late/4 { // else nobody knows how long the slice took, of all this time
		in.pace(took)
	}
	in.refilled = now
	if wait > 0 {
		now = in.rest(budget, wait)
	}
	long := wait > 0 || now-in.yielded >= yieldAfter
	if long {
		in.yield(now)
	}
	if budget != nil {
		in.resume(budget, long)
	}
}

// yield lets others run.
func (in *instance) yield(now time.Duration) {
	r := in.module.rt
	if now-in.began >= longAfter {
		r.seats.share(in, now)
	}
	runtime.Gosched()
	in.yielded = r.clock()
	in.refilled = in.yielded
	in.over(in.yielded)
}

// pace sets the next slice by how long the last one took.
func (s *spending) pace(took time.Duration) {
	switch {
	case took > late:
		s.slice = max(leastFuel, s.slice/8)
	case took < late/4:
		s.slice = min(mostFuel, 2*s.slice)
	}
}

// over panics if the call under way must end. While an instance starts, its context
// is what bounds it.
func (in *instance) over(now time.Duration) {
	if watch := in.module.rt.opts.watch; watch != nil {
		watch(in)
	}
	in.wanted()
	if limit := in.module.grant.timeout; !in.starting() && in.module.metered && now-in.began >= limit {
		panic(&ended{in.errLate(limit)})
	}
}

// wanted panics if nobody wants the result of the call under way any more.
func (in *instance) wanted() {
	if in.caller != nil {
		if err := in.caller.Err(); err != nil {
			panic(&ended{&cutShort{in.errGivenUp(err)}})
		}
	}
	if in.ctx.Err() != nil {
		panic(&ended{&cutShort{host.Errorf(host.ErrInterrupted, "ended by force: the plugin is being replaced or removed, or the host closes")}})
	}
}

// now reads the clock. The first to ask in a call starts its time, at most one slice
// late.
func (in *instance) now() time.Duration {
	now := in.module.rt.clock()
	if in.began == 0 {
		in.began, in.yielded, in.refilled, in.stirred = now, now, now, true
		in.known, in.waited = false, 0
	}
	return now
}

// late reports whether the call under way has no time left.
func (in *instance) late() bool { return in.module.metered && in.left() <= 0 }

// left is how long the call under way may still run.
func (in *instance) left() time.Duration {
	now := in.now()
	return in.module.grant.timeout - (now - in.began)
}

// charge makes the call under way pay for what an import does for it, and lets
// others run or ends the call as the meter does. What is done in one go should be
// worth less than mostFuel.
func (in *instance) charge(units int64) {
	if in.fuel == nil { // it starts, or is not metered
		if in.owed += units; in.owed >= mostFuel {
			units = in.owed
			in.owed = 0
			in.pause(units)
		}
		return
	}
	left := int64(in.fuel.Get()) - units
	if left < 0 {
		left = in.refill(left, 0)
	}
	in.fuel.Set(uint64(left))
}

// clock is the time since the runtime was made, and never 0.
func (r *Runtime) clock() time.Duration { return time.Since(r.epoch) + 1 }

// defineMeter gives a metered module its one import more.
func (m *module) defineMeter(ctx context.Context) error {
	refill := func(ctx context.Context, _ api.Module, stack []uint64) {
		stack[0] = uint64(instanceOf(ctx).refill(int64(stack[0]), int64(stack[1])))
	}
	t := refillType()
	_, err := m.engine.NewHostModuleBuilder(meter.ImportModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(refill), t.params, t.results).Export(meter.ImportName).Instantiate(ctx)
	return err
}

func refillType() funcType {
	return funcType{[]api.ValueType{i64, i64}, []api.ValueType{i64}}
}

// guestContext is the context that the guest's code runs under. It belongs to one
// instance for all its calls, so a call allocates none. It ends when the instance is
// forced to end, with the call that it is in.
type guestContext struct {
	context.Context
	in *instance
}

// Value implements context.Context. The engine asks for many at each call, and there
// are some only while the instance starts.
func (c *guestContext) Value(key any) any {
	if c.in.starting() {
		return c.Context.Value(key)
	}
	return nil
}

// newGuestContext returns the context and what ends it.
func newGuestContext(in *instance) (*guestContext, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	return &guestContext{ctx, in}, cancel
}
