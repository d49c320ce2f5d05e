package portable

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
)

// function is a function of a module, in whatever process serves it.
type function struct {
	m         *module
	name      string
	index     int                            // in the manifest
	signature atomic.Pointer[host.Signature] // set by the first start, constant then
}

func newFunction(m *module, name string, index int) *function {
	f := &function{m: m, name: name, index: index}
	sig := host.Signature{Variadic: true, NullCall: true}
	if declared, ok := m.manifest.Symbols[name]; ok {
		sig = declared
	}
	f.signature.Store(&sig)
	return f
}

// startFunction starts a function in a process, and asks once what kind it is.
func (m *module) startFunction(ctx context.Context, p *process, name string) error {
	ctx, cancel := context.WithTimeout(ctx, m.rt.opts.InitTimeout)
	defer cancel()
	if err := p.link.function(ctx, name); err != nil {
		return err
	}
	aggregate, err := p.link.aggregate(ctx, name)
	if err != nil {
		return fmt.Errorf("IsAggregate: %w", err)
	}
	f := m.functions[name]
	if old := f.signature.Load(); old.Aggregate != aggregate {
		sig := *old
		sig.Aggregate = aggregate
		f.signature.Store(&sig)
	}
	return nil
}

// forms is the function with the lanes that all its processes have.
func (f *function) forms() host.Function {
	for _, s := range f.m.slots {
		if p := s.cur.Load(); p == nil || !isLane(p.link) {
			return f
		}
	}
	return &laneFunction{f}
}

// Signature implements host.Function.
func (f *function) Signature() *host.Signature { return f.signature.Load() }

// Validate implements host.Function.
func (f *function) Validate(args []any) error {
	if err := f.Signature().Check(args); err != nil {
		return f.wrap(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), f.m.rt.opts.RecvTimeout)
	defer cancel()
	return f.call(ctx, func(p *process) error { return p.link.validate(ctx, f.name, args) })
}

// Exec implements host.Function.
func (f *function) Exec(ctx context.Context, c *host.Call, args []any) (v any, err error) {
	sig := f.Signature()
	if skip, err := judge(sig, args); skip || err != nil {
		return nil, f.wrap(err)
	}
	b := f.m.rt.borrow()
	defer f.m.rt.keep(b)
	ctx = f.limit(ctx, b)
	err = f.call(ctx, func(p *process) error {
		v, err = p.link.exec(ctx, f, b, c, args)
		return err
	})
	if err == nil && sig.Returns != host.TypeAny && v != nil {
		if v, err = sig.Returns.Conform(v); err != nil {
			err = f.m.fault(f.name, host.FaultResult, err)
		}
	}
	return v, err
}

// judge holds args against a declared signature; skip when a null argument makes
// the result null.
func judge(sig *host.Signature, args []any) (skip bool, _ error) {
	if err := sig.Check(args); err != nil {
		return false, err
	}
	if sig.NullCall || sig.Aggregate {
		return false, nil
	}
	for _, a := range args {
		if a == nil {
			return true, nil
		}
	}
	return false, nil
}

// limit bounds the call that b is for.
func (f *function) limit(ctx context.Context, b *buffers) context.Context {
	limit := f.m.rt.opts.RecvTimeout
	if ms := f.m.manifest.Limits.CallMs; ms > 0 {
		limit = min(limit, time.Duration(ms)*time.Millisecond)
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= limit {
		return ctx
	}
	b.bound.begin(ctx, limit)
	return &b.bound
}

// call has a process that serves do something. A process that was never reached
// is given up for the next one.
func (f *function) call(ctx context.Context, do func(*process) error) error {
	if err := ctx.Err(); err != nil {
		return f.wrap(err)
	}
	if !f.m.calls.Enter() {
		return f.m.errClosed(f.name)
	}
	defer f.m.calls.Leave()
	for {
		p, err := f.pick(ctx)
		if err == nil {
			err = do(p)
		}
		switch {
		case err == nil:
			if !p.useful.Load() {
				p.useful.Store(true)
			}
			return nil
		case errors.Is(err, errNotSent) && ctx.Err() == nil:
			if !f.m.awaitChange(ctx, p) {
				return f.m.fault(f.name, host.FaultExit, errHungUp)
			}
		default:
			return f.explain(ctx, err)
		}
	}
}

// pick returns a process that serves the function, and waits for one while it
// will soon be there.
func (f *function) pick(ctx context.Context) (*process, error) {
	slots := f.m.slots
	first := 0
	if len(slots) > 1 {
		first = int(f.m.turn.Add(1) % uint32(len(slots)))
	}
	if p := slots[first].cur.Load(); p != nil && p.dead[f.name] == nil {
		return p, nil
	}
	for {
		var wait <-chan struct{}
		var reason error
		for i := range slots {
			s := slots[(first+i)%len(slots)]
			changed, delay := s.outlook()
			p := s.cur.Load()
			switch {
			case p != nil && p.dead[f.name] == nil:
				return p, nil
			case p != nil:
				reason = host.Errorf(host.ErrUnavailable, "function %s did not start: %v", f.name, p.dead[f.name])
			case delay <= patience:
				wait = changed
			default:
				reason = s.unavailable()
			}
		}
		if wait == nil {
			return nil, reason
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-f.m.life.Done():
			return nil, f.m.errClosed(f.name)
		}
	}
}

// errHungUp is the error of a call whose connection the plugin closed while it
// was sent.
var errHungUp = errors.New("the plugin closed the connection and lives on; are the arguments longer than it takes? eKuiper's Go SDK: 1 MiB")

// awaitChange waits until p serves no more, which it is about to. On eKuiper's
// wire a plugin may also have closed one connection and live on: false.
func (m *module) awaitChange(ctx context.Context, p *process) bool {
	select {
	case <-p.child.Done():
	case <-ctx.Done():
	case <-time.After(patience):
		if !isLane(p.link) {
			return false
		}
		p.child.Kill() // its lane ended, and it did not
	}
	return true
}

// explain turns an error of a link into that of a call.
func (f *function) explain(ctx context.Context, err error) error {
	m := f.m
	if _, ok := errors.AsType[*host.GuestError](err); ok {
		return err
	}
	ended := ctx.Err()
	switch {
	case errors.Is(err, host.ErrClosed), errors.Is(err, host.ErrInvalid), errors.Is(err, host.ErrUnavailable), errors.Is(err, host.ErrBusy):
		return f.wrap(err)
	case m.life.Err() != nil:
		return fmt.Errorf("%s: %s: %w: the plugin was replaced or removed", m.id, f.name, host.ErrInterrupted)
	case errors.Is(ended, context.DeadlineExceeded):
		st := m.Status()
		return m.fault(f.name, host.FaultDeadline, fmt.Errorf("time out, plugin %s status %s, message: %s: %w", m.id.Name, st.State, st.Message, ended))
	case ended != nil:
		return f.wrap(ended)
	case errors.Is(err, errGone):
		g := m.fault(f.name, host.FaultExit, err)
		g.Output = m.out.Last(outputTail)
		return g
	}
	return f.wrap(err)
}

// wrap names the function in an error that is not the plugin's.
func (f *function) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", f.name, err)
}
