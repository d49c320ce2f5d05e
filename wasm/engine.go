package wasm

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host"
)

// engine is the compiled code of one module. It has a wazero runtime of its own,
// since limits are set there, and a compilation cache of its own, since wazero
// gives code back only when the cache it belongs to is closed.
type engine struct {
	wazero.Runtime
	code   wazero.CompiledModule
	cache  wazero.CompilationCache // nil for none
	shelf  *cache
	digest string // on the shelf
}

// compile compiles code. The cache on disk makes it fast and is never needed:
// whatever is wrong with it, the module compiles without.
func (r *Runtime) compile(ctx context.Context, g grant, code []byte) (*engine, error) {
	config := r.engineConfig(g)
	if r.shelf != nil {
		e, err := r.compileCached(ctx, config, code)
		if err == nil {
			return e, nil
		}
		defer func() {
			r.opts.Log.Debug("the cache of compiled code was not used", "err", err)
		}()
	}
	e := &engine{Runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	var err error
	if e.code, err = e.compileModule(ctx, code); err != nil {
		e.close()
		return nil, host.Errorf(host.ErrInvalid, "compile: %v", err)
	}
	return e, nil
}

// compileCached compiles code with its place on the shelf.
func (r *Runtime) compileCached(ctx context.Context, config wazero.RuntimeConfig, code []byte) (*engine, error) {
	place := r.shelf.take(code)
	e := &engine{shelf: r.shelf, digest: place.digest}
	err := place.use(func(dir string) error {
		var err error
		if e.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return err
		}
		e.Runtime = wazero.NewRuntimeWithConfig(ctx, config.WithCompilationCache(e.cache))
		e.code, err = e.compileModule(ctx, code)
		return err
	})
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// compileModule turns a panic of the compiler into an error.
func (e *engine) compileModule(ctx context.Context, code []byte) (m wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the compiler failed: %v", p)
		}
	}()
	return e.CompileModule(ctx, code)
}

func (r *Runtime) engineConfig(g grant) wazero.RuntimeConfig {
	c := wazero.NewRuntimeConfig()
	switch r.opts.Engine {
	case "compiler":
		c = wazero.NewRuntimeConfigCompiler()
	case "interpreter":
		c = wazero.NewRuntimeConfigInterpreter()
	}
	return c.WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(uint32(g.memory) * 16). // 64 KiB each
		WithCloseOnContextDone(!g.trusted).
		WithDebugInfoEnabled(false)
}

// close gives everything back. No guest may run any more.
func (e *engine) close() {
	ctx := context.Background()
	if e.Runtime != nil {
		_ = e.Close(ctx)
	}
	if e.cache != nil {
		_ = e.cache.Close(ctx)
	}
	if e.shelf != nil {
		e.shelf.giveBack(e.digest)
	}
	*e = engine{} // handles of functions outlive their module
}
