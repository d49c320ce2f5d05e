package wasm

import (
	"context"

	"github.com/vanth-io/vanth/host"
)

var _ host.Supervised = (*module)(nil)

// Status implements host.Supervised.
func (m *module) Status() host.Status {
	faults, quarantine := m.breaker.state()
	st := host.Status{RefCount: map[string]int{}, State: host.StateRunning, Sandbox: "wasm"}
	if quarantine != nil {
		st.State, st.Message = host.StateError, quarantine.Error()
	}
	open := map[host.Symbol]int{}
	m.mu.Lock()
	for n := range m.nodes {
		open[n.symbol]++
		if n.call != nil {
			st.RefCount[n.call.Rule]++
		}
	}
	alive := len(m.instances)
	m.mu.Unlock()
	memory := m.memories.Stats()
	st.Instances = &host.Instances{
		Alive: alive, Most: m.grant.pool, Faults: faults, Waited: m.Waited(),
		Memory: int64(memory.Used), Grant: int64(m.grant.pool) * (int64(m.grant.memory)<<20 + int64(m.grant.stack)),
	}
	for _, s := range m.Symbols() {
		health := host.SymbolStatus{Symbol: s, Open: open[s]}
		if s.Kind == host.KindFunction {
			health.Err = quarantine
		}
		st.Symbols = append(st.Symbols, health)
	}
	return st
}

// Restart implements host.Supervised: the instances that functions have are ended
// when they are free, and a quarantine is over. Sources and sinks, which have their
// own, go on.
func (m *module) Restart(ctx context.Context) error {
	m.breaker.reset()
	m.pool.drain()
	if len(m.functions) == 0 {
		return nil
	}
	in, err := m.pool.get(ctx)
	if err != nil {
		return err
	}
	m.pool.put(in)
	return nil
}
