package hosttest

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/vanth-io/vanth/host"
)

// MemStore is a host.Store in memory: it survives as long as the value does.
// The zero value is empty and ready, and all methods may be called from many
// goroutines. It passes the suite [Store].
type MemStore struct {
	// Fail, if set, is asked before each operation, by the name of the method
	// ("PutPlugin", ...); its error is the operation's, which then changes
	// nothing. Set it before the store is used.
	Fail func(op string) error

	mu      sync.Mutex // guards what follows
	records map[host.ID]host.Record
	state   map[host.ID]map[host.StateKey][]byte
	damaged map[any]bool // by host.ID for records, by damagedKey for values, by documentKey

	documents map[string]map[string][]byte // by kind and name
}

var (
	_ host.Store = (*MemStore)(nil)
	_ Damager    = (*MemStore)(nil)
)

type damagedKey struct {
	id  host.ID
	key host.StateKey
}

func (m *MemStore) fail(op string) error {
	if m.Fail == nil {
		return nil
	}
	return m.Fail(op)
}

// Plugins yields the records in the order of their IDs, class first.
func (m *MemStore) Plugins() iter.Seq2[host.Record, error] {
	return func(yield func(host.Record, error) bool) {
		if err := m.fail("Plugins"); err != nil {
			yield(host.Record{}, err)
			return
		}
		m.mu.Lock()
		records := slices.SortedFunc(maps.Values(m.records), func(a, b host.Record) int {
			return cmp.Or(cmp.Compare(a.ID.Class, b.ID.Class), cmp.Compare(a.ID.Name, b.ID.Name))
		})
		errs := make([]error, len(records))
		for i, r := range records {
			records[i] = cloneRecord(r)
			if m.damaged[r.ID] {
				records[i], errs[i] = host.Record{ID: r.ID}, fmt.Errorf("plugin %s: record: %w", r.ID, host.ErrDamaged)
			}
		}
		m.mu.Unlock()
		for i := range records {
			if !yield(records[i], errs[i]) {
				return
			}
		}
	}
}

// PutPlugin replaces the record of r.ID.
func (m *MemStore) PutPlugin(r host.Record) error {
	if err := m.fail("PutPlugin"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = map[host.ID]host.Record{}
	}
	m.records[r.ID] = cloneRecord(r)
	delete(m.damaged, r.ID)
	return nil
}

// DeletePlugin removes the record and the state of id.
func (m *MemStore) DeletePlugin(id host.ID) error {
	if err := m.fail("DeletePlugin"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, id)
	delete(m.damaged, id)
	for k := range m.state[id] {
		delete(m.damaged, damagedKey{id, k})
	}
	delete(m.state, id)
	return nil
}

// State yields the values of a plugin's state, in no order.
func (m *MemStore) State(id host.ID) iter.Seq2[host.StateChange, error] {
	return func(yield func(host.StateChange, error) bool) {
		if err := m.fail("State"); err != nil {
			yield(host.StateChange{}, err)
			return
		}
		m.mu.Lock()
		var changes []host.StateChange
		var errs []error
		for k, v := range m.state[id] {
			c, err := host.StateChange{StateKey: k, Value: append([]byte{}, v...)}, error(nil)
			if m.damaged[damagedKey{id, k}] {
				c.Value, err = nil, fmt.Errorf("plugin %s: state: %q of scope %q: %w", id, k.Key, k.Scope, host.ErrDamaged)
			}
			changes, errs = append(changes, c), append(errs, err)
		}
		m.mu.Unlock()
		for i := range changes {
			if !yield(changes[i], errs[i]) {
				return
			}
		}
	}
}

// SaveState applies the changes in order.
func (m *MemStore) SaveState(id host.ID, changes []host.StateChange) error {
	if err := m.fail("SaveState"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == nil {
		m.state = map[host.ID]map[host.StateKey][]byte{}
	}
	if m.state[id] == nil {
		m.state[id] = map[host.StateKey][]byte{}
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(m.state[id], c.StateKey)
		} else {
			m.state[id][c.StateKey] = bytes.Clone(c.Value)
		}
		delete(m.damaged, damagedKey{id, c.StateKey})
	}
	return nil
}

// DamagePlugin makes the record of id unreadable until it is put or deleted.
func (m *MemStore) DamagePlugin(id host.ID) error { return m.damage(id) }

// DamageState makes a value unreadable until it is saved or deleted.
func (m *MemStore) DamageState(id host.ID, k host.StateKey) error { return m.damage(damagedKey{id, k}) }

func (m *MemStore) damage(what any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.damaged == nil {
		m.damaged = map[any]bool{}
	}
	m.damaged[what] = true
	return nil
}

func cloneRecord(r host.Record) host.Record {
	r.ShellParas, r.Functions = slices.Clone(r.ShellParas), slices.Clone(r.Functions)
	return r
}
