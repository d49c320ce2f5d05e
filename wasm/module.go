package wasm

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/host"
)

// module is a loaded bundle: compiled code, its functions and a pool of
// instances. Its life: compile, link (check and define imports), start (first
// instances), serve, close.
type module struct {
	rt     *Runtime
	bundle host.Bundle
	grant  grant
	log    *slog.Logger
	engine wazero.Runtime
	code   wazero.CompiledModule
	config wazero.ModuleConfig

	functions []*function // in the manifest's order
	packed    bool        // some function needs the guest's buffer
	pool      *pool
	closer    sync.Once
}

// link compares the module with the manifest and the grant, and defines its
// imports.
func (m *module) link(ctx context.Context) error {
	if err := m.checkABI(); err != nil {
		return err
	}
	if err := m.defineImports(ctx); err != nil {
		return err
	}
	m.config = wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize")
	if m.grant.has(capClock) {
		m.config = m.config.WithSysWalltime().WithSysNanotime()
	}
	return nil
}

// start makes the pool and its first instances.
func (m *module) start(ctx context.Context) error {
	m.pool = newPool(m.grant.pool, m.rt.opts.PoolWait, m.instantiate)
	first, err := m.pool.make(ctx)
	if err != nil {
		return err
	}
	if err := m.bindDispatch(first); err != nil {
		first.close()
		return err
	}
	m.pool.adopt(first)
	for range min(m.rt.opts.PoolMin, m.grant.pool) - 1 {
		in, err := m.pool.make(ctx)
		if err != nil {
			_ = m.pool.close(ctx, func() {})
			return err
		}
		m.pool.adopt(in)
	}
	return nil
}

// Symbols implements host.Module.
func (m *module) Symbols() []host.Symbol {
	list := make([]host.Symbol, len(m.functions))
	for i, f := range m.functions {
		list[i] = host.Symbol{Kind: host.KindFunction, Name: f.name}
	}
	return list
}

// Function implements host.Module.
func (m *module) Function(name string) (host.Function, error) {
	for _, f := range m.functions {
		if f.name != name {
			continue
		}
		if f.kind == kindDirect {
			return &direct{f}, nil
		}
		return &packed{f}, nil
	}
	return nil, m.notFound(host.KindFunction, name)
}

// Source implements host.Module.
func (m *module) Source(name string, _ host.Props) (host.Source, error) {
	return nil, m.notFound(host.KindSource, name)
}

// Sink implements host.Module.
func (m *module) Sink(name string, _ host.Props) (host.Sink, error) {
	return nil, m.notFound(host.KindSink, name)
}

func (m *module) notFound(k host.Kind, name string) error {
	return host.Errorf(host.ErrNotFound, "%s: %s %s: not found", m.bundle.Plugin.ID, k, name)
}

// Close implements host.Module.
func (m *module) Close(ctx context.Context) error {
	var err error
	m.closer.Do(func() {
		if err = m.pool.close(ctx, func() { m.rt.dog.killAll(m) }); err != nil {
			// The guest still runs: its engine must stay.
			err = fmt.Errorf("%s: %w", m.bundle.Plugin.ID, err)
		} else {
			err = m.engine.Close(context.WithoutCancel(ctx))
		}
		m.rt.forget(m)
	})
	return err
}
