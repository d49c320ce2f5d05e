package store

import (
	"encoding/binary"
	"fmt"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
)

// The tree of the file, format 2; format 1 had no documents:
//
//	meta
//	  format     4 bytes big endian: the version of this tree
//	plugins
//	  <id>       host.Record as JSON
//	state
//	  <id>       a bucket, only while the plugin has state
//	    <key>    the value's bytes
//	tallies
//	  <id>       24 bytes: see tally
//	documents
//	  <kind>     a bucket
//	    <name>   the document's bytes
//
// <id> is class NUL name, which sorts by class and then by name. <key> is 'v'
// for a value or 'c' for a counter, the length of the scope as a uvarint, the
// scope, the key. Every value of the file, of whatever bucket, is an envelope:
// 8 bytes of checksum and then what stands above; see wrap.
const (
	bucketMeta    = "meta"
	bucketPlugins = "plugins"
	bucketState   = "state"
	bucketTallies = "tallies"

	bucketDocuments = "documents"

	keyFormat = "format"
)

// migration brings a file from the version before to version.
type migration struct {
	version uint32
	apply   func(*bbolt.Tx) error
}

// migrations lists every step from an empty file to today's tree, in order. A
// step that has been released is never edited: the next one corrects it.
func migrations() []migration {
	return []migration{
		{1, createTree},
		{2, createDocuments},
	}
}

func createTree(tx *bbolt.Tx) error {
	for _, name := range []string{bucketMeta, bucketPlugins, bucketState, bucketTallies} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return fmt.Errorf("bucket %s: %w", name, err)
		}
	}
	return nil
}

func createDocuments(tx *bbolt.Tx) error {
	_, err := tx.CreateBucket([]byte(bucketDocuments))
	return err
}

// migrate applies what is newer than the file's version, in the caller's
// transaction, so that all steps happen or none.
func migrate(tx *bbolt.Tx, steps []migration, fresh bool) error {
	var have uint32
	if !fresh {
		var err error
		if have, err = readFormat(tx); err != nil {
			return err
		}
	}
	newest := steps[len(steps)-1].version
	if have > newest {
		return fmt.Errorf("format %d is newer than the %d this host knows: use a newer host: %w",
			have, newest, host.ErrUnsupported)
	}
	for _, m := range steps {
		if m.version <= have {
			continue
		}
		if err := m.apply(tx); err != nil {
			return fmt.Errorf("migration to format %d: %w", m.version, err)
		}
	}
	value, _ := wrap(bucketMeta, []byte(keyFormat), binary.BigEndian.AppendUint32(nil, newest))
	return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyFormat), value)
}

func readFormat(tx *bbolt.Tx) (uint32, error) {
	b := tx.Bucket([]byte(bucketMeta))
	if b == nil {
		return 0, fmt.Errorf("bucket %s is missing: %w", bucketMeta, host.ErrDamaged)
	}
	payload, _, ok := unwrap(bucketMeta, []byte(keyFormat), b.Get([]byte(keyFormat)))
	if !ok || len(payload) != 4 {
		return 0, fmt.Errorf("format version: %w", host.ErrDamaged)
	}
	return binary.BigEndian.Uint32(payload), nil
}

// tree holds the buckets of one transaction.
type tree struct {
	plugins, state, tallies, documents *bbolt.Bucket
}

// openTree finds the buckets; one that is missing is damage, since Open has
// seen them all created.
func openTree(tx *bbolt.Tx) (tree, error) {
	t := tree{
		plugins: tx.Bucket([]byte(bucketPlugins)),
		state:   tx.Bucket([]byte(bucketState)),
		tallies: tx.Bucket([]byte(bucketTallies)),

		documents: tx.Bucket([]byte(bucketDocuments)),
	}
	if t.plugins == nil || t.state == nil || t.tallies == nil || t.documents == nil {
		return t, fmt.Errorf("a bucket is missing: %w", host.ErrDamaged)
	}
	return t, nil
}
