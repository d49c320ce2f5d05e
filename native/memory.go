package native

import (
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
)

// memory is the state of one plugin as plugins for eKuiper know it. A key holds
// any value, or a counter; both share one key space, as in eKuiper.
//
// A value that was put comes back as it is, pointers included, as long as the
// module lives. Beside it stands its encoded form in the host.State, taken when
// it is put: what a plugin changes behind a pointer or in a map afterwards is
// checkpointed with the next put only. A value that cannot be encoded, or is
// too large for the host.State, is kept in memory alone and that is logged, once
// for each of its types.
type memory struct {
	kept *host.State
	log  *slog.Logger

	mu     sync.Mutex // guards what follows, and keeps live and kept in step
	live   map[place]any
	warned map[string]struct{}
}

// place is where a value lives.
type place struct{ scope, key string }

// counting marks a place in live whose value is a counter of the host.State.
type counting struct{}

func newMemory(kept *host.State, log *slog.Logger) *memory {
	teachGob()
	return &memory{kept: kept, log: log, live: map[place]any{}, warned: map[string]struct{}{}}
}

// teachGob names the types that values are made of and that gob does not know
// by itself. A plugin may have named them otherwise, which gob answers with a
// panic; then its names serve.
func teachGob() {
	for _, v := range []any{
		map[string]any{},
		[]any{},
		[]map[string]any{},
		map[string]string{},
		map[string]int{},
		map[string]int64{},
		map[string]float64{},
		map[string]bool{},
		map[any]any{},
		[][]byte{},
		time.Time{},
	} {
		func() {
			defer func() { _ = recover() }()
			gobName(v)
		}()
	}
}

// put keeps v.
func (m *memory) put(p place, v any) error {
	b, err := encodeState(v) // runs code of the plugin: outside of the lock
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live[p] = v
	m.reset(p)
	if err == nil {
		err = m.kept.Put(p.scope, p.key, b)
	}
	if err != nil {
		m.kept.Delete(p.scope, p.key) // an older value is worse than none
		m.warn(p, v, err)
	}
	return nil
}

// warn requires m.mu.
func (m *memory) warn(p place, v any, err error) {
	what := fmt.Sprintf("%T", v)
	if _, ok := m.warned[what]; ok {
		return
	}
	m.warned[what] = struct{}{}
	m.log.Warn("state is kept in memory only and ends with the process", "key", p.key, "type", what, "reason", err.Error())
}

// reset takes the counter of a place back to 0. It requires m.mu.
func (m *memory) reset(p place) {
	if n := m.kept.Counter(p.scope, p.key); n != 0 {
		_, _ = m.kept.Add(p.scope, p.key, -n) // it is there: its bounds hold
	}
}

// get returns the value, a counter as int, nil when there is none.
func (m *memory) get(p place) (any, error) {
	m.mu.Lock()
	v, ok := m.live[p]
	m.mu.Unlock()
	if ok && v != (counting{}) {
		return v, nil
	}
	if !ok {
		if b, ok := m.kept.Append(nil, p.scope, p.key); ok {
			return m.recall(p, b)
		}
	}
	if n := m.kept.Counter(p.scope, p.key); ok || n != 0 {
		return int(n), nil
	}
	return nil, nil
}

// recall decodes what an earlier module left.
func (m *memory) recall(p place, b []byte) (any, error) {
	v, err := decodeState(b) // runs code of the plugin: outside of the lock
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", p.key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now, ok := m.live[p]; ok && now != (counting{}) { // put meanwhile
		return now, nil
	}
	m.live[p] = v
	return v, nil
}

// remove forgets the value or counter.
func (m *memory) remove(p place) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.live, p)
	m.kept.Delete(p.scope, p.key)
	m.reset(p)
	return nil
}

// add adds to a counter. A value that was put there becomes one if it is an
// integer.
func (m *memory) add(p place, by int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live[p] != (counting{}) {
		if err := m.toCounter(p); err != nil {
			return err
		}
	}
	_, err := m.kept.Add(p.scope, p.key, int64(by))
	return err
}

// toCounter makes a counter of what a place holds. It requires m.mu, and gives
// it up while it decodes what an earlier module left.
func (m *memory) toCounter(p place) error {
	v, ok := m.live[p]
	if !ok {
		m.mu.Unlock()
		_, err := m.get(p)
		m.mu.Lock()
		if err != nil {
			return err
		}
		v = m.live[p]
	}
	if v != nil && v != (counting{}) {
		n, ok := asInt(v)
		if !ok {
			return fmt.Errorf("state[%s] must be an int", p.key)
		}
		m.reset(p)
		if _, err := m.kept.Add(p.scope, p.key, n); err != nil {
			return err
		}
	}
	m.kept.Delete(p.scope, p.key)
	m.live[p] = counting{}
	return nil
}

// counter returns a counter, 0 when there is none.
func (m *memory) counter(p place) (int, error) {
	v, err := m.get(p)
	if v == nil || err != nil {
		return 0, err
	}
	n, ok := asInt(v)
	if !ok {
		return 0, fmt.Errorf("state[%s] is not a number, but %v", p.key, v)
	}
	return int(n), nil
}

// volatile is a host.Store that keeps nothing.
type volatile struct{}

func (volatile) Plugins() iter.Seq2[host.Record, error] {
	return func(func(host.Record, error) bool) {}
}
func (volatile) PutPlugin(host.Record) error { return nil }
func (volatile) DeletePlugin(host.ID) error  { return nil }
func (volatile) State(host.ID) iter.Seq2[host.StateChange, error] {
	return func(func(host.StateChange, error) bool) {}
}
func (volatile) SaveState(host.ID, []host.StateChange) error { return nil }
