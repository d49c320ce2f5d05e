package host_test

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// countingRuntime has modules that are bounded, and whose calls cost 7 each.
type countingRuntime struct{ *hosttest.FakeRuntime }

func (r countingRuntime) Load(ctx context.Context, b host.Bundle) (host.Module, error) {
	m, err := r.FakeRuntime.Load(ctx, b)
	if err != nil || b.Plugin.ID.Name == "plain" {
		return m, err
	}
	return &countingModule{Module: m, version: b.Plugin.Manifest.Version}, nil
}

type countingModule struct {
	host.Module
	version string
	fuel    atomic.Uint64
}

func (m *countingModule) Fuel() uint64          { return m.fuel.Load() }
func (m *countingModule) Waited() time.Duration { return time.Duration(m.fuel.Load()) * time.Second }

func (m *countingModule) Grant() host.Grant {
	return host.Grant{Limits: host.Limits{CallMs: 50}, Capabilities: []string{m.version}}
}

func (m *countingModule) Function(name string) (host.Function, error) {
	f, err := m.Module.Function(name)
	return &countingFunction{f, m}, err
}

type countingFunction struct {
	host.Function
	m *countingModule
}

func (f *countingFunction) ExecMetered(ctx context.Context, c *host.Call, args []any) (any, uint64, error) {
	v, err := f.Function.Exec(ctx, c, args)
	f.m.fuel.Add(7)
	return v, 7, err
}

func (f *countingFunction) Exec(ctx context.Context, c *host.Call, args []any) (any, error) {
	v, _, err := f.ExecMetered(ctx, c, args)
	return v, err
}

func TestGrantAndFuel(t *testing.T) {
	b := open(t, func(o *host.Options) {
		o.Runtimes = []host.Runtime{countingRuntime{o.Runtimes[0].(*hosttest.FakeRuntime)}}
	})
	b.install("kit", "v1", "echo", "fail")
	b.install("plain", "v1", "version")

	granted := func(name string, want *host.Grant) {
		t.Helper()
		if p, err := b.Get(id(name)); err != nil || !reflect.DeepEqual(p.Grant, want) {
			t.Errorf("%s: granted %+v, %v; want %+v", name, p.Grant, err, want)
		}
	}
	fuel := func(name string, want uint64, counted bool) {
		t.Helper()
		if n, ok := b.Fuel(id(name)); n != want || ok != counted {
			t.Errorf("%s: fuel %d, %t; want %d, %t", name, n, ok, want, counted)
		}
		if d := b.Waited(id(name)); d != time.Duration(want)*time.Second {
			t.Errorf("%s: waited %v, want %d s", name, d, want)
		}
	}
	metered := func(name string, want uint64, args ...any) error {
		t.Helper()
		f, err := b.Function(name)
		if err != nil {
			t.Fatal(err)
		}
		_, n, err := f.ExecMetered(t.Context(), nil, args)
		if n != want {
			t.Errorf("%s: fuel %d, want %d", name, n, want)
		}
		return err
	}
	granted("kit", &host.Grant{Limits: host.Limits{CallMs: 50}, Capabilities: []string{"v1"}})
	granted("plain", nil)
	fuel("kit", 0, true)
	fuel("plain", 0, false)
	fuel("nobody", 0, false)

	b.want("echo", "x", "x")
	if err := metered("echo", 7, "x"); err != nil {
		t.Error(err)
	}
	if _, ok := errors.AsType[*host.GuestError](metered("fail", 7)); !ok {
		t.Error("a call that failed says nothing of it")
	}
	if err := metered("version", 0); err != nil {
		t.Error(err)
	}
	fuel("kit", 21, true)

	// Another version goes on counting; what it is granted is its own.
	if _, err := b.Replace(t.Context(), b.request("kit", "v2", "echo")); err != nil {
		t.Fatal(err)
	}
	granted("kit", &host.Grant{Limits: host.Limits{CallMs: 50}, Capabilities: []string{"v2"}})
	fuel("kit", 21, true)
	b.want("echo", "x", "x")
	fuel("kit", 28, true)

	if err := b.Remove(t.Context(), id("kit")); err != nil {
		t.Fatal(err)
	}
	fuel("kit", 0, false)
	if d, err := b.FunctionNamed("version"); err != nil || d.Usage.Calls != 1 {
		t.Errorf("the function that nothing counts was called %d times, %v", d.Usage.Calls, err)
	}
}
