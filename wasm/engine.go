package wasm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host"
)

// engine is the compiled code of one module. It has a wazero runtime of its own,
// since limits are set there, and a compilation cache of its own, since wazero
// gives code back only when the cache it belongs to is closed.
type engine struct {
	wazero.Runtime
	code  wazero.CompiledModule
	cache wazero.CompilationCache // nil for none
	shelf *cache                  // nil for none
	key   string                  // on the shelf
}

// engineOf makes the engine of a module; file is what errors call it. What the gate
// refuses is ErrInvalid, and no engine sees it.
func (r *Runtime) engineOf(ctx context.Context, file string, g grant, code []byte) (*engine, *prepared, error) {
	t := r.terms(g)
	return r.compile(ctx, file, g, t.key(code), sync.OnceValues(func() (*prepared, error) {
		p, err := t.inspect(code)
		if err != nil {
			err = host.Errorf(host.ErrInvalid, "%s: %v", file, err)
		}
		return p, err
	}))
}

// compile makes the engine of what inspect returns, and does not call it when that is
// on the shelf under the key. The cache on disk makes it fast and is never needed:
// whatever is wrong with it, the module is compiled without.
func (r *Runtime) compile(ctx context.Context, file string, g grant, key string, inspect func() (*prepared, error)) (*engine, *prepared, error) {
	t := task{file: file, Engine: r.opts.Engine, Pages: uint32(g.memory) * 16} // 64 KiB each
	if r.shelf != nil {
		e, p, err := r.compileOnShelf(ctx, t, key, inspect)
		if err == nil || errors.Is(err, host.ErrInvalid) || ctx.Err() != nil {
			return e, p, err
		}
		defer func() {
			r.opts.Log.Debug("the cache of compiled code was not used", "err", err)
		}()
	}
	p, err := inspect()
	if err != nil {
		return nil, nil, err
	}
	if r.jail == nil {
		e, err := t.engine(ctx, "", p.code)
		return e, p, err
	}
	dir, err := os.MkdirTemp("", "vanth-wasm-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	e, err := r.compileIn(ctx, dir, t, p)
	return e, p, err
}

// compileOnShelf makes the engine of a module with its place on the shelf.
func (r *Runtime) compileOnShelf(ctx context.Context, t task, key string, inspect func() (*prepared, error)) (e *engine, p *prepared, err error) {
	place := r.shelf.take(key)
	err = place.use(ctx, func(dir string) error {
		if p, err = readPrepared(dir, key); err == nil {
			e, err = r.fetch(ctx, dir, t, p)
		}
		return err
	}, func(dir string) error {
		if p, err = inspect(); err != nil {
			return err
		}
		if e, err = r.compileIn(ctx, dir, t, p); err != nil {
			return err
		}
		return p.write(dir, key)
	})
	if e == nil {
		r.shelf.giveBack(key)
		return nil, nil, err
	}
	if err != nil {
		r.opts.Log.Debug("compiled code was not kept", "err", err)
	}
	e.shelf, e.key = r.shelf, key
	return e, p, nil
}

// compileIn compiles a module into the folder dir, which is empty, and makes its
// engine: in the jail, if there is one.
func (r *Runtime) compileIn(ctx context.Context, dir string, t task, p *prepared) (*engine, error) {
	var err error
	switch {
	case r.jail != nil:
		err = r.jail.compile(ctx, dir, t, p)
	case r.interpreter():
	case p.husked:
		err = t.compile(dir, p.code, p.shown)
	default:
		return t.engine(ctx, dir, p.code)
	}
	if err != nil {
		return nil, err
	}
	e, err := r.fetch(ctx, dir, t, p)
	if err != nil {
		return nil, fmt.Errorf("%s: what was compiled cannot be used: %w", t.file, err)
	}
	return e, nil
}

// fetch makes the engine of a module that was compiled into dir, by the jail or long
// ago. It returns errMissing when it was not, and compiles nothing: a husk would only
// trap. The interpreter has nothing to fetch, and is shown no husks: it compiles what
// the jail has compiled before.
func (r *Runtime) fetch(ctx context.Context, dir string, t task, p *prepared) (*engine, error) {
	if !r.interpreter() {
		return t.engine(sealed(ctx), dir, p.shown)
	}
	if r.jail != nil {
		if _, err := os.Stat(filepath.Join(dir, markName)); err != nil {
			return nil, fmt.Errorf("%w: %w", errMissing, err)
		}
	}
	return t.engine(ctx, "", p.shown)
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
		e.shelf.giveBack(e.key)
	}
	*e = engine{} // handles of functions outlive their module
}
