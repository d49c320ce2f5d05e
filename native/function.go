package native

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// function runs an api.Function as a host.Function.
//
// A call runs on the goroutine of its caller and cannot be interrupted: when ctx
// ends or the module is closed, the plugin's context ends, and it is the
// plugin's to heed that. A plugin that never returns holds its caller. One that
// panics fails its call; one that panics on a goroutine of its own ends the
// process, which only a worker process prevents.
//
// args is the caller's; a plugin that keeps it will see it change.
type function struct {
	guest     *guest
	name      string
	impl      api.Function
	signature host.Signature

	outside seat // of calls without a host.Call
	mu      sync.Mutex
	seats   atomic.Pointer[map[*host.Call]*seat] // copied and swapped under mu
}

// seat keeps the context that a plugin gets on behalf of a host.Call.
type seat struct {
	last atomic.Pointer[functionContext]
}

// maxSeats bounds the host.Calls that are remembered; beyond it all are
// forgotten, which costs an allocation for each of those still in use.
const maxSeats = 1024

var _ host.Function = (*function)(nil)

// newFunction adapts f. sig is what a manifest declares, nil when nothing is
// known: then any arguments are passed, nulls too. Whether the function is an
// aggregate one is the plugin's to say.
func newFunction(g *guest, name string, f api.Function, sig *host.Signature) (host.Function, error) {
	fn := &function{guest: g, name: name, impl: f, signature: host.Signature{Variadic: true, NullCall: true}}
	if sig != nil {
		fn.signature = *sig
	}
	err := g.guard(name, "IsAggregate", func() error {
		fn.signature.Aggregate = f.IsAggregate()
		return nil
	})
	if err != nil {
		return nil, err
	}
	fn.seats.Store(&map[*host.Call]*seat{})
	return fn, nil
}

// Signature implements host.Function.
func (f *function) Signature() *host.Signature { return &f.signature }

// Validate implements host.Function. The plugin sees values where eKuiper has
// the expressions of its parser, and nil for what is not yet known.
func (f *function) Validate(args []any) error {
	if err := f.signature.Check(args); err != nil {
		return f.wrap(err)
	}
	if !f.guest.calls.Enter() {
		return f.guest.errClosed(f.name)
	}
	defer f.guest.calls.Leave()
	var refused error
	err := f.guest.guard(f.name, "Validate", func() error {
		refused = f.impl.Validate(args)
		return nil
	})
	if err != nil {
		return err
	}
	if refused != nil {
		return host.Errorf(host.ErrInvalid, "%s: %v", f.name, refused)
	}
	return nil
}

// Exec implements host.Function.
func (f *function) Exec(ctx context.Context, c *host.Call, args []any) (any, error) {
	done := ctx.Done()
	if done != nil {
		select {
		case <-done:
			return nil, f.wrap(ctx.Err())
		default:
		}
	}
	if !f.signature.Variadic || !f.signature.NullCall {
		if skip, err := f.judge(args); skip || err != nil {
			return nil, err
		}
	}
	v, ok, err := f.run(f.context(ctx, done, c), args)
	if ok && err == nil {
		return v, nil
	}
	return nil, f.failure(ctx, v, err)
}

// judge holds args against a declared signature; skip when a null argument makes
// the result null.
func (f *function) judge(args []any) (skip bool, _ error) {
	if err := f.signature.Check(args); err != nil {
		return false, f.wrap(err)
	}
	if f.signature.NullCall || f.signature.Aggregate {
		return false, nil
	}
	for _, a := range args {
		if a == nil {
			return true, nil
		}
	}
	return false, nil
}

// run calls the plugin. The result is converted where a panic is caught, since
// that runs the plugin's code too.
func (f *function) run(fc *functionContext, args []any) (v any, ok bool, err error) {
	if !f.guest.calls.Enter() {
		return nil, false, f.guest.errClosed(f.name)
	}
	defer f.finish(&err)
	v, ok = f.impl.Exec(fc, args)
	if !ok {
		return v, false, nil
	}
	switch v.(type) {
	case nil, bool, int64, float64, string:
	default:
		v, err = f.result(v)
	}
	if err == nil && f.signature.Returns != host.TypeAny && v != nil {
		if v, err = f.signature.Returns.Conform(v); err != nil {
			err = f.guest.fault(f.name, host.FaultResult, err)
		}
	}
	return v, true, err
}

// finish ends a call.
func (f *function) finish(err *error) {
	if p := recover(); p != nil {
		*err = f.guest.trap(f.name, p)
	}
	f.guest.calls.Leave()
}

// result brings v into the host's domain. An error is the error of the call,
// also when the plugin says that all is well, as in eKuiper.
func (f *function) result(v any) (any, error) {
	if e, ok := v.(error); ok {
		return nil, f.guest.returned(f.name, e)
	}
	v, err := toValue(v)
	if err != nil {
		return nil, f.guest.fault(f.name, host.FaultResult, err)
	}
	return v, nil
}

// failure makes the error of a call that did not succeed: err if the host knows
// one, else from what the plugin gave in place of a result.
func (f *function) failure(ctx context.Context, v any, err error) error {
	if err == nil {
		err = f.guest.returned(f.name, plainError(v))
	}
	switch ended := ctx.Err(); {
	case ended == nil:
	case errors.Is(ended, context.DeadlineExceeded):
		return f.guest.fault(f.name, host.FaultDeadline, fmt.Errorf("%w: %w", ended, err))
	case !errors.Is(err, ended):
		return f.wrap(fmt.Errorf("%w: %w", ended, err))
	}
	if f.guest.life.Err() != nil && !errors.Is(err, host.ErrClosed) {
		return fmt.Errorf("%w: %w", f.guest.errInterrupted(f.name), err)
	}
	return err
}

// plainError makes an error of what a plugin returned in place of a result.
func plainError(v any) error {
	switch v := v.(type) {
	case error:
		return v
	case string:
		return errors.New(v)
	case nil:
		return errors.New("failed without an error")
	}
	return errors.New(host.Describe(v))
}

// wrap names the function in an error that is not the plugin's.
func (f *function) wrap(err error) error { return fmt.Errorf("%s: %w", f.name, err) }

// context returns the context of a call, without allocation when the same
// host.Call came before with the same cancellation and set no error. Its values
// are those of the first context that came with that cancellation.
func (f *function) context(ctx context.Context, done <-chan struct{}, c *host.Call) *functionContext {
	s := &f.outside
	if c != nil {
		if s = (*f.seats.Load())[c]; s == nil {
			s = f.addSeat(c)
		}
	}
	last := s.last.Load()
	// One with an error stays with the calls that began before it was set.
	if last != nil && last.done == done && last.err.Load() == nil {
		return last
	}
	fc := f.renew(last, ctx, done, c)
	s.last.Store(fc)
	return fc
}

// renew makes a context for another cancellation; the first one of a seat from
// nothing.
func (f *function) renew(last *functionContext, ctx context.Context, done <-chan struct{}, c *host.Call) *functionContext {
	both := &joined{Context: ctx, life: f.guest.life}
	if last != nil {
		sc := last.derive()
		sc.Context = both
		return &functionContext{streamContext: sc, id: last.id, done: done}
	}
	sc := f.guest.newContext(both, host.Symbol{Kind: host.KindFunction, Name: f.name}, c, nil)
	id := 0
	if c != nil {
		id = int(c.Func)
	}
	sc.prefix = functionPrefix(id)
	return &functionContext{streamContext: sc, id: id, done: done}
}

func (f *function) addSeat(c *host.Call) *seat {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := *f.seats.Load()
	if s := old[c]; s != nil {
		return s
	}
	next := make(map[*host.Call]*seat, len(old)+1)
	if len(old) < maxSeats {
		maps.Copy(next, old)
	}
	s := new(seat)
	next[c] = s
	f.seats.Store(&next)
	return s
}
