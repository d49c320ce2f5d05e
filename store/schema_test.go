package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
)

func withSteps(steps []migration) Option { return func(o *options) { o.steps = steps } }

func TestMigrationsAreInOrder(t *testing.T) {
	for i, m := range migrations() {
		if m.version != uint32(i+1) {
			t.Errorf("migration %d has version %d", i, m.version)
		}
	}
}

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vanth.db")
	s := mustOpen(t, path)
	if err := errors.Join(s.PutPlugin(sample("a", 1)), s.Close()); err != nil {
		t.Fatal(err)
	}
	var applied []uint32
	step := func(v uint32, err error) migration {
		return migration{v, func(tx *bbolt.Tx) error {
			applied = append(applied, v)
			if b, e := tx.CreateBucket(fmt.Appendf(nil, "new%d", v)); e != nil {
				return errors.Join(err, e, b.Put([]byte("k"), nil))
			}
			return err
		}}
	}
	// A step that fails takes the ones before it back.
	failure := errors.New("step failed")
	_, err := Open(path, withSteps(append(migrations(), step(3, nil), step(4, failure))))
	if !errors.Is(err, failure) {
		t.Fatalf("Open: %v", err)
	}
	applied = nil
	steps := append(migrations(), step(3, nil), step(4, nil))
	for range 2 { // once, whatever happens afterwards
		s := mustOpen(t, path, withSteps(steps))
		if text, errs := dump(s); errs != nil || text != fmt.Sprintf("%+v\n", sample("a", 1)) {
			t.Errorf("%q, %v", text, errs)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(applied, []uint32{3, 4}) {
		t.Errorf("applied %v, want 3 and 4, once", applied)
	}
	// The host of before does not touch what it cannot know.
	_, err = Open(path)
	if !errors.Is(err, host.ErrUnsupported) || errors.Is(err, host.ErrDamaged) {
		t.Errorf("a newer file: %v", err)
	}
}

// TestFormat1 reads a file that was laid out by hand: what format 1 means does
// not change. The checksums were worked out by another program.
func TestFormat1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vanth.db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := "wasm\x00geo"
	record := `{"id":{"class":"wasm","name":"geo"},"bundle":"geo-1","sha256":"00","installed":"2026-01-02T03:04:05Z"}`
	err = db.Update(func(tx *bbolt.Tx) error {
		put := func(path []string, key, payload string, sum uint64) error {
			b, err := tx.CreateBucketIfNotExists([]byte(path[0]))
			for _, name := range path[1:] {
				if err == nil {
					b, err = b.CreateBucketIfNotExists([]byte(name))
				}
			}
			if err != nil {
				return err
			}
			return b.Put([]byte(key), append(binary.BigEndian.AppendUint64(nil, sum), payload...))
		}
		var recordSum, valueSum, counterSum uint64 = 0xdee619cf4b960845, 0xd77c11a5e86f2e7f, 0x9f9b251aad4016fd
		tally := binary.BigEndian.AppendUint64(nil, recordSum)
		tally = binary.BigEndian.AppendUint64(tally, 2)
		tally = binary.BigEndian.AppendUint64(tally, valueSum+counterSum)
		return errors.Join(
			put([]string{"meta"}, "format", "\x00\x00\x00\x01", 0xb534e90f0f8e2d54),
			put([]string{"plugins"}, id, record, recordSum),
			put([]string{"state", id}, "v\x03r\x00ohi", "value", valueSum),
			put([]string{"state", id}, "c\x00n", "\x05\x00\x00\x00\x00\x00\x00\x00", counterSum),
			put([]string{"tallies"}, id, string(tally), 0x7e90f6acb0f982e1))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, path)
	text, errs := dump(s, wasmID("geo"))
	want := fmt.Sprintf("%+v\n%s %+v %s\n%s %+v %s\n",
		host.Record{ID: wasmID("geo"), Bundle: "geo-1", SHA256: "00", Installed: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		wasmID("geo"), host.StateKey{Key: "n", Counter: true}, "\x05\x00\x00\x00\x00\x00\x00\x00",
		wasmID("geo"), host.StateKey{Scope: "r\x00o", Key: "hi"}, "value")
	if errs != nil || text != want {
		t.Errorf("got\n%s%v\nwant\n%s", text, errs, want)
	}
}
