package store

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
)

// entry is one result of Plugins.
type entry struct {
	record host.Record
	err    error
}

// Plugins yields the records in the order of their IDs, class first. It reads
// them all before it yields the first, so the loop may call the store. A file
// that cannot be read yields one error.
func (s *Store) Plugins() iter.Seq2[host.Record, error] {
	return func(yield func(host.Record, error) bool) {
		var entries []entry
		err := s.view(func(tx *bbolt.Tx) error {
			t, err := openTree(tx)
			if err != nil {
				return err
			}
			for _, id := range t.ids() {
				r, err := t.readRecord(id)
				entries = append(entries, entry{r, s.named(err)})
			}
			return nil
		})
		if err != nil {
			yield(host.Record{}, err)
			return
		}
		for _, e := range entries {
			if !yield(e.record, e.err) {
				return
			}
		}
	}
}

func (t tree) readRecord(id []byte) (host.Record, error) {
	known := host.Record{ID: keyID(id)}
	damaged := func(what string) (host.Record, error) {
		return known, fmt.Errorf("plugin %s: %s: %w", known.ID, what, host.ErrDamaged)
	}
	payload, sum, ok := unwrap(bucketPlugins, id, t.plugins.Get(id))
	y, err := t.readTally(id)
	switch {
	case t.plugins.Get(id) == nil:
		return damaged("record is missing")
	case !ok:
		return damaged("record does not match its checksum")
	case err != nil:
		return known, err
	case sum != y.record:
		return damaged("record is not the one last stored")
	}
	var r host.Record
	if err := json.Unmarshal(payload, &r); err != nil || r.ID != known.ID {
		return damaged("record is not readable")
	}
	return r, nil
}

// PutPlugin stores the record of r.ID in place of the one it has. An ID that
// cannot name a plugin is host.ErrInvalid.
func (s *Store) PutPlugin(r host.Record) error {
	id, err := mustKey(r.ID)
	if err != nil {
		return s.named(err)
	}
	payload, err := json.Marshal(r)
	if err != nil {
		return s.named(fmt.Errorf("plugin %s: %w", r.ID, err))
	}
	return s.update(func(tx *bbolt.Tx) error {
		t, err := openTree(tx)
		if err != nil {
			return err
		}
		y, err := t.readTally(id)
		if err != nil {
			return err
		}
		value, sum := wrap(bucketPlugins, id, payload)
		y.record = sum
		if err := t.plugins.Put(id, value); err != nil {
			return err
		}
		return t.writeTally(id, y)
	})
}

// DeletePlugin removes the record and the state of id. It also removes what is
// damaged of them: it is the way out of ErrDamaged.
func (s *Store) DeletePlugin(plugin host.ID) error {
	id, ok := idKey(plugin)
	if !ok {
		return s.usable()
	}
	return s.update(func(tx *bbolt.Tx) error {
		t, err := openTree(tx)
		if err != nil {
			return err
		}
		if err := t.plugins.Delete(id); err != nil {
			return err
		}
		if t.stateOf(id) != nil {
			if err := t.state.DeleteBucket(id); err != nil {
				return err
			}
		}
		return t.tallies.Delete(id)
	})
}
