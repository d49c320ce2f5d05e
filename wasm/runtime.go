package wasm

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host"
)

// maxModule bounds a module file, in bytes.
const maxModule = 32 << 20

// Runtime is the host.Runtime for WebAssembly.
type Runtime struct {
	opts  Options
	cache wazero.CompilationCache
	dog   *watchdog

	mu      sync.Mutex // guards what follows
	closed  bool
	modules map[*module]struct{}

	loads  sync.WaitGroup // compilations, also those nobody waits for any more
	beat   sync.WaitGroup // watchdog and janitor
	stop   chan struct{}
	closer sync.Once
}

// New starts the runtime. Whoever calls it calls Close.
func New(_ context.Context, o Options) (*Runtime, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	cache := wazero.NewCompilationCache()
	if o.CacheDir != "" {
		if err := os.MkdirAll(o.CacheDir, 0o700); err != nil {
			return nil, fmt.Errorf("wasm: cache: %w", err)
		}
		if err := os.Chmod(o.CacheDir, 0o700); err != nil {
			return nil, fmt.Errorf("wasm: cache: %w", err)
		}
		var err error
		if cache, err = wazero.NewCompilationCacheWithDir(o.CacheDir); err != nil {
			return nil, fmt.Errorf("wasm: cache: %w", err)
		}
	}
	r := &Runtime{
		opts: o, cache: cache, dog: newWatchdog(),
		modules: map[*module]struct{}{}, stop: make(chan struct{}),
	}
	r.beat.Go(func() { r.dog.run(r.stop) })
	r.beat.Go(r.janitor)
	return r, nil
}

// Name implements host.Runtime.
func (*Runtime) Name() string { return "wasm" }

// Accepts implements host.Runtime: a bundle of the class wasm, or of any class
// when its manifest says so.
func (*Runtime) Accepts(b host.Bundle) bool {
	switch b.Plugin.Manifest.Language {
	case "wasm":
		return true
	case "":
		return b.Plugin.ID.Class == host.ClassWASM
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
		m, err := r.load(ctx, b)
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

// load compiles the module, checks it and starts its first instances. What it
// started ends with its error.
func (r *Runtime) load(ctx context.Context, b host.Bundle) (_ *module, err error) {
	manifest := &b.Plugin.Manifest
	if n := len(manifest.Sources) + len(manifest.Sinks); n > 0 {
		return nil, host.Errorf(host.ErrUnsupported, "%d sources and sinks in the manifest: this build runs functions of wasm plugins only", n)
	}
	if manifest.ABI > abiMajor {
		return nil, host.Errorf(host.ErrUnsupported, "abi %d in the manifest: this build knows %d", manifest.ABI, abiMajor)
	}
	g, err := r.opts.grantTo(b.Plugin)
	if err != nil {
		return nil, err
	}
	code, err := readModule(b)
	if err != nil {
		return nil, err
	}
	m := &module{rt: r, bundle: b, grant: g, log: r.opts.Log.With("plugin", b.Plugin.ID.String())}
	m.engine = wazero.NewRuntimeWithConfig(ctx, r.engineConfig(g))
	defer func() {
		if err != nil {
			_ = m.engine.Close(context.WithoutCancel(ctx))
		}
	}()
	if m.code, err = r.compile(ctx, m.engine, code); err != nil {
		return nil, err
	}
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

func (r *Runtime) engineConfig(g grant) wazero.RuntimeConfig {
	c := wazero.NewRuntimeConfig()
	switch r.opts.Engine {
	case "compiler":
		c = wazero.NewRuntimeConfigCompiler()
	case "interpreter":
		c = wazero.NewRuntimeConfigInterpreter()
	}
	return c.WithCompilationCache(r.cache).
		WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(uint32(g.memory) * 16). // 64 KiB each
		WithCloseOnContextDone(!g.trusted).
		WithDebugInfoEnabled(false)
}

// readModule reads <name>.wasm of a bundle.
func readModule(b host.Bundle) ([]byte, error) {
	name := b.Plugin.ID.Name + ".wasm"
	f, err := os.Open(filepath.Join(b.Dir, name))
	if os.IsNotExist(err) {
		return nil, host.Errorf(host.ErrInvalid, "missing %s: expected it beside %s.json", name, b.Plugin.ID.Name)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	code, err := io.ReadAll(io.LimitReader(f, maxModule+1))
	if err != nil {
		return nil, err
	}
	if len(code) > maxModule {
		return nil, host.Errorf(host.ErrInvalid, "%s has more than %d bytes", name, maxModule)
	}
	if !strings.HasPrefix(string(code[:min(8, len(code))]), "\x00asm\x01\x00\x00\x00") {
		return nil, host.Errorf(host.ErrInvalid, "%s is not a WebAssembly module of version 1", name)
	}
	return code, nil
}

// compile compiles code. Cached code that was damaged is thrown away and made
// anew.
func (r *Runtime) compile(ctx context.Context, engine wazero.Runtime, code []byte) (wazero.CompiledModule, error) {
	compiled, err := engine.CompileModule(ctx, code)
	if err != nil && strings.Contains(err.Error(), "compilationcache:") {
		r.opts.Log.Warn("the cache of compiled code is damaged and is emptied", "err", err)
		files, _ := filepath.Glob(filepath.Join(r.opts.CacheDir, "*", "*"))
		for _, f := range files {
			_ = os.Remove(f)
		}
		compiled, err = engine.CompileModule(ctx, code)
	}
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "compile: %v", err)
	}
	return compiled, nil
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
		r.loads.Wait()
		for _, m := range r.loaded() {
			if e := m.Close(ctx); err == nil {
				err = e
			}
		}
		close(r.stop)
		r.beat.Wait()
		// Code of a guest that could not be interrupted stays mapped.
		if err == nil {
			err = r.cache.Close(ctx)
		}
	})
	return err
}
