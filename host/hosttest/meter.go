package hosttest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/vanth-io/vanth/host"
)

// meterChecks are those of the ports that a runtime need not have: G is
// host.Granted, C host.Meter with host.Metered.
func meterChecks() []runtimeCheck {
	return []runtimeCheck{
		{"G the grant is constant and grants what is asked for at most", checkGrant},
		{"C the meter counts what calls use", checkMeter},
	}
}

func checkGrant(b *runtimeBench) error {
	m := b.manifest()
	m.Limits = host.Limits{CallMs: 50, Fuel: 1 << 20, MemoryMiB: 8, StackKiB: 64, TableEntries: 10, Concurrency: 1, OutputKiB: 32, CPUPercent: 90}
	bundle, err := b.bundle(b.kit.Files, m)
	if err != nil {
		return err
	}
	module, err := b.Load(b.ctx, bundle)
	if err != nil {
		return err
	}
	g, ok := module.(host.Granted)
	if !ok {
		return nil
	}
	got := g.Grant()
	l, asked := got.Limits, m.Limits
	if !reflect.DeepEqual(got, g.Grant()) || len(got.Capabilities) > 0 || l.CallMs > asked.CallMs || l.Fuel > asked.Fuel ||
		l.MemoryMiB > asked.MemoryMiB || l.StackKiB > asked.StackKiB || l.TableEntries > asked.TableEntries ||
		l.Concurrency > asked.Concurrency || l.OutputKiB > asked.OutputKiB || l.CPUPercent > asked.CPUPercent {
		return fmt.Errorf("granted %+v, then %+v, asked for %+v", got, g.Grant(), asked)
	}
	return nil
}

func checkMeter(b *runtimeBench) error {
	module, f, err := b.function("echo")
	if err != nil {
		return err
	}
	m, counted := module.(host.Meter)
	lane, metered := f.(host.Metered)
	if counted != metered {
		return fmt.Errorf("the module counts: %t, its functions: %t", counted, metered)
	}
	if !counted {
		return nil
	}
	last := m.Fuel()
	for i := range 10 {
		v, _, err := lane.ExecMetered(b.ctx, nil, []any{"x"})
		if err != nil || !reflect.DeepEqual(v, b.through("x")) {
			return fmt.Errorf("echo: %#v, %w", v, err)
		}
		now := m.Fuel()
		if now < last {
			return fmt.Errorf("call %d: the module went from %d to %d", i, last, now)
		}
		last = now
	}
	spin, err := module.Function("spin")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
	defer cancel()
	_, fuel, err := spin.(host.Metered).ExecMetered(ctx, nil, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("spin: %w", err)
	}
	if now := m.Fuel(); fuel == 0 || now < last || now < fuel {
		return fmt.Errorf("spin used %d, the module went from %d to %d", fuel, last, now)
	}
	return nil
}
