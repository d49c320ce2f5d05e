package portable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/gate"
	"github.com/vanth-io/vanth/portable/internal/child"
)

// module is a loaded bundle: its slots, each with a process, and the symbols
// that live in them. See the package for its life.
type module struct {
	rt       *Runtime
	engine   *engine
	id       host.ID
	manifest host.Manifest
	dir      string
	state    *host.State
	log      *slog.Logger
	out      *child.Log

	calls *gate.Gate
	life  context.Context // ends when processes must
	end   context.CancelFunc

	functions map[string]*function
	slots     []*slot
	turn      atomic.Uint32 // which slot the next call looks at first

	mu     sync.Mutex // guards what follows
	nodes  map[*node]struct{}
	closer sync.Once
	closed error // what Close failed with
}

var (
	_ host.Module     = (*module)(nil)
	_ host.Supervised = (*module)(nil)
	_ host.Printing   = (*module)(nil)
)

// instances is how many processes a manifest asks for.
func instances(m *host.Manifest, ceiling int) (int, error) {
	switch n := m.Instances; {
	case n == 0:
		return 1, nil
	case n < 0 || n > ceiling:
		return 0, host.Errorf(host.ErrInvalid, "manifest %s.json: instances: found %d, expected 1 to %d (portable.maxInstances)", m.Name, n, ceiling)
	default:
		return n, nil
	}
}

func newModule(r *Runtime, e *engine, b host.Bundle) (*module, error) {
	man := b.Plugin.Manifest
	n, err := instances(&man, r.opts.MaxInstances)
	if err != nil {
		return nil, err
	}
	if r.opts.Outside {
		n = 1 // more could not be told apart
	}
	m := &module{
		rt: r, engine: e, id: b.Plugin.ID, manifest: man, dir: b.Dir, state: b.State,
		log:   r.opts.Log.With("plugin", b.Plugin.ID.String()),
		calls: gate.New(), functions: map[string]*function{}, nodes: map[*node]struct{}{},
	}
	m.out = r.output(m.id)
	m.life, m.end = context.WithCancel(context.Background())
	for i, name := range man.Functions {
		m.functions[name] = newFunction(m, name, i)
	}
	for i := range n {
		m.slots = append(m.slots, newSlot(m, i))
	}
	return m, nil
}

// start starts a process in every slot. After an error the caller closes the
// module.
func (m *module) start(ctx context.Context) error {
	started := make(chan error, len(m.slots))
	for _, s := range m.slots {
		s.supervise(started)
	}
	for range m.slots {
		select {
		case err := <-started:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Symbols implements host.Module. What a process really has is known when a
// symbol is started; a function that the plugin does not know fails Load.
func (m *module) Symbols() []host.Symbol { return m.manifest.List() }

// Function implements host.Module.
func (m *module) Function(name string) (host.Function, error) {
	f := m.functions[name]
	if f == nil {
		return nil, m.notFound(host.KindFunction, name)
	}
	return f.forms(), nil
}

// Source implements host.Module.
func (m *module) Source(name string, c *host.Call, props host.Props) (host.Source, error) {
	n, err := m.node(host.KindSource, name, c, props)
	if err != nil {
		return nil, err
	}
	return newSource(n), nil
}

// Sink implements host.Module.
func (m *module) Sink(name string, c *host.Call, props host.Props) (host.Sink, error) {
	n, err := m.node(host.KindSink, name, c, props)
	if err != nil {
		return nil, err
	}
	return newSink(n), nil
}

func (m *module) node(k host.Kind, name string, c *host.Call, props host.Props) (*node, error) {
	for _, s := range m.manifest.List() {
		if s == (host.Symbol{Kind: k, Name: name}) {
			return newNode(m, s, c, props)
		}
	}
	return nil, m.notFound(k, name)
}

func (m *module) notFound(k host.Kind, name string) error {
	return host.Errorf(host.ErrNotFound, "%s: %s %s: not found", m.id, k, name)
}

// Close implements host.Module. When ctx ends the processes are killed, and
// with them the calls.
func (m *module) Close(ctx context.Context) error {
	m.closer.Do(func() {
		m.calls.Shut()
		waited := m.calls.Wait(ctx)
		m.end()
		if waited != nil {
			for _, s := range m.slots {
				s.kill()
			}
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.rt.opts.Grace)
			defer cancel()
			if err := m.calls.Wait(last); err != nil {
				m.closed = fmt.Errorf("%s: %d calls have not returned and are left behind: %w", m.id, m.calls.InFlight(), err)
			}
		}
		for _, n := range m.open() {
			if at := n.over(m.errClosed(n.symbol.String())); at != nil {
				at.drop()
			}
		}
		for _, s := range m.slots {
			<-s.ended
		}
		m.rt.forget(m)
	})
	return m.closed
}

// open lists the sources and sinks that are open.
func (m *module) open() []*node {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*node, 0, len(m.nodes))
	for n := range m.nodes {
		list = append(list, n)
	}
	return list
}

// Restart implements host.Supervised.
func (m *module) Restart(ctx context.Context) error {
	errs := make(chan error, len(m.slots))
	for _, s := range m.slots {
		go func() { errs <- s.restart(ctx) }()
	}
	var err error
	for range m.slots {
		err = errors.Join(err, <-errs)
	}
	return err
}

// Output implements host.Printing.
func (m *module) Output() host.Output { return m.out }

// errClosed is the error of a symbol whose module was closed before it began.
func (m *module) errClosed(symbol string) error {
	return fmt.Errorf("%s: %s: %w", m.id, symbol, host.ErrClosed)
}

// fault makes the error of a guest.
func (m *module) fault(symbol string, f host.Fault, err error) *host.GuestError {
	return &host.GuestError{Plugin: m.id, Version: m.manifest.Version, Symbol: symbol, Fault: f, Err: err}
}

// returned makes the error of what the plugin's code said.
func (m *module) returned(symbol, text string) *host.GuestError {
	e := m.fault(symbol, host.FaultReturned, errors.New(text))
	e.Class = "usage"
	return e
}
