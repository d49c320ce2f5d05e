package portable

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/vanth-io/vanth/host"
)

// Status implements host.Supervised.
func (m *module) Status() host.Status {
	st := host.Status{RefCount: map[string]int{}, State: host.StateRunning, Sandbox: m.sandbox()}
	open, refused := map[host.Symbol]int{}, map[host.Symbol]error{}
	for _, n := range m.open() {
		st.RefCount[n.call.Rule]++
		open[n.symbol]++
		n.mu.Lock()
		if n.refused != nil {
			refused[n.symbol] = n.explain(n.refused)
		}
		n.mu.Unlock()
	}
	dead := map[string]error{}
	for _, s := range m.slots {
		s.report(&st, dead)
	}
	for _, symbol := range m.manifest.List() {
		health := host.SymbolStatus{Symbol: symbol, Open: open[symbol], Err: refused[symbol]}
		if symbol.Kind == host.KindFunction {
			health.Err = dead[symbol.Name]
		}
		if symbol.Kind == host.KindSink {
			health.Delivery = m.delivery(symbol)
		}
		st.Symbols = append(st.Symbols, health)
	}
	return st
}

// report adds what is known of one slot. The worst state is the module's.
func (s *slot) report(st *host.Status, dead map[string]error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.cur.Load()
	if e := p.ended(); e != "" {
		// Its supervisor is about to say so.
		s.state, s.reason, p = host.StateError, errors.New(e), nil
	}
	if rank(s.state) > rank(st.State) {
		st.State = s.state
	}
	if s.state == host.StateError && s.reason != nil {
		st.Message = s.reason.Error()
		if said := s.m.out.Last(outputTail); said != "" && !strings.Contains(st.Message, said) {
			st.Message += ": it printed: " + said
		}
	}
	st.Restarts += s.restarts
	if s.exitAt.After(st.LastExitAt) {
		st.LastExit, st.LastExitAt = s.exit, s.exitAt
	}
	if p == nil {
		return
	}
	st.Lane = cmp.Or(st.Lane, p.link.lane())
	one := host.Process{PID: p.child.PID(), Started: p.since}
	if u, err := p.child.Usage(); err == nil {
		one.RSS, one.CPU = u.RSS, u.CPU
	}
	st.Processes = append(st.Processes, one)
	for name, err := range p.dead {
		dead[name] = err
	}
}

// rank orders the states from good to bad.
func rank(state string) int {
	return slices.Index([]string{host.StateRunning, host.StateInitializing, host.StateStop, host.StateError}, state)
}

// sandbox says what holds the processes.
func (m *module) sandbox() string {
	if m.rt.opts.Outside {
		return "none: the host did not start it"
	}
	level := string(m.engine.spawner.Level())
	if !m.engine.private {
		level += ", shared /tmp"
	}
	return level
}

// delivery is what the open sinks of a symbol promise.
func (m *module) delivery(symbol host.Symbol) string {
	word := ""
	for _, n := range m.open() {
		if n.symbol != symbol {
			continue
		}
		n.mu.Lock()
		at, ok := n.at.(sinkAttachment)
		n.mu.Unlock()
		switch {
		case !ok:
		case !at.acknowledges():
			return "at most once"
		default:
			word = "at least once"
		}
	}
	return word
}
