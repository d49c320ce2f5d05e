package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

// childEnv makes the test binary a child of a test: its value is what to do.
const childEnv = "VANTH_STORE_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "write":
		childWrite(os.Args[len(os.Args)-1])
	case "full":
		childFull(os.Args[len(os.Args)-1])
	default:
		goleak.VerifyTestMain(m)
	}
}

func mustOpen(t testing.TB, path string, opts ...Option) *Store {
	t.Helper()
	s, err := Open(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// damageable is a Store that can flip a bit of what it keeps.
type damageable struct{ *Store }

func (d damageable) DamagePlugin(id host.ID) error {
	key, _ := idKey(id)
	return d.flip(key, func(tx *bbolt.Tx) *bbolt.Bucket { return tx.Bucket([]byte(bucketPlugins)) })
}

func (d damageable) DamageState(id host.ID, k host.StateKey) error {
	plugin, _ := idKey(id)
	key, err := stateKey(k)
	if err != nil {
		return err
	}
	return d.flip(key, func(tx *bbolt.Tx) *bbolt.Bucket { return tx.Bucket([]byte(bucketState)).Bucket(plugin) })
}

func (d damageable) DamageDocument(kind, name string) error {
	return d.flip([]byte(name), func(tx *bbolt.Tx) *bbolt.Bucket { return tx.Bucket([]byte(bucketDocuments)).Bucket([]byte(kind)) })
}

func (d damageable) flip(key []byte, of func(*bbolt.Tx) *bbolt.Bucket) error {
	return d.db.Update(func(tx *bbolt.Tx) error {
		b := of(tx)
		v := bytes.Clone(b.Get(key))
		v[len(v)-1] ^= 0x10
		return b.Put(key, v)
	})
}

func TestSuite(t *testing.T) {
	hosttest.Store(t, func(t *testing.T, dir string) (host.Store, func()) {
		s, err := Open(filepath.Join(dir, "home", "vanth.db"))
		if err != nil {
			t.Fatal(err)
		}
		return damageable{s}, func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func wasmID(name string) host.ID { return host.ID{Class: host.ClassWASM, Name: name} }

func sample(name string, n int) host.Record {
	return host.Record{
		ID: wasmID(name), Bundle: fmt.Sprintf("%s-%d", name, n), SHA256: fmt.Sprintf("%064x", n),
		Functions: []string{"f"}, Installed: time.Unix(int64(n), 0).UTC(),
	}
}

func value(key string, v []byte) host.StateChange {
	return host.StateChange{StateKey: host.StateKey{Scope: "rule\x00op", Key: key}, Value: v}
}

// dump renders all that a store holds; errs are the errors it yields.
func dump(s host.Store, ids ...host.ID) (text string, errs []error) {
	var b bytes.Buffer
	for r, err := range s.Plugins() {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(&b, "%+v\n", r)
	}
	for _, id := range ids {
		for c, err := range s.State(id) {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			fmt.Fprintf(&b, "%s %+v ", id, c.StateKey)
			b.Write(c.Value) // printed, it would take most of the tests' time
			b.WriteByte('\n')
		}
	}
	return b.String(), errs
}
