package native

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/vanth-io/vanth/host"
)

// module is a loaded .so file. Its code stays mapped when it is closed. Several
// lists of functions of one file are modules of one guest, see Relist.
type module struct {
	*loaded
	manifest host.Manifest
}

// loaded is what modules of one life share.
type loaded struct {
	rt      *Runtime
	file    placed
	guest   *guest
	symbols symbols

	mu   sync.Mutex               // guards made
	made map[string]host.Function // those that a module was asked for
}

// newModule begins the life of a file that was opened.
func newModule(rt *Runtime, file placed, g *guest, find finder, m host.Manifest) *module {
	return &module{&loaded{
		rt: rt, file: file, guest: g, symbols: symbols{guest: g, find: find}, made: map[string]host.Function{},
	}, m}
}

var _ host.Relister = (*module)(nil)

// Relist implements host.Relister. What is new on the list is tried by a probe
// first, as when it is loaded.
func (m *module) Relist(functions []string) (host.Module, error) {
	next := &module{m.loaded, m.manifest}
	next.manifest.Functions, next.manifest.Listed = slices.Clone(functions), true
	if err := m.rt.probe(m.guest.life, m.file, next.manifest); err != nil {
		return nil, err
	}
	if err := m.symbols.check(next.manifest); err != nil {
		return nil, err
	}
	return next, nil
}

// Symbols implements host.Module.
func (m *module) Symbols() []host.Symbol { return m.manifest.List() }

func (m *module) has(k host.Kind, name string) error {
	for _, s := range m.manifest.List() {
		if s == (host.Symbol{Kind: k, Name: name}) {
			return nil
		}
	}
	return host.Errorf(host.ErrNotFound, "%s: %s %s: not found", m.guest.id, k, name)
}

// Function implements host.Module. A function is made once: what it remembers in
// itself outlives the list it is on.
func (m *module) Function(name string) (host.Function, error) {
	if err := m.has(host.KindFunction, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	f := m.made[name]
	m.mu.Unlock()
	if f != nil {
		return f, nil
	}
	f, err := m.makeFunction(name)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if first := m.made[name]; first != nil {
		return first, nil
	}
	m.made[name] = f
	return f, nil
}

func (m *module) makeFunction(name string) (host.Function, error) {
	make_, err := m.symbols.function(name)
	if err != nil {
		return nil, err
	}
	if make_ == nil {
		return &absent{host.Errorf(host.ErrUnavailable, "%s: function %s: %s does not export %s: register the names of its functions",
			m.guest.id, name, m.manifest.Executable, ucFirst(name))}, nil
	}
	f, err := make_()
	if err != nil {
		return nil, err
	}
	return newFunction(m.guest, name, f, nil)
}

// Source implements host.Module.
func (m *module) Source(name string, c *host.Call, props host.Props) (host.Source, error) {
	if err := m.has(host.KindSource, name); err != nil {
		return nil, err
	}
	make_, err := m.symbols.source(name)
	if err != nil || make_ == nil {
		return nil, errors.Join(err, host.Errorf(host.ErrUnsupported, "got non stream source %s", name))
	}
	s, err := make_()
	if err != nil {
		return nil, err
	}
	return newSource(m.guest, name, s, props, c)
}

// Sink implements host.Module.
func (m *module) Sink(name string, c *host.Call, props host.Props) (host.Sink, error) {
	if err := m.has(host.KindSink, name); err != nil {
		return nil, err
	}
	make_, err := m.symbols.sink(name)
	if err != nil || make_ == nil {
		return nil, errors.Join(err, host.Errorf(host.ErrNotFound, "sink %s is not defined", name))
	}
	s, err := make_()
	if err != nil {
		return nil, err
	}
	return newSink(m.guest, name, s, props, c)
}

// Close implements host.Module. It closes every module of this life.
func (m *loaded) Close(ctx context.Context) error {
	err := m.guest.close(ctx)
	m.rt.mu.Lock()
	defer m.rt.mu.Unlock()
	delete(m.rt.modules, m)
	return err
}

// absent is a function that is named and not exported.
type absent struct{ err error }

func (a *absent) Signature() *host.Signature { return &host.Signature{Variadic: true, NullCall: true} }

func (a *absent) Validate([]any) error { return a.err }

func (a *absent) Exec(context.Context, *host.Call, []any) (any, error) { return nil, a.err }
