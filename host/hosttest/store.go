package hosttest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// Store checks that a store keeps each sentence of host.Store. open opens the
// store that lives in dir, again and again with the same dir, and returns what
// closes it. What a kill and a power cut leave is for the store's own tests.
// Damage is checked when the store is a [Damager].
func Store(t *testing.T, open func(t *testing.T, dir string) (host.Store, func())) {
	for _, c := range storeChecks() {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			err := c.check(func() (host.Store, func()) { return open(t, dir) })
			switch {
			case errors.Is(err, errCannotDamage):
				t.Skip(err)
			case err != nil:
				t.Error(err)
			}
		})
	}
}

// Damager is a store under test that can damage what it keeps, as a failing
// disk would: so that it is found and cannot be read.
type Damager interface {
	DamagePlugin(host.ID) error
	DamageState(host.ID, host.StateKey) error
	DamageDocument(kind, name string) error
}

var errCannotDamage = errors.New("the store is not a Damager")

// storeCheck is one check, as a function that returns what is wrong, so that a
// store that is broken on purpose can be shown to be caught.
type storeCheck struct {
	name string
	run  func(*storeBench) error
}

// check runs the check on a new store.
func (c storeCheck) check(start func() (host.Store, func())) error {
	b := &storeBench{start: start}
	b.Store, b.stop = start()
	defer func() { b.stop() }()
	return c.run(b)
}

// storeBench is a store that can be closed and opened again.
type storeBench struct {
	host.Store
	start func() (host.Store, func())
	stop  func()
}

func (b *storeBench) reopen() {
	b.stop()
	b.Store, b.stop = b.start()
}

// do fails when one of the errors is not nil.
func do(errs ...error) error { return errors.Join(errs...) }

// storeChecks lists the checks; the number is that of the sentence.
func storeChecks() []storeCheck {
	return []storeCheck{
		{"1 a put record is there after a reopening", checkPutDurable},
		{"1 saved state is there after a reopening", checkSaveDurable},
		{"1 a deletion holds after a reopening", checkDeleteDurable},
		{"2 a save is seen whole or not at all", checkSaveAtomic},
		{"3 records come in the order of their IDs", checkPluginOrder},
		{"3 a damaged record is named and the others come", checkDamagedPlugin},
		{"4 a put replaces", checkPutReplaces},
		{"4 a deletion takes the record and the state", checkDeleteAll},
		{"4 deleting what is not there is not an error", checkDeleteAbsent},
		{"5 state belongs to one plugin", checkStateOwner},
		{"5 a damaged value is named and the others come", checkDamagedState},
		{"6 changes are applied in order", checkChangeOrder},
		{"6 nil deletes and empty stays", checkEmptyValue},
		{"6 keys may be any string", checkOddKeys},
		{"6 the caller keeps its buffers", checkBuffers},
		{"9 documents come in the order of their names and last", checkDocuments},
		{"9 a put replaces, a deletion takes one", checkDocumentChanges},
		{"9 a damaged document is named and the others come", checkDamagedDocument},
		{"7 many goroutines", checkConcurrent},
		{"7 the loop may call the store", checkReentrant},
	}
}

func testRecord(id host.ID) host.Record {
	return host.Record{
		ID:         id,
		Bundle:     id.Name + "-1f00",
		Source:     "https://example.org/" + id.Name + ".zip?a=\"<é>\"",
		SHA256:     strings.Repeat("0a", 32),
		ShellParas: []string{"--mode", "", "x y"},
		Functions:  []string{"f", "g"},
		Installed:  time.Date(2026, 7, 1, 12, 30, 0, 123456789, time.UTC),
	}
}

func wasmID(name string) host.ID { return host.ID{Class: host.ClassWASM, Name: name} }

// change makes a change of a value; two strings and what to store.
func change(scope, key string, value []byte) host.StateChange {
	return host.StateChange{StateKey: host.StateKey{Scope: scope, Key: key}, Value: value}
}

// wantPlugins fails unless the store has exactly these records, in this order.
func wantPlugins(s host.Store, want ...host.Record) error {
	var got []host.Record
	for r, err := range s.Plugins() {
		if err != nil {
			return fmt.Errorf("Plugins: %w", err)
		}
		r.Installed = r.Installed.UTC()
		got = append(got, r)
	}
	if len(got) == len(want) && (len(got) == 0 || reflect.DeepEqual(got, want)) {
		return nil
	}
	return fmt.Errorf("Plugins: got\n%+v\nwant\n%+v", got, want)
}

// wantState fails unless a plugin has exactly these values.
func wantState(s host.Store, id host.ID, want ...host.StateChange) error {
	got := map[host.StateKey][]byte{}
	for c, err := range s.State(id) {
		if err != nil {
			return fmt.Errorf("State(%s): %w", id, err)
		}
		if _, twice := got[c.StateKey]; twice || c.Value == nil {
			return fmt.Errorf("State(%s): %+v twice or without a value", id, c)
		}
		got[c.StateKey] = c.Value
	}
	for _, c := range want {
		if v, ok := got[c.StateKey]; !ok || !bytes.Equal(v, c.Value) {
			return fmt.Errorf("State(%s): %+v is %q, present %v, want %q", id, c.StateKey, v, ok, c.Value)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("State(%s): %d values %v, want %d", id, len(got), got, len(want))
	}
	return nil
}

func checkPutDurable(b *storeBench) error {
	r := testRecord(wasmID("geo"))
	if err := do(wantPlugins(b), b.PutPlugin(r)); err != nil {
		return err
	}
	b.reopen()
	return wantPlugins(b, r)
}

func checkSaveDurable(b *storeBench) error {
	id := wasmID("geo")
	want := []host.StateChange{change("", "a", []byte("1")), change("r\x00op", "b", bytes.Repeat([]byte{7}, 100_000))}
	if err := do(wantState(b, id), b.SaveState(id, want)); err != nil {
		return err
	}
	b.reopen()
	if err := wantState(b, id, want...); err != nil {
		return err
	}
	return wantPlugins(b) // state alone makes no record
}

func checkDeleteDurable(b *storeBench) error {
	id := wasmID("geo")
	err := do(b.PutPlugin(testRecord(id)), b.SaveState(id, []host.StateChange{change("", "a", []byte("1"))}),
		b.DeletePlugin(id))
	if err != nil {
		return err
	}
	b.reopen()
	return do(wantPlugins(b), wantState(b, id))
}

func checkPluginOrder(b *storeBench) error {
	ids := []host.ID{
		{Class: host.ClassFunctions, Name: "z"},
		{Class: host.ClassPortables, Name: "a"},
		{Class: host.ClassWASM, Name: "B"},
		{Class: host.ClassWASM, Name: "a"},
		{Class: host.ClassWASM, Name: "a-1"},
		{Class: host.ClassWASM, Name: "a1"},
		{Class: host.ClassWASM, Name: "a_1"},
	}
	var want []host.Record
	for _, id := range ids {
		want = append(want, testRecord(id))
	}
	for _, i := range []int{3, 0, 6, 2, 5, 1, 4} {
		if err := b.PutPlugin(want[i]); err != nil {
			return err
		}
	}
	if err := wantPlugins(b, want...); err != nil {
		return err
	}
	b.reopen()
	return wantPlugins(b, want...)
}

func checkPutReplaces(b *storeBench) error {
	r, other := testRecord(wasmID("geo")), testRecord(wasmID("other"))
	value := change("", "a", []byte("1"))
	if err := do(b.PutPlugin(r), b.PutPlugin(other), b.SaveState(r.ID, []host.StateChange{value})); err != nil {
		return err
	}
	r = host.Record{ID: r.ID, Bundle: "geo-2f00", SHA256: "ff"} // fields that were set are gone
	if err := b.PutPlugin(r); err != nil {
		return err
	}
	return do(wantPlugins(b, r, other), wantState(b, r.ID, value))
}

func checkDeleteAll(b *storeBench) error {
	id, other := wasmID("geo"), wasmID("geo2")
	value := change("", "a", []byte("1"))
	err := do(b.PutPlugin(testRecord(id)), b.PutPlugin(testRecord(other)),
		b.SaveState(id, []host.StateChange{value}), b.SaveState(other, []host.StateChange{value}),
		b.DeletePlugin(id), wantPlugins(b, testRecord(other)), wantState(b, id), wantState(b, other, value))
	if err != nil {
		return err
	}
	// The next plugin of that name starts with nothing.
	return do(b.PutPlugin(testRecord(id)), wantState(b, id))
}

func checkDeleteAbsent(b *storeBench) error {
	id := wasmID("geo")
	return do(b.DeletePlugin(id),
		b.SaveState(id, []host.StateChange{change("", "a", []byte("1"))}),
		b.DeletePlugin(id), wantState(b, id), b.DeletePlugin(id))
}

func checkStateOwner(b *storeBench) error {
	one, two := wasmID("geo"), host.ID{Class: host.ClassPortables, Name: "geo"}
	v1, v2 := change("", "a", []byte("1")), change("", "a", []byte("2"))
	return do(b.SaveState(one, []host.StateChange{v1}), b.SaveState(two, []host.StateChange{v2}),
		wantState(b, one, v1), wantState(b, two, v2), wantState(b, wasmID("ge")), wantState(b, wasmID("geo2")))
}

func checkChangeOrder(b *storeBench) error {
	id := wasmID("geo")
	err := b.SaveState(id, []host.StateChange{
		change("", "a", []byte("1")), change("", "a", []byte("2")), change("", "a", []byte("3")),
		change("", "b", []byte("1")), change("", "b", nil),
		change("", "c", nil), change("", "c", []byte("9")),
	})
	if err != nil {
		return err
	}
	err = do(wantState(b, id, change("", "a", []byte("3")), change("", "c", []byte("9"))),
		b.SaveState(id, nil),
		b.SaveState(id, []host.StateChange{change("", "a", nil), change("", "never", nil), change("", "c", nil)}))
	return do(err, wantState(b, id))
}

func checkEmptyValue(b *storeBench) error {
	id := wasmID("geo")
	empty, gone := change("", "empty", []byte{}), change("", "gone", []byte("x"))
	if err := b.SaveState(id, []host.StateChange{empty, gone}); err != nil {
		return err
	}
	gone.Value = nil
	if err := do(b.SaveState(id, []host.StateChange{gone}), wantState(b, id, empty)); err != nil {
		return err
	}
	b.reopen()
	return wantState(b, id, empty)
}

func checkOddKeys(b *storeBench) error {
	id := wasmID("geo")
	parts := []string{
		"", "\x00", "\x00\x00", "a", "ab", "b", "a\x00", "\x00b", "c", "v", "\x01a", "/", "\xff\xfe",
		"日本", strings.Repeat("k", host.MaxStateKey),
	}
	var want []host.StateChange
	for _, scope := range parts {
		for _, key := range parts {
			for _, counter := range []bool{false, true} {
				k := host.StateKey{Scope: scope, Key: key, Counter: counter}
				want = append(want, host.StateChange{StateKey: k, Value: fmt.Appendf(nil, "%q", fmt.Sprint(k))})
			}
		}
	}
	if err := do(b.SaveState(id, want), wantState(b, id, want...)); err != nil {
		return err
	}
	b.reopen()
	return wantState(b, id, want...)
}

func checkBuffers(b *storeBench) error {
	id := wasmID("geo")
	value := []byte("before")
	r := testRecord(id)
	r.Functions = slices.Clone(r.Functions)
	if err := do(b.SaveState(id, []host.StateChange{change("", "a", value)}), b.PutPlugin(r)); err != nil {
		return err
	}
	copy(value, "after!")
	r.Functions[0] = "changed"
	for c := range b.State(id) {
		copy(c.Value, "yield!")
	}
	return do(wantState(b, id, change("", "a", []byte("before"))), wantPlugins(b, testRecord(id)))
}

func checkReentrant(b *storeBench) error {
	for _, name := range []string{"a", "b", "c"} {
		err := do(b.PutPlugin(testRecord(wasmID(name))), b.SaveState(wasmID(name), []host.StateChange{
			change("", "1", []byte("1")), change("", "2", bytes.Repeat([]byte("2"), 100_000)),
		}))
		if err != nil {
			return err
		}
	}
	for r := range b.Plugins() {
		for c := range b.State(r.ID) {
			c.Value = bytes.Repeat(c.Value, 3)
			if err := do(b.SaveState(r.ID, []host.StateChange{c}), b.PutPlugin(r)); err != nil {
				return err
			}
		}
		if err := b.DeletePlugin(r.ID); err != nil {
			return err
		}
		if r.ID.Name == "b" {
			break
		}
	}
	return wantPlugins(b, testRecord(wasmID("c")))
}

func checkDamagedPlugin(b *storeBench) error {
	d, ok := b.Store.(Damager)
	if !ok {
		return errCannotDamage
	}
	a, bad, c := testRecord(wasmID("a")), testRecord(wasmID("b")), testRecord(wasmID("c"))
	err := do(b.PutPlugin(a), b.PutPlugin(bad), b.PutPlugin(c), d.DamagePlugin(bad.ID))
	if err != nil {
		return err
	}
	var seen []string
	for r, err := range b.Plugins() {
		seen = append(seen, r.ID.Name)
		switch isBad := r.ID == bad.ID; {
		case isBad && (!errors.Is(err, host.ErrDamaged) || !strings.Contains(err.Error(), bad.ID.String())):
			return fmt.Errorf("Plugins: the damaged record: error %w does not wrap ErrDamaged or does not name it", err)
		case !isBad && err != nil:
			return fmt.Errorf("Plugins: %s: %w", r.ID, err)
		}
	}
	if !slices.Equal(seen, []string{"a", "b", "c"}) {
		return fmt.Errorf("Plugins: got %q, want all three", seen)
	}
	// A new record heals it, and a deletion clears it.
	return do(b.PutPlugin(bad), wantPlugins(b, a, bad, c),
		d.DamagePlugin(bad.ID), b.DeletePlugin(bad.ID), wantPlugins(b, a, c))
}

func checkDamagedState(b *storeBench) error {
	d, ok := b.Store.(Damager)
	if !ok {
		return errCannotDamage
	}
	id := wasmID("geo")
	one, bad, two := change("", "1", []byte("x")), change("s", "hurt", []byte("y")), change("", "2", []byte("z"))
	err := do(b.SaveState(id, []host.StateChange{one, bad, two}), d.DamageState(id, bad.StateKey))
	if err != nil {
		return err
	}
	good, named := 0, 0
	for c, err := range b.State(id) {
		switch {
		case err == nil && c.StateKey != bad.StateKey:
			good++
		case errors.Is(err, host.ErrDamaged) && strings.Contains(err.Error(), id.String()) && strings.Contains(err.Error(), bad.Key):
			named++
		case err == nil:
			return fmt.Errorf("State: the damaged value came as %q", c.Value)
		default:
			return fmt.Errorf("State: %w", err)
		}
	}
	if good != 2 || named != 1 {
		return fmt.Errorf("State: %d good values and %d damaged ones, want 2 and 1", good, named)
	}
	return do(b.DeletePlugin(id), wantState(b, id))
}

// checkSaveAtomic has a reader look for a save of which only half is seen.
func checkSaveAtomic(b *storeBench) error {
	id := wasmID("geo")
	save := func(i int) error {
		v := fmt.Appendf(nil, "%d", i)
		return b.SaveState(id, []host.StateChange{change("", "first", v), change("", "mid", nil), change("z", "last", v)})
	}
	if err := save(0); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 1; i < 60 && err == nil; i++ {
			err = save(i)
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			return err
		default:
		}
		var values []string
		for c, err := range b.State(id) {
			if err != nil {
				return errors.Join(err, <-done)
			}
			values = append(values, string(c.Value))
		}
		if len(values) != 2 || values[0] != values[1] {
			return errors.Join(fmt.Errorf("a reader saw half a save: %q", values), <-done)
		}
	}
}

func checkConcurrent(b *storeBench) error {
	const workers, rounds = 8, 6
	errs := make(chan error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			id, passing := wasmID(fmt.Sprint("w", w)), wasmID(fmt.Sprint("passing", w))
			for i := range rounds {
				v := change("", "n", fmt.Appendf(nil, "%d", i))
				err := do(b.PutPlugin(testRecord(id)), b.SaveState(id, []host.StateChange{v}),
					b.PutPlugin(testRecord(passing)), wantState(b, id, v), b.DeletePlugin(passing))
				for _, e := range b.Plugins() {
					err = do(err, e)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	var want []host.Record
	for w := range workers {
		id := wasmID(fmt.Sprint("w", w))
		want = append(want, testRecord(id))
		if err := wantState(b, id, change("", "n", fmt.Appendf(nil, "%d", rounds-1))); err != nil {
			return err
		}
	}
	return wantPlugins(b, want...)
}
