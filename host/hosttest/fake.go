package hosttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/vanth-io/vanth/host"
)

// FakeFunc is a function of a fake module.
type FakeFunc func(ctx context.Context, b host.Bundle, c *host.Call, args []any) (any, error)

// FakeRuntime is a host.Runtime whose functions are Go functions. It accepts
// bundles that hold a file <name>.wasm, of whatever content, or are programs,
// with a manifest whose functions are among Funcs. It claims to have whatever
// sources and sinks the manifest names, and has none.
type FakeRuntime struct {
	// Funcs are the functions that bundles can export, beside those of
	// [FakeFuncs].
	Funcs map[string]FakeFunc
	// BeforeLoad is called by Load when it is set; its error is Load's.
	BeforeLoad func(context.Context, host.Bundle) error

	mu      sync.Mutex // guards what follows
	closed  bool
	modules map[*fakeModule]struct{}
}

// FakeFuncs are the functions that every [FakeRuntime] knows.
func FakeFuncs() map[string]FakeFunc {
	return map[string]FakeFunc{
		"echo": func(_ context.Context, _ host.Bundle, _ *host.Call, args []any) (any, error) {
			if len(args) == 0 {
				return nil, nil
			}
			if b, ok := args[0].([]byte); ok {
				return bytes.Clone(b), nil
			}
			return args[0], nil
		},
		"version": func(_ context.Context, b host.Bundle, _ *host.Call, _ []any) (any, error) {
			return b.Plugin.Manifest.Version, nil
		},
		"fail": func(_ context.Context, b host.Bundle, _ *host.Call, _ []any) (any, error) {
			return nil, &host.GuestError{Plugin: b.Plugin.ID, Symbol: "fail", Fault: host.FaultTrap, Err: errors.New("unreachable")}
		},
		"spin": func(ctx context.Context, b host.Bundle, _ *host.Call, _ []any) (any, error) {
			<-ctx.Done()
			return nil, &host.GuestError{Plugin: b.Plugin.ID, Symbol: "spin", Fault: host.FaultDeadline, Err: ctx.Err()}
		},
		"count": func(_ context.Context, b host.Bundle, c *host.Call, _ []any) (any, error) {
			n, err := b.State.Add(c.Scope(), "n", 1)
			return n, err
		},
	}
}

// Open counts the modules that are loaded and not closed.
func (r *FakeRuntime) Open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.modules)
}

// Name implements host.Runtime.
func (*FakeRuntime) Name() string { return "fake" }

// Accepts implements host.Runtime.
func (*FakeRuntime) Accepts(b host.Bundle) bool {
	return fileExists(b.Dir, b.Plugin.ID.Name+".wasm") || b.Plugin.Manifest.IsProgram()
}

func fileExists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

// Load implements host.Runtime.
func (r *FakeRuntime) Load(ctx context.Context, b host.Bundle) (host.Module, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.BeforeLoad != nil {
		if err := r.BeforeLoad(ctx, b); err != nil {
			return nil, err
		}
	}
	m := &fakeModule{rt: r, bundle: b, funcs: map[string]FakeFunc{}}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	known := FakeFuncs()
	for _, n := range b.Plugin.Manifest.Functions {
		if f := r.Funcs[n]; f != nil {
			m.funcs[n] = f
		} else if f := known[n]; f != nil {
			m.funcs[n] = f
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, host.Errorf(host.ErrClosed, "the fake runtime is closed")
	}
	if r.modules == nil {
		r.modules = map[*fakeModule]struct{}{}
	}
	r.modules[m] = struct{}{}
	return m, nil
}

// Close implements host.Runtime.
func (r *FakeRuntime) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	var list []*fakeModule
	for m := range r.modules {
		list = append(list, m)
	}
	r.mu.Unlock()
	var errs []error
	for _, m := range list {
		errs = append(errs, m.Close(ctx))
	}
	return errors.Join(errs...)
}

type fakeModule struct {
	rt     *FakeRuntime
	bundle host.Bundle
	funcs  map[string]FakeFunc
	ctx    context.Context // ends when calls are forced to end
	cancel context.CancelCauseFunc
	closer sync.Once

	mu     sync.RWMutex // held by calls for reading; guards closed
	closed bool
}

func (m *fakeModule) Symbols() []host.Symbol {
	var list []host.Symbol
	for _, s := range m.bundle.Plugin.Manifest.List() {
		if s.Kind != host.KindFunction || m.funcs[s.Name] != nil {
			list = append(list, s)
		}
	}
	return list
}

func (m *fakeModule) Function(name string) (host.Function, error) {
	if m.funcs[name] == nil {
		return nil, host.Errorf(host.ErrNotFound, "function %s: not found", name)
	}
	sig := host.Signature{Variadic: true}
	if s, ok := m.bundle.Plugin.Manifest.Symbols[name]; ok {
		sig = s
	}
	return &fakeFunction{m: m, run: m.funcs[name], sig: sig}, nil
}

func (m *fakeModule) Source(name string, _ *host.Call, _ host.Props) (host.Source, error) {
	return nil, host.Errorf(host.ErrNotFound, "source %s: not found", name)
}

func (m *fakeModule) Sink(name string, _ *host.Call, _ host.Props) (host.Sink, error) {
	return nil, host.Errorf(host.ErrNotFound, "sink %s: not found", name)
}

func (m *fakeModule) Close(ctx context.Context) error {
	m.closer.Do(func() {
		free := make(chan struct{})
		go func() {
			m.mu.Lock()
			m.closed = true
			m.mu.Unlock()
			close(free)
		}()
		select {
		case <-free:
		case <-ctx.Done():
			m.cancel(host.ErrInterrupted)
			<-free
		}
		m.cancel(host.ErrInterrupted)
		m.rt.mu.Lock()
		defer m.rt.mu.Unlock()
		delete(m.rt.modules, m)
	})
	return nil
}

type fakeFunction struct {
	m   *fakeModule
	run FakeFunc
	sig host.Signature
}

func (f *fakeFunction) Signature() *host.Signature { return &f.sig }

func (f *fakeFunction) Validate(args []any) error { return f.sig.Check(args) }

func (f *fakeFunction) Exec(ctx context.Context, c *host.Call, args []any) (any, error) {
	if err := errors.Join(ctx.Err(), f.sig.Check(args)); err != nil {
		return nil, err
	}
	f.m.mu.RLock()
	defer f.m.mu.RUnlock()
	if f.m.closed {
		return nil, host.Errorf(host.ErrClosed, "module closed")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.m.ctx, func() { cancel(host.ErrInterrupted) })()
	v, err := f.run(ctx, f.m.bundle, c, slices.Clone(args))
	if err != nil && errors.Is(context.Cause(ctx), host.ErrInterrupted) {
		err = fmt.Errorf("%w: %w", host.ErrInterrupted, err)
	}
	return v, err
}
