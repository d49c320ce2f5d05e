package hosttest

import (
	"context"
	"errors"
	"testing"

	"github.com/vanth-io/vanth/host"
)

func fakeKit(rt func() host.Runtime) RuntimeKit {
	return RuntimeKit{
		New:     func() (host.Runtime, error) { return rt(), nil },
		Files:   map[string][]byte{"kit.wasm": nil},
		Damaged: map[string][]byte{"kit.wasm": nil, "damaged": nil},
		Foreign: "python",
	}
}

// refuseDamaged has a fake runtime refuse what the kit calls damaged.
func refuseDamaged(_ context.Context, b host.Bundle) error {
	if fileExists(b.Dir, "damaged") {
		return host.Errorf(host.ErrInvalid, "damaged")
	}
	return nil
}

func TestFakeRuntime(t *testing.T) {
	Runtime(t, fakeKit(func() host.Runtime { return &FakeRuntime{BeforeLoad: refuseDamaged} }))
}

// brokenRuntime is a fake with one fault.
type brokenRuntime struct {
	*FakeRuntime
	wrap func(host.Module) host.Module
}

func (r *brokenRuntime) Load(ctx context.Context, b host.Bundle) (host.Module, error) {
	m, err := r.FakeRuntime.Load(ctx, b)
	if err != nil {
		return nil, err
	}
	return r.wrap(m), nil
}

type brokenModule struct {
	host.Module
	function func(host.Function) host.Function
	symbols  []host.Symbol
	close    func(context.Context) error
}

func (m *brokenModule) Function(name string) (host.Function, error) {
	f, err := m.Module.Function(name)
	if err != nil || m.function == nil {
		return f, err
	}
	return m.function(f), nil
}

func (m *brokenModule) Symbols() []host.Symbol {
	if m.symbols != nil {
		return m.symbols
	}
	return m.Module.Symbols()
}

func (m *brokenModule) Close(ctx context.Context) error {
	if m.close != nil {
		return m.close(ctx)
	}
	return m.Module.Close(ctx)
}

type brokenFunction struct {
	host.Function
	exec     func(context.Context, *host.Call, []any) (any, error)
	validate func([]any) error
}

func (f *brokenFunction) Exec(ctx context.Context, c *host.Call, args []any) (any, error) {
	if f.exec != nil {
		return f.exec(ctx, c, args)
	}
	return f.Function.Exec(ctx, c, args)
}

func (f *brokenFunction) Validate(args []any) error {
	if f.validate != nil {
		return f.validate(args)
	}
	return f.Function.Validate(args)
}

// TestBrokenRuntimesAreCaught shows that the suite can fail: each fault must be
// caught by the check that is named.
func TestBrokenRuntimesAreCaught(t *testing.T) {
	shared := []byte("shared")
	faults := map[string]struct {
		check string
		wrap  func(host.Module) host.Module
	}{
		"the grant grows": {"G the grant is constant and grants what is asked for at most", func(m host.Module) host.Module {
			return &boundModule{Module: m, grow: 1}
		}},
		"more is granted than asked for": {"G the grant is constant and grants what is asked for at most", func(m host.Module) host.Module {
			return &boundModule{Module: m, limits: host.Limits{OutputKiB: 64}}
		}},
		"the meter goes back":    {"C the meter counts what calls use", func(m host.Module) host.Module { return &meteredModule{Module: m, call: 7, module: -1, total: 1000} }},
		"the meter stands still": {"C the meter counts what calls use", func(m host.Module) host.Module { return &meteredModule{Module: m, call: 7} }},
		"calls tell nothing":     {"C the meter counts what calls use", func(m host.Module) host.Module { return &meteredModule{Module: m, module: 7} }},
		"symbols are missing": {"M1 the symbols are those of the manifest, in its order", func(m host.Module) host.Module {
			return &brokenModule{Module: m, symbols: []host.Symbol{{Kind: host.KindFunction, Name: "echo"}}}
		}},
		"close does nothing": {"M3 calls after close fail", func(m host.Module) host.Module {
			return &brokenModule{Module: m, close: func(context.Context) error { return nil }}
		}},
		"close is refused twice": {"R6 close ends what is loaded and is idempotent", func(m host.Module) host.Module {
			return &brokenModule{Module: m, function: func(f host.Function) host.Function {
				return &brokenFunction{Function: f, exec: func(context.Context, *host.Call, []any) (any, error) { return "x", nil }}
			}}
		}},
		"faults are not the guest's": {"F4 a fault is the error of its call", func(m host.Module) host.Module {
			return &brokenModule{Module: m, function: func(f host.Function) host.Function {
				return &brokenFunction{Function: f, exec: func(ctx context.Context, c *host.Call, args []any) (any, error) {
					v, err := f.Exec(ctx, c, args)
					if err != nil {
						err = errors.New("something went wrong")
					}
					return v, err
				}}
			}}
		}},
		"validate accepts all": {"F2 validate judges arguments", func(m host.Module) host.Module {
			return &brokenModule{Module: m, function: func(f host.Function) host.Function {
				return &brokenFunction{Function: f, validate: func([]any) error { return nil }}
			}}
		}},
		"results are shared": {"F3 arguments and results share no memory", func(m host.Module) host.Module {
			return &brokenModule{Module: m, function: func(f host.Function) host.Function {
				return &brokenFunction{Function: f, exec: func(_ context.Context, _ *host.Call, args []any) (any, error) {
					shared = append(shared[:0], args[0].([]byte)...)
					return shared, nil
				}}
			}}
		}},
		"the context is not looked at": {"F5 exec ends with its context", func(m host.Module) host.Module {
			return &brokenModule{Module: m, function: func(f host.Function) host.Function {
				return &brokenFunction{Function: f, exec: func(context.Context, *host.Call, []any) (any, error) { return "x", nil }}
			}}
		}},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			kit := fakeKit(func() host.Runtime {
				return &brokenRuntime{&FakeRuntime{BeforeLoad: refuseDamaged}, fault.wrap}
			})
			for _, c := range append(runtimeChecks(), meterChecks()...) {
				if c.name != fault.check {
					continue
				}
				if err := c.check(t.TempDir(), kit); err == nil {
					t.Errorf("the check %q passed", c.name)
				}
				return
			}
			t.Fatalf("no check is called %q", fault.check)
		})
	}
}
