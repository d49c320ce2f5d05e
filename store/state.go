package store

import (
	"fmt"
	"iter"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
)

// State yields the values of a plugin's state. It reads them all before it
// yields the first, so the loop may call the store. A value that is damaged
// comes with its key, as far as that is known, and without its bytes. When the
// values are not those last saved, and no single one can be blamed, the last
// thing it yields is an error about them all.
func (s *Store) State(plugin host.ID) iter.Seq2[host.StateChange, error] {
	return func(yield func(host.StateChange, error) bool) {
		type item struct {
			change host.StateChange
			err    error
		}
		var items []item
		err := s.view(func(tx *bbolt.Tx) error {
			id, ok := idKey(plugin)
			if !ok {
				return nil
			}
			t, err := openTree(tx)
			if err != nil {
				return err
			}
			return t.readState(id, func(c host.StateChange, err error) {
				items = append(items, item{c, s.named(err)})
			})
		})
		for _, i := range items {
			if !yield(i.change, i.err) {
				return
			}
		}
		if err != nil {
			yield(host.StateChange{}, err)
		}
	}
}

// readState gives each value to add and then checks them against the tally.
func (t tree) readState(id []byte, add func(host.StateChange, error)) error {
	var got tally
	if b := t.stateOf(id); b != nil {
		path := stateBucket(id)
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			payload, sum, ok := unwrap(path, k, v)
			got.count++
			got.sum += sum
			change := host.StateChange{StateKey: keyState(k)}
			if !ok {
				add(change, damagedState(id, change.StateKey))
				continue
			}
			change.Value = append([]byte{}, payload...) // empty is not nil: nil deletes
			add(change, nil)
		}
	}
	want, err := t.readTally(id)
	if err != nil {
		return err
	}
	if got.count != want.count || got.sum != want.sum {
		return fmt.Errorf("plugin %s: state: values are not those last saved (%d found, %d saved): %w",
			keyID(id), got.count, want.count, host.ErrDamaged)
	}
	return nil
}

func damagedState(id []byte, k host.StateKey) error {
	word := "value"
	if k.Counter {
		word = "counter"
	}
	return fmt.Errorf("plugin %s: state: %s %q of scope %q: %w", keyID(id), word, k.Key, k.Scope, host.ErrDamaged)
}

// SaveState applies the changes in order, all or none. It refuses to build on a
// value or a tally that is damaged; DeletePlugin clears it. An ID that cannot
// name a plugin and a key longer than 32 KiB with its scope are
// host.ErrInvalid.
func (s *Store) SaveState(plugin host.ID, changes []host.StateChange) error {
	id, err := mustKey(plugin)
	if err != nil {
		return s.named(err)
	}
	if len(changes) == 0 {
		return s.usable()
	}
	return s.update(func(tx *bbolt.Tx) error {
		t, err := openTree(tx)
		if err != nil {
			return err
		}
		return t.saveState(id, changes)
	})
}

func (t tree) saveState(id []byte, changes []host.StateChange) error {
	y, err := t.readTally(id)
	if err != nil {
		return err
	}
	if (t.stateOf(id) == nil) != (y.count == 0) {
		return fmt.Errorf("plugin %s: state: not what was last saved: %w", keyID(id), host.ErrDamaged)
	}
	b, err := t.state.CreateBucketIfNotExists(id)
	if err != nil {
		return err
	}
	path := stateBucket(id)
	for _, c := range changes {
		key, err := stateKey(c.StateKey)
		if err != nil {
			return fmt.Errorf("plugin %s: %w", keyID(id), err)
		}
		if err := saveOne(b, path, key, c.Value, &y); err != nil {
			return fmt.Errorf("plugin %s: state key %q: %w", keyID(id), c.Key, err)
		}
	}
	if y.count == 0 {
		if err := t.state.DeleteBucket(id); err != nil {
			return err
		}
	}
	return t.writeTally(id, y)
}

// saveOne writes or deletes one value and keeps the tally true.
func saveOne(b *bbolt.Bucket, path string, key, value []byte, y *tally) error {
	if old := b.Get(key); old != nil {
		_, sum, ok := unwrap(path, key, old)
		if !ok {
			return host.ErrDamaged
		}
		y.count--
		y.sum -= sum
	}
	if value == nil {
		return b.Delete(key)
	}
	v, sum := wrap(path, key, value)
	y.count++
	y.sum += sum
	return b.Put(key, v)
}
