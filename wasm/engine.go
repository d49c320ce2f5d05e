package wasm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
	shelf  *cache                  // nil for none
	digest string                  // on the shelf
}

// compile makes the engine of a module that the gate let pass; file is what errors
// call it. The cache on disk makes it fast and is never needed: whatever is wrong
// with it, the module is compiled without.
func (r *Runtime) compile(ctx context.Context, file string, g grant, code []byte) (*engine, error) {
	t := task{file: file, Engine: r.opts.Engine, Pages: uint32(g.memory) * 16} // 64 KiB each
	if r.shelf != nil {
		e, err := r.compileOnShelf(ctx, t, code)
		if err == nil || errors.Is(err, host.ErrInvalid) || ctx.Err() != nil {
			return e, err
		}
		defer func() {
			r.opts.Log.Debug("the cache of compiled code was not used", "err", err)
		}()
	}
	if r.jail == nil {
		return t.engine(ctx, "", code)
	}
	dir, err := os.MkdirTemp("", "vanth-wasm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return r.compileIn(ctx, dir, t, code)
}

// compileOnShelf makes the engine of code with its place on the shelf.
func (r *Runtime) compileOnShelf(ctx context.Context, t task, code []byte) (*engine, error) {
	place := r.shelf.take(code)
	var e *engine
	err := place.use(ctx, func(dir string, kept bool) error {
		var err error
		if kept && r.jail != nil {
			if e, err = r.fetch(ctx, dir, t, code); err == nil || !errors.Is(err, errMissing) {
				return err
			}
		}
		e, err = r.compileIn(ctx, dir, t, code)
		return err
	})
	if err != nil {
		r.shelf.giveBack(place.digest)
		return nil, err
	}
	e.shelf, e.digest = r.shelf, place.digest
	return e, nil
}

// compileIn compiles code into the folder dir and makes its engine: in the jail, if
// there is one.
func (r *Runtime) compileIn(ctx context.Context, dir string, t task, code []byte) (*engine, error) {
	if r.jail == nil {
		return t.engine(ctx, dir, code)
	}
	if err := r.jail.compile(ctx, dir, t, code); err != nil {
		return nil, err
	}
	e, err := r.fetch(ctx, dir, t, code)
	if err != nil {
		return nil, fmt.Errorf("%s: what was compiled cannot be used: %w", t.file, err)
	}
	return e, nil
}

// fetch makes the engine of code that was compiled into dir, by the jail or long
// ago. It returns errMissing when it was not, and compiles nothing. The interpreter
// has nothing to fetch: it compiles what the jail has compiled before.
func (r *Runtime) fetch(ctx context.Context, dir string, t task, code []byte) (*engine, error) {
	if !r.jail.interpreter() {
		return t.engine(sealed(ctx), dir, code)
	}
	if _, err := os.Stat(filepath.Join(dir, markName)); err != nil {
		return nil, fmt.Errorf("%w: %w", errMissing, err)
	}
	return t.engine(ctx, "", code)
}

// engine makes the engine of code, with a cache in the folder dir, or none for "".
// Without one, its error is ErrInvalid; with one, the cache may be at fault.
func (t *task) engine(ctx context.Context, dir string, code []byte) (_ *engine, err error) {
	e := &engine{}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	config := t.config()
	if dir != "" {
		if e.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return nil, err
		}
		config = config.WithCompilationCache(e.cache)
	}
	e.Runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if e.code, err = e.compileModule(ctx, code); err == nil {
		return e, nil
	}
	if dir == "" {
		err = host.Errorf(host.ErrInvalid, "compile: %v", err)
	}
	return nil, err
}

// compileModule turns a panic of the compiler into an error.
func (e *engine) compileModule(ctx context.Context, code []byte) (m wazero.CompiledModule, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("the compiler failed: %w", p)
		default:
			err = fmt.Errorf("the compiler failed: %v", p)
		}
	}()
	return e.CompileModule(ctx, code)
}

// engineConfig is what all modules have in common. The name is an option's.
func engineConfig(name string) wazero.RuntimeConfig {
	c := wazero.NewRuntimeConfig()
	switch name {
	case "compiler":
		c = wazero.NewRuntimeConfigCompiler()
	case "interpreter":
		c = wazero.NewRuntimeConfigInterpreter()
	}
	return c.WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false)
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
