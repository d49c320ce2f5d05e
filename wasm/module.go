package wasm

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/reserve"
)

// module is a loaded bundle: compiled code, its functions and a pool of
// instances. Its life: compile, link (check and define imports), start (first
// instances), serve, close.
type module struct {
	rt      *Runtime
	bundle  host.Bundle
	grant   grant
	log     *slog.Logger
	engine  *engine
	metered bool
	config  wazero.ModuleConfig
	wasi    bool          // it imports from WASI
	took    time.Duration // to start the first instance

	parts    parts
	snapshot *snapshot // that instances start from; nil for none

	functions []*function // in the manifest's order
	named     map[string]*function
	symbols   map[host.Symbol]*nodeSymbol // sources and sinks
	entries   int                         // how many exports functions have
	packed    bool                        // some symbol needs the guest's buffer
	pool      *pool
	memories  *reserve.Pool
	breaker   breaker
	web       *web          // nil for none
	talk      *throttle     // what is logged
	keep      *throttle     // what is put into state
	budget    *budget       // of processor time; nil for none
	fuel      atomic.Uint64 // what calls used, in units of the meter
	closer    sync.Once

	handles   atomic.Uint32 // of sources and sinks, the last one given out
	mu        sync.Mutex    // guards what follows
	closed    bool
	nodes     map[*node]struct{} // the open ones
	instances map[*instance]struct{}
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
	o := &m.rt.opts
	m.talk = newThrottle(bucket{rate: logRate, most: logBurst}, o.LogKiBs)
	m.keep = newThrottle(bucket{}, o.StateKiBs)
	// What is to run is run by initialize. The engine's own random bytes take longer to make than an instance.
	m.config = wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(&fixedRandom{})
	if m.grant.has(capClock) {
		m.config = m.config.WithSysWalltime().WithSysNanotime()
	}
	return nil
}

// start makes the first instances.
func (m *module) start(ctx context.Context) error {
	defer m.allot() // what runs before that is part of an installation
	began := time.Now()
	first, err := m.pool.grow(ctx)
	if err != nil {
		return err
	}
	m.took = time.Since(began)
	if err := m.settle(first); err != nil {
		m.pool.discard(first)
		return err
	}
	list := []*instance{first}
	defer func() {
		for _, in := range list {
			m.pool.put(in)
		}
	}()
	if err := m.bindDispatch(first); err != nil {
		return err
	}
	if err := m.bindNodes(first); err != nil {
		return err
	}
	if len(m.functions) == 0 || m.snapshot != nil || m.grant.reset == host.ResetFresh {
		m.pool.discard(first)
		list = nil
	}
	if len(m.functions) == 0 { // sources and sinks start their own
		return nil
	}
	for range min(m.rt.opts.PoolMin, m.grant.pool) - len(list) {
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
func (m *module) Symbols() []host.Symbol { return m.bundle.Plugin.Manifest.List() }

// Function implements host.Module.
func (m *module) Function(name string) (host.Function, error) {
	f := m.named[name]
	if f == nil {
		return nil, m.notFound(host.KindFunction, name)
	}
	return f.lanes(), nil
}

// Source implements host.Module.
func (m *module) Source(name string, c *host.Call, props host.Props) (host.Source, error) {
	n, err := m.newNode(host.Symbol{Kind: host.KindSource, Name: name}, c, props)
	if err != nil {
		return nil, err
	}
	s := newSource(n)
	if n.kind.has(opRewind) {
		return rewindable{s}, nil
	}
	return s, nil
}

// Sink implements host.Module.
func (m *module) Sink(name string, c *host.Call, props host.Props) (host.Sink, error) {
	n, err := m.newNode(host.Symbol{Kind: host.KindSink, Name: name}, c, props)
	if err != nil {
		return nil, err
	}
	s := &sink{node: n}
	if n.kind.has(opFlush) {
		return flushing{s}, nil
	}
	return s, nil
}

func (m *module) notFound(k host.Kind, name string) error {
	return host.Errorf(host.ErrNotFound, "%s: %s %s: not found", m.bundle.Plugin.ID, k, name)
}

// Close implements host.Module. Sources and sinks that are open are closed as
// their owners would close them.
func (m *module) Close(ctx context.Context) error {
	var err error
	m.closer.Do(func() {
		m.mu.Lock()
		m.closed = true
		open := slices.Collect(maps.Keys(m.nodes))
		m.mu.Unlock()
		var shut sync.WaitGroup
		for _, n := range open {
			shut.Go(func() {
				if err := n.shut(ctx); err != nil {
					m.log.Warn("not closed as it should be", "symbol", n.symbol.String(), "err", err)
				}
			})
		}
		err = m.pool.close(ctx, m.killAll)
		shut.Wait()
		if err != nil {
			err = fmt.Errorf("%s: %w", m.bundle.Plugin.ID, err)
		}
		m.rt.forget(m)
	})
	return err
}

// killAll ends the calls under way.
func (m *module) killAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for in := range m.instances {
		in.kill()
	}
}

// release gives back what the module has, when none of its instances is alive.
func (m *module) release() {
	m.web.close()
	m.engine.close()
	m.memories.Discard()
}
