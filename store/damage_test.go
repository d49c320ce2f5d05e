package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
	"go.etcd.io/bbolt"
)

// image makes a store with what a host keeps and returns its file and what it
// holds. Records were replaced and deleted, so the file has old versions in
// it. big gives it branch pages and overflow pages.
func image(t *testing.T, big bool) (file []byte, ids []host.ID, want string) {
	path := filepath.Join(t.TempDir(), "vanth.db")
	s := mustOpen(t, path)
	plugins, values := 2, 3
	if big {
		plugins, values = 30, 40
	}
	for round := range 3 {
		for i := range plugins {
			id := wasmID(fmt.Sprint("p", i))
			var changes []host.StateChange
			for j := range values / (1 + i) {
				v := bytes.Repeat([]byte{byte(round), byte(j)}, 10+60*j)
				if j == 30 {
					v = bytes.Repeat(v, 4) // more than a page
				}
				changes = append(changes, value(fmt.Sprint("k", j), v))
			}
			if err := errors.Join(s.PutPlugin(sample(id.Name, round)), s.SaveState(id, changes)); err != nil {
				t.Fatal(err)
			}
			if round == 0 {
				ids = append(ids, id)
			}
		}
		if err := errors.Join(s.PutPlugin(sample("gone", round)), s.DeletePlugin(wasmID("gone"))); err != nil {
			t.Fatal(err)
		}
	}
	want, errs := dump(s, ids...)
	if errs != nil {
		t.Fatal(errs)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, ids, want
}

// verdict opens the file and reads all of it. It reports whether the damage was
// noticed, and fails when it was not and something else came out.
func verdict(t *testing.T, path string, ids []host.ID, want, what string) (noticed bool) {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		if !errors.Is(err, host.ErrDamaged) && !errors.Is(err, host.ErrUnsupported) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Open: %v: want ErrDamaged and the file's name", what, err)
		}
		return true
	}
	got, errs := dump(s, ids...)
	for _, err := range errs {
		if !errors.Is(err, host.ErrDamaged) {
			t.Errorf("%s: %v: want ErrDamaged", what, err)
		}
	}
	if len(errs) == 0 && got != want {
		t.Errorf("%s: other data and no error:\n%s", what, got)
	}
	if err := s.Close(); err != nil {
		t.Errorf("%s: Close: %v", what, err)
	}
	return len(errs) > 0
}

// flips damages the bytes at the offsets, one at a time.
func flips(t *testing.T, file []byte, ids []host.ID, want string, offsets []int) (noticed int) {
	path := filepath.Join(t.TempDir(), "vanth.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	write := func(at int, b byte) {
		if _, err := f.WriteAt([]byte{b}, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range offsets {
		mask := byte(1 + rng.IntN(255))
		if rng.IntN(2) == 0 {
			mask = 1 << rng.IntN(8)
		}
		write(at, file[at]^mask)
		if verdict(t, path, ids, want, fmt.Sprintf("byte %d ^ %#x", at, mask)) {
			noticed++
		}
		write(at, file[at])
		if t.Failed() {
			break
		}
	}
	// Reading writes nothing.
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, file) {
		t.Errorf("the file changed (%v)", err)
	}
	return noticed
}

func TestEveryByte(t *testing.T) {
	t.Parallel()
	file, ids, want := image(t, false)
	v := &verifier{r: bytes.NewReader(file)}
	m, err := v.readMeta(int64(len(file)))
	v.used = make([]bool, m.pages)
	if err := errors.Join(err, v.tree(m.root, nil, nil, 0)); err != nil {
		t.Fatal(err)
	}
	var offsets []int
	for i := range file {
		page := uint64(i) / v.pageSize
		inUse := page < 2 && uint64(i)%v.pageSize < 128 || page == m.freelist || page < m.pages && v.used[page]
		if inUse || i%32 == 0 { // a sample is enough of what nobody reads
			offsets = append(offsets, i)
		}
	}
	noticed := flips(t, file, ids, want, offsets)
	t.Logf("%d bytes flipped, %d noticed, the others unused or made good", len(offsets), noticed)
	if noticed < 500 {
		t.Errorf("only %d flips were noticed: the test looks at nothing", noticed)
	}
}

func TestBytesOfBigFile(t *testing.T) {
	t.Parallel()
	file, ids, want := image(t, true)
	rng := rand.New(rand.NewPCG(3, 4))
	var offsets []int
	for page := 0; page < len(file); page += os.Getpagesize() {
		for range 6 { // where the references and the sizes are
			offsets = append(offsets, page+rng.IntN(96))
		}
		offsets = append(offsets, page+rng.IntN(os.Getpagesize()))
	}
	rng.Shuffle(len(offsets), func(i, j int) { offsets[i], offsets[j] = offsets[j], offsets[i] })
	offsets = offsets[:min(len(offsets), 400)]
	noticed := flips(t, file, ids, want, offsets)
	t.Logf("file of %d bytes: %d flipped, %d noticed", len(file), len(offsets), noticed)
	if noticed < len(offsets)/20 {
		t.Errorf("only %d of %d flips were noticed", noticed, len(offsets))
	}
}

// TestNewestMeta damages the meta page of the last transaction: bbolt goes back
// to the one before, which must say the same.
func TestNewestMeta(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vanth.db")
	s := mustOpen(t, path)
	for i := range 5 {
		if err := s.PutPlugin(sample("geo", i)); err != nil {
			t.Fatal(err)
		}
	}
	want, _ := dump(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []int{0, os.Getpagesize()} {
		bad := bytes.Clone(file)
		bad[page+headerSize+metaSize-1] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if verdict(t, path, nil, want, fmt.Sprintf("meta at %d", page)) {
			t.Errorf("meta at %d: one good meta page is not enough", page)
		}
	}
	// It is the second commit that does it.
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, path)
	if err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucketPlugins)).Put([]byte("x"), nil) }); err != nil {
		t.Fatal(err)
	}
	var before, after bool
	for _, page := range []int{0, os.Getpagesize()} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		file, _ := os.ReadFile(path)
		file[page+headerSize+metaSize-1] ^= 1
		bad := path + fmt.Sprint(page)
		if err := os.WriteFile(bad, file, 0o600); err != nil {
			t.Fatal(err)
		}
		_, errs := dump(mustOpen(t, bad))
		before, after = before || errs == nil, after || errs != nil
	}
	if !before || !after {
		t.Error("a single commit survives the loss of each meta page: then what are two for?")
	}
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	for _, big := range []bool{false, true} {
		file, ids, want := image(t, big)
		lengths := []int{0, 1, 100, 1023, 1024, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 16384}
		for n := 20000; n < len(file); n += max(1000, len(file)/40) {
			lengths = append(lengths, n)
		}
		for n := len(file) - 5*os.Getpagesize(); n < len(file); n += 1111 {
			lengths = append(lengths, n)
		}
		noticed := 0
		for _, n := range lengths {
			path := filepath.Join(t.TempDir(), "vanth.db")
			if n < 0 || n >= len(file) {
				continue
			}
			if err := os.WriteFile(path, file[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			if verdict(t, path, ids, want, fmt.Sprintf("%d of %d bytes", n, len(file))) {
				noticed++
			}
		}
		if noticed < 12 {
			t.Errorf("only %d of %d truncations were noticed", noticed, len(lengths))
		}
	}
}

// TestGarbagePages overwrites whole pages, which reaches bbolt's panics and
// endless walks if nothing stands before them.
func TestGarbagePages(t *testing.T) {
	t.Parallel()
	file, ids, want := image(t, true)
	rng := rand.New(rand.NewPCG(5, 6))
	page := os.Getpagesize()
	path := filepath.Join(t.TempDir(), "vanth.db")
	for i := range 150 {
		bad := bytes.Clone(file)
		to := bad[rng.IntN(len(bad)/page)*page:][:page]
		switch i % 3 {
		case 0: // noise
			for j := range to {
				to[j] = byte(rng.Uint32())
			}
		case 1: // another page
			copy(to, file[rng.IntN(len(file)/page)*page:])
		case 2: // another page under the right number
			copy(to[8:], file[rng.IntN(len(file)/page)*page+8:][:page-8])
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		verdict(t, path, ids, want, fmt.Sprintf("garbage %d", i))
	}
}

// TestShrinksWhileOpen takes the file away from under the mapping: reading it
// is a memory fault, which must be an error.
func TestShrinksWhileOpen(t *testing.T) {
	file, ids, _ := image(t, true)
	path := filepath.Join(t.TempDir(), "vanth.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, path)
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	_, errs := dump(s, ids[0])
	if len(errs) == 0 || !errors.Is(errs[0], host.ErrDamaged) || !strings.Contains(errs[0].Error(), path) {
		t.Errorf("Plugins: %v", errs)
	}
	// bbolt's locks may hang from here on: nothing goes there any more.
	for _, err := range []error{s.PutPlugin(sample("p1", 9)), s.DeletePlugin(ids[0]), s.SaveState(ids[0], []host.StateChange{value("k", nil)})} {
		if !errors.Is(err, host.ErrDamaged) {
			t.Errorf("after a fault: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path, WithLockTimeout(1)) // the lock is free again
}

// TestMovedRecord puts a sound record where another belongs.
func TestMovedRecord(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "vanth.db"))
	a, b := wasmID("a"), wasmID("b")
	err := errors.Join(s.PutPlugin(sample("a", 1)), s.PutPlugin(sample("b", 2)),
		s.SaveState(a, []host.StateChange{value("x", []byte("1")), value("y", []byte("2"))}))
	if err != nil {
		t.Fatal(err)
	}
	ka, _ := idKey(a)
	kb, _ := idKey(b)
	x, _ := stateKey(value("x", nil).StateKey)
	y, _ := stateKey(value("y", nil).StateKey)
	err = s.db.Update(func(tx *bbolt.Tx) error {
		p, st := tx.Bucket([]byte(bucketPlugins)), tx.Bucket([]byte(bucketState)).Bucket(ka)
		return errors.Join(p.Put(kb, bytes.Clone(p.Get(ka))), st.Put(y, bytes.Clone(st.Get(x))))
	})
	if err != nil {
		t.Fatal(err)
	}
	text, errs := dump(s, a)
	said := errors.Join(errs...).Error()
	if !strings.Contains(said, "wasm/b") || !strings.Contains(said, `"y"`) || strings.Contains(text, "Name:b") {
		t.Errorf("got\n%s\nand %v", text, errs)
	}
}

// TestVanished removes and rolls back records below the store's feet.
func TestVanished(t *testing.T) {
	a := wasmID("a")
	key, _ := idKey(a)
	x, _ := stateKey(value("x", nil).StateKey)
	cases := map[string]func(p, st, y *bbolt.Bucket, old map[string][]byte) error{
		"record":     func(p, st, y *bbolt.Bucket, old map[string][]byte) error { return p.Delete(key) },
		"old record": func(p, st, y *bbolt.Bucket, old map[string][]byte) error { return p.Put(key, old["record"]) },
		"value":      func(p, st, y *bbolt.Bucket, old map[string][]byte) error { return st.Bucket(key).Delete(x) },
		"old value":  func(p, st, y *bbolt.Bucket, old map[string][]byte) error { return st.Bucket(key).Put(x, old["value"]) },
		"state":      func(p, st, y *bbolt.Bucket, old map[string][]byte) error { return st.DeleteBucket(key) },
		"tally":      func(p, st, y *bbolt.Bucket, old map[string][]byte) error { return y.Delete(key) },
		"old tally":  func(p, st, y *bbolt.Bucket, old map[string][]byte) error { return y.Put(key, old["tally"]) },
		"torn tally": func(p, st, y *bbolt.Bucket, old map[string][]byte) error { return y.Put(key, old["tally"][:9]) },
	}
	for name, hurt := range cases {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, filepath.Join(t.TempDir(), "vanth.db"))
			old := map[string][]byte{}
			for i := range 2 {
				err := errors.Join(s.PutPlugin(sample("a", i)), s.PutPlugin(sample("b", i)),
					s.SaveState(a, []host.StateChange{value("x", []byte{byte(i)}), value("y", []byte("2"))}))
				if err != nil {
					t.Fatal(err)
				}
				err = s.db.Update(func(tx *bbolt.Tx) error {
					p, st, y := tx.Bucket([]byte(bucketPlugins)), tx.Bucket([]byte(bucketState)), tx.Bucket([]byte(bucketTallies))
					if i == 0 {
						old["record"], old["value"] = bytes.Clone(p.Get(key)), bytes.Clone(st.Bucket(key).Get(x))
						old["tally"] = bytes.Clone(y.Get(key))
						return nil
					}
					return hurt(p, st, y, old)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			_, errs := dump(s, a)
			if said := fmt.Sprint(errs); len(errs) == 0 || !strings.Contains(said, "wasm/a") || strings.Contains(said, "wasm/b") {
				t.Errorf("errors: %v: want wasm/a named and nothing else", errs)
			}
			// Deleting clears it, and the neighbour never noticed.
			if err := s.DeletePlugin(a); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("%+v\n", sample("b", 1))
			if text, errs := dump(s, a); errs != nil || text != want {
				t.Errorf("after the deletion: %q, %v", text, errs)
			}
			if err := errors.Join(s.PutPlugin(sample("a", 3)), s.SaveState(a, []host.StateChange{value("x", nil)})); err != nil {
				t.Error(err)
			}
		})
	}
}
