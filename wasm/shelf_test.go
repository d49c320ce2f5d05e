package wasm

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/husk"
	"github.com/vanth-io/vanth/wasm/internal/modgen"
)

// shelfKit is a runtime with a cache, whose modules all have husks.
type shelfKit struct {
	*jailKit
	dir string
}

func newShelfKit(t testing.TB, dir, behave, engine string) *shelfKit {
	return &shelfKit{newJailKit(t, behave, Options{Engine: engine, CacheDir: dir, huskFrom: 1}), dir}
}

// place is the folder of the module that answers i.
func (k *shelfKit) place(i int) string {
	k.t.Helper()
	m := k.keep(i)
	defer m.Close(context.Background())
	return filepath.Join(k.dir, m.engine.key)
}

// seal gives a folder the checksums that it should have.
func seal(t *testing.T, dir string) {
	t.Helper()
	sums, err := checksums(dir)
	if err == nil {
		err = writeSums(dir, sums)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestShelfForeign: what belongs to another module, or to another build, is not taken, also where the checksums are right.
// The modules differ in a body only.
func TestShelfForeign(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		dir := t.TempDir()
		k := newShelfKit(t, dir, "", engine)
		one, two := k.place(1), k.place(2)
		if one == two {
			t.Fatal("they share a place")
		}
		take := func(file string) {
			text, err := os.ReadFile(filepath.Join(two, file))
			if err == nil {
				err = os.WriteFile(filepath.Join(one, file), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range []struct {
			name   string
			damage func()
		}{
			{"the other's folder", func() {
				os.RemoveAll(one)
				if err := os.CopyFS(one, os.DirFS(two)); err != nil {
					t.Fatal(err)
				}
			}},
			{"the other's module", func() { take(moduleName); seal(t, one) }},
			{"the other's module, without checksums", func() { take(moduleName) }},
			{"the other's checksums", func() { take(sumsName) }},
			{"another build's", func() {
				file := filepath.Join(one, moduleName)
				text, _ := os.ReadFile(file)
				os.WriteFile(file, bytes.Replace(text, []byte(filepath.Base(one)), []byte(strings.Repeat("0", 64)), 1), 0o600)
				seal(t, one)
			}},
			{"no module", func() { os.Remove(filepath.Join(one, moduleName)); seal(t, one) }},
			{"half a module", func() { os.Truncate(filepath.Join(one, moduleName), 300); seal(t, one) }},
			{"half a module, without checksums", func() { os.Truncate(filepath.Join(one, moduleName), 300) }},
			{"nothing but a module", func() { keepModule(one) }},
			{"nothing but a module, and the checksums say so", func() { keepModule(one); seal(t, one) }},
		} {
			c.damage()
			for range 2 {
				k.answer(1)
				k.answer(2)
			}
			if n := len(k.runs()); n != i+3 {
				t.Fatalf("%s: %d children, expected %d", c.name, n, i+3)
			}
		}
	})
}

// keepModule takes from a place all but what the engine is shown.
func keepModule(place string) {
	text, _ := os.ReadFile(filepath.Join(place, moduleName))
	os.RemoveAll(place)
	os.Mkdir(place, 0o700)
	os.WriteFile(filepath.Join(place, moduleName), text, 0o600)
}

// TestHuskIsNotCompiled: a husk whose code is gone is not taken for the module, also where there is no jail.
func TestHuskIsNotCompiled(t *testing.T) {
	dir := t.TempDir()
	k := &jailKit{Runtime: newRuntime(t, Options{Engine: "compiler", CacheDir: dir, huskFrom: 1}), t: t}
	place := (&shelfKit{k, dir}).place(1)
	for range 2 {
		keepModule(place)
		seal(t, place)
		k.answer(1)
	}
}

// TestShelfIsRead: a module that is on the shelf is neither walked nor metered, and one that the gate refuses is never put
// there.
func TestShelfIsRead(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		for _, compiler := range []bool{true, false} {
			dir := t.TempDir()
			k := newShelfKit(t, dir, "", engine)
			if !compiler {
				k.Runtime = newRuntime(t, Options{Engine: engine, CacheDir: dir, huskFrom: 1})
			}
			code := preparedAlike(t)["start"]
			g := grant{memory: 16, tables: 10}
			terms := k.terms(g)
			for i := range 3 {
				e, p, err := k.compile(t.Context(), "m.wasm", g, terms.key(code), func() (*prepared, error) {
					if i > 0 {
						t.Error("it is inspected again")
					}
					return terms.inspect(code)
				})
				if err != nil || p.globals != 2 || !p.start {
					t.Fatal(err, p)
				}
				e.close()
			}
			if err := k.shelf.prune(0); err != nil {
				t.Error(err)
			}
			_, err := k.Load(t.Context(), bundle(t, "m", []byte("\x00asm\x01\x00\x00\x00\x01\x05\xff\xff\xff\xff\x0f"), host.Manifest{}))
			if err == nil || !strings.Contains(err.Error(), "m.wasm: at byte 10, section type") {
				t.Error(err)
			}
			if err := emptyFolder(dir); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestShelfIsFull: a module runs also where its compiled code was written and what belongs to it could not be.
func TestShelfIsFull(t *testing.T) {
	for _, file := range []string{moduleName, sumsName + ".tmp"} {
		dir := t.TempDir()
		k := newShelfKit(t, dir, "blocks "+file, "compiler")
		for i := range 2 {
			k.answer(1)
			if n := len(k.runs()); n != i+1 {
				t.Errorf("%s: %d children", file, n)
			}
			if err := emptyFolder(dir); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// TestHusksRun: guests of all kinds do what they did, and fail as they did, when they come from the shelf.
func TestHusksRun(t *testing.T) {
	o := Options{Engine: "compiler", CacheDir: t.TempDir(), huskFrom: 1}
	for _, start := range []string{"cold", "warm"} {
		rt := newRuntime(t, o)
		for _, g := range guests(t) {
			if g.directives["slow"] != "" {
				continue
			}
			f := fn(t, load(t, rt, bundle(t, g.name, g.code, g.manifest(t))), "f")
			if _, err := f.Exec(context.Background(), nil, []any{"x"}); g.check(err) != nil {
				t.Errorf("%s, %s: %v", g.name, start, g.check(err))
			}
		}
		m := watModule(t, rt, `(module
		  (type $t (func (param i32) (result i32 i32)))
		  (memory (export "memory") 1) (data $d "\07\08") (data (i32.const 9) "\09")
		  (table 4 funcref) (elem (i32.const 1) func $a $b) (elem $p func $a $b)
		  (global $g (mut i32) (i32.const 5)) (global $r funcref (ref.func $b))
		  (func $a (type $t) (i32.add (local.get 0) (i32.const 1)) (global.get $g))
		  (func $b (type $t) (i32.add (local.get 0) (i32.const 100)) (i32.load8_u (i32.const 9)))
		  (func $s (global.set $g (i32.const 6))) (start $s)
		  (func (export "f") (param i32) (result i32)
		    (local $x i32)
		    (memory.init $d (i32.const 0) (i32.const 0) (i32.const 2))
		    (table.init 0 $p (i32.const 3) (i32.const 0) (i32.const 1))
		    (table.set 0 (i32.const 0) (ref.func $b))
		    (i32.add (call_indirect (type $t) (local.get 0) (i32.const 3)))
		    (i32.add (call_indirect (type $t) (local.get 0) (i32.const 2)))
		    (i32.add) (i32.add (i32.load8_u (i32.const 1)))))`, "f")
		if v := exec1(t, m, "f", int64(1000)); v != int64(1001+6+1100+9+8) {
			t.Errorf("%s: %v", start, v)
		}
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// TestHusksOfAll: the engine takes the husk of whatever it takes the whole of, with the code of the whole, also when many
// put it into one folder at once.
func TestHusksOfAll(t *testing.T) {
	for seed := range uint64(60) {
		whole := modgen.Module(seed)
		h, err := husk.Of(whole)
		if err != nil {
			t.Fatal(err)
		}
		job := task{Engine: "compiler", Pages: 1024}
		dir := t.TempDir()
		var all sync.WaitGroup
		for range 1 + seed%4 {
			all.Go(func() {
				if err := job.compile(dir, whole, h); err != nil {
					t.Error(seed, err)
				}
			})
		}
		all.Wait()
		e, err := job.engine(sealed(t.Context()), dir, h)
		if err != nil {
			t.Fatal(seed, err)
		}
		e.close()
		direct := t.TempDir()
		if err := job.compile(direct, whole, nil); err != nil {
			t.Fatal(err)
		}
		if got, want := contents(t, dir), contents(t, direct); len(got) != 1 || !reflect.DeepEqual(got, want) {
			t.Errorf("seed %d: %d files, or the code is not that of the whole", seed, len(got))
		}
	}
}

// contents are the contents of all files below a folder.
func contents(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		list = append(list, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
