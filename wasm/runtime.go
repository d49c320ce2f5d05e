package wasm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/reserve"
)

// Runtime is the host.Runtime for WebAssembly.
type Runtime struct {
	opts  Options
	shelf *cache // nil for none
	jail  *jail  // nil for none
	seats *seats
	epoch time.Time

	interpreter func() bool // whether the engine is the interpreter

	mu      sync.Mutex // guards what follows
	closed  bool
	modules map[*module]struct{}

	loads  sync.WaitGroup // compilations, also those nobody waits for any more
	beat   sync.WaitGroup // janitor
	stop   chan struct{}
	closer sync.Once
}

// New starts the runtime. Whoever calls it calls Close.
func New(_ context.Context, o Options) (*Runtime, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	r := &Runtime{opts: o, seats: newSeats(), epoch: time.Now(), modules: map[*module]struct{}{}, stop: make(chan struct{})}
	r.interpreter = sync.OnceValue(func() bool { return interprets(engineConfig(o.Engine)) })
	r.jail = newJail(&r.opts, r.interpreter)
	if o.CacheDir != "" {
		var err error
		if r.shelf, err = newCache(o.CacheDir); err != nil {
			return nil, fmt.Errorf("wasm: cache: %w", err)
		}
	}
	r.beat.Go(r.janitor)
	return r, nil
}

// Name implements host.Runtime.
func (*Runtime) Name() string { return "wasm" }

// Accepts implements host.Runtime: a bundle whose manifest says wasm, or says
// nothing and is of that class or holds a module.
func (*Runtime) Accepts(b host.Bundle) bool {
	switch b.Plugin.Manifest.Language {
	case "wasm":
		return true
	case "":
		if b.Plugin.ID.Class == host.ClassWASM {
			return true
		}
		f, err := b.Open(b.Plugin.ID.Name + ".wasm")
		if err == nil {
			f.Close()
		}
		return err == nil
	}
	return false
}

// Load implements host.Runtime.
func (r *Runtime) Load(ctx context.Context, b host.Bundle) (host.Module, error) {
	if err := r.admit(); err != nil {
		return nil, err
	}
	type result struct {
		m   *module
		err error
	}
	// wazero's compiler does not look at its context. A compilation that nobody
	// waits for any more ends on its own, and is waited for by Close.
	done := make(chan result)
	go func() {
		defer r.loads.Done()
		m, err := r.loadSafely(ctx, b)
		select {
		case done <- result{m, err}:
		case <-ctx.Done():
			if err == nil {
				_ = m.Close(context.WithoutCancel(ctx))
			}
		}
	}()
	select {
	case res := <-done:
		if res.err != nil {
			return nil, res.err
		}
		return res.m, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: given up while the module was compiled or started: %w", b.Plugin.ID, ctx.Err())
	}
}

// admit counts a load, unless the runtime is closed.
func (r *Runtime) admit() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return host.Errorf(host.ErrClosed, "the wasm runtime is closed")
	}
	r.loads.Add(1)
	return nil
}

// loadSafely turns a panic of the engine into an error.
func (r *Runtime) loadSafely(ctx context.Context, b host.Bundle) (m *module, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the engine failed: %v\n%s", p, debug.Stack())
		}
	}()
	return r.load(ctx, b)
}

// load compiles the module, checks it and starts its first instances. What it
// started ends with its error.
func (r *Runtime) load(ctx context.Context, b host.Bundle) (_ *module, err error) {
	manifest := &b.Plugin.Manifest
	if manifest.ABI > abiMajor {
		return nil, host.Errorf(host.ErrUnsupported, "abi %d in the manifest: this build knows %d", manifest.ABI, abiMajor)
	}
	g, err := r.opts.grantTo(b.Plugin)
	if err != nil {
		return nil, err
	}
	code, err := readModule(b, g.module)
	if err != nil {
		return nil, err
	}
	e, p, err := r.engineOf(ctx, b.Plugin.ID.Name+".wasm", g, code)
	if err != nil {
		return nil, err
	}
	m := &module{
		rt: r, bundle: b, grant: g, engine: e, log: r.opts.Log.With("plugin", b.Plugin.ID.String()), nodes: map[*node]struct{}{},
		instances: map[*instance]struct{}{}, metered: r.meters(g),
		parts: p.parts, memories: reserve.New(p.memory), breaker: breaker{after: r.opts.Quarantine, clock: r.clock},
	}
	if p.data != nil {
		if err := m.memories.Use(p.data); err != nil {
			e.close()
			return nil, err
		}
	}
	if g.has(capHTTP) {
		m.web = newWeb(r.opts.HTTP, g)
	}
	// From here on the pool gives the engine back when its last instance is gone.
	m.pool = newPool(g.pool, r.opts.PoolWait, m.instantiate, m.release)
	defer func() {
		if err != nil {
			_ = m.pool.close(context.WithoutCancel(ctx), func() {})
		}
	}()
	if err := m.link(ctx); err != nil {
		return nil, err
	}
	if err := m.start(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.modules[m] = struct{}{}
	r.mu.Unlock()
	return m, nil
}

// readModule reads <name>.wasm of a bundle, which has most bytes at most.
func readModule(b host.Bundle, most int) ([]byte, error) {
	name := b.Plugin.ID.Name + ".wasm"
	f, err := b.Open(name)
	if os.IsNotExist(err) {
		return nil, host.Errorf(host.ErrInvalid, "missing %s: expected it beside %s.json", name, b.Plugin.ID.Name)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text := bytes.NewBuffer(make([]byte, 0, min(info.Size(), int64(most))+bytes.MinRead)) // else it grows and is copied
	if _, err := text.ReadFrom(io.LimitReader(f, int64(most)+1)); err != nil {
		return nil, err
	}
	code := text.Bytes()
	if len(code) > most {
		return nil, host.Errorf(host.ErrInvalid, "%s has more than %d bytes, which is what wasm.moduleMiB allows", name, most)
	}
	if !strings.HasPrefix(string(code[:min(8, len(code))]), "\x00asm\x01\x00\x00\x00") {
		return nil, host.Errorf(host.ErrInvalid, "%s is not a WebAssembly module of version 1", name)
	}
	return code, nil
}

// janitor ends instances that were not used for a while.
func (r *Runtime) janitor() {
	t := time.NewTicker(r.opts.PoolIdle)
	defer t.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-t.C:
			for _, m := range r.loaded() {
				m.pool.trim(r.opts.PoolMin)
				m.memories.Trim()
			}
			if r.shelf == nil {
				continue
			}
			if err := r.shelf.prune(r.opts.PoolIdle); err != nil {
				r.opts.Log.Warn("the cache of compiled code cannot be pruned", "err", err)
			}
		}
	}
}

func (r *Runtime) loaded() []*module {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*module, 0, len(r.modules))
	for m := range r.modules {
		list = append(list, m)
	}
	return list
}

// forget is called by a module that closed.
func (r *Runtime) forget(m *module) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.modules, m)
}

// Close implements host.Runtime.
func (r *Runtime) Close(ctx context.Context) error {
	var err error
	r.closer.Do(func() {
		r.mu.Lock()
		r.closed = true
		r.mu.Unlock()
		if r.jail != nil {
			r.jail.end()
		}
		r.loads.Wait()
		for _, m := range r.loaded() {
			if e := m.Close(ctx); err == nil {
				err = e
			}
		}
		close(r.stop)
		r.beat.Wait()
	})
	return err
}
