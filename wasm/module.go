package wasm

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

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
	engine *engine
	config wazero.ModuleConfig
	took   time.Duration // to start the first instance

	functions []*function // in the manifest's order
	named     map[string]*function
	packed    bool // some function needs the guest's buffer
	pool      *pool
	talk      talk
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

// start makes the first instances.
func (m *module) start(ctx context.Context) error {
	began := time.Now()
	first, err := m.pool.grow(ctx)
	if err != nil {
		return err
	}
	m.took = time.Since(began)
	list := []*instance{first}
	defer func() {
		for _, in := range list {
			m.pool.put(in)
		}
	}()
	if err := m.bindDispatch(first); err != nil {
		return err
	}
	for range min(m.rt.opts.PoolMin, m.grant.pool) - 1 {
		in, err := m.pool.grow(ctx)
		if err != nil {
			return err
		}
		list = append(list, in)
	}
	return nil
}

// startLimit bounds the start of an instance. Once one has started, starting
// another is part of a call, and bounded by what that may take.
func (m *module) startLimit() time.Duration {
	limit := m.rt.opts.StartTimeout
	if m.took > 0 {
		limit = min(limit, m.grant.timeout+4*m.took)
	}
	return limit
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
	f := m.named[name]
	switch {
	case f == nil:
		return nil, m.notFound(host.KindFunction, name)
	case f.kind == kindDirect:
		return &direct{f}, nil
	}
	return &packed{f}, nil
}

// Source implements host.Module.
func (m *module) Source(name string, _ *host.Call, _ host.Props) (host.Source, error) {
	return nil, m.notFound(host.KindSource, name)
}

// Sink implements host.Module.
func (m *module) Sink(name string, _ *host.Call, _ host.Props) (host.Sink, error) {
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
			err = fmt.Errorf("%s: %w", m.bundle.Plugin.ID, err)
		}
		m.rt.forget(m)
	})
	return err
}
