package store

import (
	"encoding/binary"
	"fmt"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
)

// tally says what must be in the file for one plugin. A checksum in an envelope
// cannot miss its own absence, nor tell an old version of a record from the
// current one; the tally, which is stored on other pages than what it counts,
// can.
type tally struct {
	record uint64 // checksum of the plugin's record, 0 when it has none
	count  uint64 // how many values its state has
	sum    uint64 // of the checksums of these values
}

// readTally returns the tally of an ID, the zero tally when there is none.
func (t tree) readTally(id []byte) (tally, error) {
	value := t.tallies.Get(id)
	if value == nil {
		return tally{}, nil
	}
	p, _, ok := unwrap(bucketTallies, id, value)
	if !ok || len(p) != 24 {
		return tally{}, fmt.Errorf("plugin %s: tally: %w", keyID(id), host.ErrDamaged)
	}
	return tally{binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:]), binary.BigEndian.Uint64(p[16:])}, nil
}

func (t tree) writeTally(id []byte, y tally) error {
	if y == (tally{}) {
		return t.tallies.Delete(id)
	}
	p := make([]byte, 0, 24)
	p = binary.BigEndian.AppendUint64(p, y.record)
	p = binary.BigEndian.AppendUint64(p, y.count)
	p = binary.BigEndian.AppendUint64(p, y.sum)
	value, _ := wrap(bucketTallies, id, p)
	return t.tallies.Put(id, value)
}

// ids lists the IDs that have a record or a tally that counts one, or a tally
// that cannot be read, in order.
func (t tree) ids() [][]byte {
	var ids [][]byte
	records, tallies := t.plugins.Cursor(), t.tallies.Cursor()
	r, _ := records.First()
	y, v := tallies.First()
	for r != nil || y != nil {
		switch c := compareKeys(r, y); {
		case c < 0:
			ids = append(ids, r)
			r, _ = records.Next()
		case c > 0:
			// A plugin that was dropped in has state and no record.
			if y1, err := t.readTally(y); err != nil || y1.record != 0 || v == nil {
				ids = append(ids, y)
			}
			y, v = tallies.Next()
		default:
			ids = append(ids, r)
			r, _ = records.Next()
			y, v = tallies.Next()
		}
	}
	return ids
}

// compareKeys orders keys as bbolt does, nil after all others.
func compareKeys(a, b []byte) int {
	switch {
	case a == nil:
		return 1
	case b == nil:
		return -1
	case string(a) < string(b):
		return -1
	case string(a) > string(b):
		return 1
	}
	return 0
}

// stateOf returns the bucket of a plugin's state, nil when it has none.
func (t tree) stateOf(id []byte) *bbolt.Bucket { return t.state.Bucket(id) }
