package hosttest

import (
	"context"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// boundModule says what it was granted, and each time grow more.
type boundModule struct {
	host.Module
	limits host.Limits
	grow   int
}

func (m *boundModule) Grant() host.Grant {
	m.limits.CallMs += m.grow
	return host.Grant{Limits: m.limits}
}

// meteredModule says that each call uses call, and counts module for it.
type meteredModule struct {
	host.Module
	call, module int
	total        int // at first what was used before
}

func (m *meteredModule) Fuel() uint64        { return uint64(m.total) }
func (*meteredModule) Waited() time.Duration { return 0 }

func (m *meteredModule) Function(name string) (host.Function, error) {
	f, err := m.Module.Function(name)
	return &meteredFunction{f, m}, err
}

type meteredFunction struct {
	host.Function
	m *meteredModule
}

func (f *meteredFunction) ExecMetered(ctx context.Context, c *host.Call, args []any) (any, uint64, error) {
	f.m.total += f.m.module
	v, err := f.Exec(ctx, c, args)
	return v, uint64(f.m.call), err
}

// TestMeteredRuntime: a runtime that bounds and counts passes.
func TestMeteredRuntime(t *testing.T) {
	for name, wrap := range map[string]func(host.Module) host.Module{
		"bound":   func(m host.Module) host.Module { return &boundModule{Module: m, limits: host.Limits{CallMs: 50}} },
		"metered": func(m host.Module) host.Module { return &meteredModule{Module: m, call: 7, module: 7} },
	} {
		kit := fakeKit(func() host.Runtime { return &brokenRuntime{&FakeRuntime{BeforeLoad: refuseDamaged}, wrap} })
		for _, c := range meterChecks() {
			if err := c.check(t.TempDir(), kit); err != nil {
				t.Errorf("%s: %s: %v", name, c.name, err)
			}
		}
	}
}
