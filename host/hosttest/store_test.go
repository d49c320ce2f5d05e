package hosttest

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

func TestMemStore(t *testing.T) {
	stores := map[string]*MemStore{}
	Store(t, func(t *testing.T, dir string) (host.Store, func()) {
		if stores[dir] == nil {
			stores[dir] = new(MemStore)
		}
		return stores[dir], func() {}
	})
}

func TestMemStoreFail(t *testing.T) {
	full := errors.New("disk full")
	m := &MemStore{}
	id := wasmID("geo")
	if err := do(m.PutPlugin(testRecord(id)), m.SaveState(id, []host.StateChange{change("", "a", []byte("1"))})); err != nil {
		t.Fatal(err)
	}
	var ops []string
	m.Fail = func(op string) error { ops = append(ops, op); return full }
	errs := []error{m.PutPlugin(host.Record{ID: wasmID("x")}), m.DeletePlugin(id), m.SaveState(id, []host.StateChange{change("", "a", nil)})}
	for _, err := range m.Plugins() {
		errs = append(errs, err)
	}
	for _, err := range m.State(id) {
		errs = append(errs, err)
	}
	for i, err := range errs {
		if !errors.Is(err, full) {
			t.Errorf("%s: %v", ops[i], err)
		}
	}
	if want := []string{"PutPlugin", "DeletePlugin", "SaveState", "Plugins", "State"}; !slices.Equal(ops, want) {
		t.Errorf("operations %q, want %q", ops, want)
	}
	m.Fail = nil
	if err := do(wantPlugins(m, testRecord(id)), wantState(m, id, change("", "a", []byte("1")))); err != nil {
		t.Errorf("a failed operation changed something: %v", err)
	}
}

// broken is a store with one fault: the method that is set replaces the right
// one.
type broken struct {
	*MemStore
	plugins func(*MemStore) iter.Seq2[host.Record, error]
	put     func(*MemStore, host.Record) error
	delete  func(*MemStore, host.ID) error
	state   func(*MemStore, host.ID) iter.Seq2[host.StateChange, error]
	save    func(*MemStore, host.ID, []host.StateChange) error

	documents   func(*MemStore, string) iter.Seq2[host.Document, error]
	putDocument func(*MemStore, host.Document) error
}

func (b broken) Documents(kind string) iter.Seq2[host.Document, error] {
	if b.documents != nil {
		return b.documents(b.MemStore, kind)
	}
	return b.MemStore.Documents(kind)
}

func (b broken) PutDocument(d host.Document) error {
	if b.putDocument != nil {
		return b.putDocument(b.MemStore, d)
	}
	return b.MemStore.PutDocument(d)
}

func (b broken) Plugins() iter.Seq2[host.Record, error] {
	if b.plugins != nil {
		return b.plugins(b.MemStore)
	}
	return b.MemStore.Plugins()
}

func (b broken) PutPlugin(r host.Record) error {
	if b.put != nil {
		return b.put(b.MemStore, r)
	}
	return b.MemStore.PutPlugin(r)
}

func (b broken) DeletePlugin(id host.ID) error {
	if b.delete != nil {
		return b.delete(b.MemStore, id)
	}
	return b.MemStore.DeletePlugin(id)
}

func (b broken) State(id host.ID) iter.Seq2[host.StateChange, error] {
	if b.state != nil {
		return b.state(b.MemStore, id)
	}
	return b.MemStore.State(id)
}

func (b broken) SaveState(id host.ID, c []host.StateChange) error {
	if b.save != nil {
		return b.save(b.MemStore, id, c)
	}
	return b.MemStore.SaveState(id, c)
}

// eachChange makes a save that changes what is saved.
func eachChange(f func(host.StateChange) host.StateChange) func(*MemStore, host.ID, []host.StateChange) error {
	return func(m *MemStore, id host.ID, changes []host.StateChange) error {
		changes = slices.Clone(changes)
		for i := range changes {
			changes[i] = f(changes[i])
		}
		return m.SaveState(id, changes)
	}
}

// TestStoreSuiteCatches shows for each check of the suite a store that it, by
// name, catches.
func TestStoreSuiteCatches(t *testing.T) {
	forgets := func() func() broken { // loses everything at each opening
		return func() broken { return broken{MemStore: new(MemStore)} }
	}
	same := func(b broken) func() func() broken {
		return func() func() broken {
			b.MemStore = new(MemStore)
			return func() broken { return b }
		}
	}
	cases := []struct {
		name   string
		open   func() func() broken
		caught []string // prefixes of the checks that must fail
	}{
		{"forgets", forgets, []string{"1 a put", "1 saved", "3 records", "6 nil", "6 keys"}},
		{"deletion is not durable", func() func() broken {
			kept, deleted := new(MemStore), false
			return func() broken {
				if deleted {
					return broken{MemStore: kept}
				}
				return broken{MemStore: kept, delete: func(*MemStore, host.ID) error { deleted = true; return nil }}
			}
		}, []string{"1 a deletion"}},
		{"documents come the last first", same(broken{documents: func(m *MemStore, kind string) iter.Seq2[host.Document, error] {
			return func(yield func(host.Document, error) bool) {
				list, _ := documents(m, kind)
				for _, d := range slices.Backward(list) {
					if !yield(d, nil) {
						return
					}
				}
			}
		}}), []string{"9 documents"}},
		{"a document stays as it was", same(broken{putDocument: func(m *MemStore, d host.Document) error {
			if list, _ := documents(m, d.Kind); slices.ContainsFunc(list, func(o host.Document) bool { return o.Name == d.Name }) {
				return nil
			}
			return m.PutDocument(d)
		}}), []string{"9 a put"}},
		{"a damaged document ends the list", same(broken{documents: func(m *MemStore, kind string) iter.Seq2[host.Document, error] {
			return func(yield func(host.Document, error) bool) {
				for d, err := range m.Documents(kind) {
					if !yield(d, err) || err != nil {
						return
					}
				}
			}
		}}), []string{"9 a damaged"}},
		{"half a save is seen", same(broken{save: func(m *MemStore, id host.ID, c []host.StateChange) error {
			for i := range c {
				if err := m.SaveState(id, c[i:i+1]); err != nil {
					return err
				}
				time.Sleep(time.Millisecond) // so that the reader looks
			}
			return nil
		}}), []string{"2 a save"}},
		{"unordered", same(broken{plugins: func(m *MemStore) iter.Seq2[host.Record, error] {
			return func(yield func(host.Record, error) bool) {
				var all []host.Record
				for r := range m.Plugins() {
					all = append(all, r)
				}
				for _, r := range slices.Backward(all) {
					if !yield(r, nil) {
						return
					}
				}
			}
		}}), []string{"3 records", "3 a damaged", "7 the loop"}},
		{"stops at damage", same(broken{
			plugins: func(m *MemStore) iter.Seq2[host.Record, error] {
				return func(yield func(host.Record, error) bool) {
					for r, err := range m.Plugins() {
						if !yield(r, err) || err != nil {
							return
						}
					}
				}
			},
			state: func(m *MemStore, id host.ID) iter.Seq2[host.StateChange, error] {
				return func(yield func(host.StateChange, error) bool) {
					for c, err := range m.State(id) {
						if err == nil && !yield(c, err) {
							return
						}
					}
				}
			},
		}), []string{"3 a damaged", "5 a damaged"}},
		{"put keeps the first", same(broken{put: func(m *MemStore, r host.Record) error {
			for old := range m.Plugins() {
				if old.ID == r.ID {
					return nil
				}
			}
			return m.PutPlugin(r)
		}}), []string{"4 a put"}},
		{"deletion keeps the state", same(broken{delete: func(m *MemStore, id host.ID) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			delete(m.records, id)
			return nil
		}}), []string{"1 a deletion", "4 a deletion"}},
		{"deleting nothing fails", same(broken{delete: func(m *MemStore, id host.ID) error {
			m.mu.Lock()
			_, ok := m.records[id]
			m.mu.Unlock()
			if !ok {
				return host.ErrNotFound
			}
			return m.DeletePlugin(id)
		}}), []string{"4 deleting"}},
		{"state by name alone", same(broken{
			save: func(m *MemStore, id host.ID, c []host.StateChange) error { return m.SaveState(wasmID(id.Name), c) },
			state: func(m *MemStore, id host.ID) iter.Seq2[host.StateChange, error] {
				return m.State(wasmID(id.Name))
			},
		}), []string{"5 state"}},
		{"backwards", same(broken{save: func(m *MemStore, id host.ID, c []host.StateChange) error {
			c = slices.Clone(c)
			slices.Reverse(c)
			return m.SaveState(id, c)
		}}), []string{"6 changes"}},
		{"empty deletes", same(broken{save: eachChange(func(c host.StateChange) host.StateChange {
			if len(c.Value) == 0 {
				c.Value = nil
			}
			return c
		})}), []string{"6 nil"}},
		{"nil is empty", same(broken{save: eachChange(func(c host.StateChange) host.StateChange {
			c.Value = append([]byte{}, c.Value...)
			return c
		})}), []string{"6 nil", "6 changes"}},
		{"scope and key run together", same(broken{save: eachChange(func(c host.StateChange) host.StateChange {
			c.Scope, c.Key = "", c.Scope+c.Key
			return c
		})}), []string{"6 keys"}},
		{"counters among the values", same(broken{save: eachChange(func(c host.StateChange) host.StateChange {
			c.Counter = false
			return c
		})}), []string{"6 keys"}},
		{"keeps the caller's buffers", same(broken{save: func(m *MemStore, id host.ID, c []host.StateChange) error {
			if err := m.SaveState(id, c); err != nil {
				return err
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, c := range c {
				if c.Value != nil {
					m.state[id][c.StateKey] = c.Value
				}
			}
			return nil
		}}), []string{"6 the caller"}},
		{"loses one of many", same(broken{put: func(m *MemStore, r host.Record) error {
			if r.ID.Name == "w3" {
				return nil
			}
			return m.PutPlugin(r)
		}}), []string{"7 many"}},
	}
	caught := map[string]bool{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, check := range storeChecks() {
				want := slices.ContainsFunc(c.caught, func(p string) bool { return strings.HasPrefix(check.name, p) })
				if !want {
					continue
				}
				open := c.open()
				if check.check(func() (host.Store, func()) { return open(), func() {} }) == nil {
					t.Errorf("check %q passes", check.name)
				}
				caught[check.name] = true
			}
		})
	}
	for _, check := range storeChecks() {
		if !caught[check.name] {
			t.Errorf("check %q is shown to catch nothing", check.name)
		}
	}
}
