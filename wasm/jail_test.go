package wasm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// TestJailHost is no test: it is the host that TestJailDiesWithItsHost kills.
func TestJailHost(t *testing.T) {
	if flag.NArg() != 1 {
		return
	}
	rt := newRuntime(t, Options{Compiler: []string{"/proc/self/exe", "-test.run=^TestCompileChild$", "--", "dozes", flag.Arg(0)}})
	t.Error(rt.jail.compile(t.Context(), t.TempDir(), task{file: "m.wasm"}, unread(ifs(1), false)))
}

// answer loads a module whose function gives i, calls it, and closes the module.
func (k *jailKit) answer(i int) {
	k.t.Helper()
	if err := k.keep(i).Close(context.Background()); err != nil {
		k.t.Error(err)
	}
}

// keep does the same and does not close it.
func (k *jailKit) keep(i int) *module {
	k.t.Helper()
	m := load(k.t, k.Runtime, watBundle(k.t, fmt.Sprintf(`(module (func (export "f") (result i32) (i32.const %d)))`, i), host.Manifest{Functions: []string{"f"}}))
	if v, err := fn(k.t, m, "f").Exec(context.Background(), nil, nil); err != nil || v != int64(i) {
		k.t.Errorf("%v, %v, want %d", v, err, i)
	}
	return m
}

// TestJail: modules are compiled by a child, once, and run as ever.
func TestJail(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		dir := t.TempDir()
		k := newJailKit(t, "", Options{Engine: engine, CacheDir: dir})
		for range 3 {
			k.answer(7)
			k.answer(8)
		}
		if n := len(k.runs()); n != 2 {
			t.Errorf("%d children for two modules", n)
		}
		if err := k.make([]byte("\x00asm\x01\x00\x00\x00\x01\x05\x01\x60\x00\x01\x7f\x03\x02\x01\x00\x0a\x04\x01\x02\x00\x0b")); !errors.Is(err, host.ErrInvalid) ||
			!strings.HasPrefix(err.Error(), "compile: invalid function[0]: ") {
			t.Errorf("a function without its result: %v", err)
		}
	})
}

// TestJailAuto: the engine that is chosen by itself is known, since it says what is
// left of a compilation.
func TestJailAuto(t *testing.T) {
	for _, name := range []string{"", "auto", "compiler", "interpreter"} {
		if got := interprets(engineConfig(name)); got != (name == "interpreter") {
			t.Errorf("%q is the interpreter: %t", name, got)
		}
	}
}

// TestSealed: a host does not compile, whatever it does not find.
func TestSealed(t *testing.T) {
	for _, code := range [][]byte{ifs(1), ifs(20_000), program(3, 0, nil)} {
		began := time.Now()
		e, err := (&task{Engine: "compiler", Pages: 16}).engine(sealed(t.Context()), t.TempDir(), code)
		if !errors.Is(err, errMissing) || e != nil || time.Since(began) > 200*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	}
}

// TestJailWarm: a start with a warm cache starts no child.
func TestJailWarm(t *testing.T) {
	dir := t.TempDir()
	const modules = 100
	for i, start := range []string{"cold", "warm"} {
		k := newJailKit(t, "", Options{CacheDir: dir})
		began := time.Now()
		for i := range modules {
			k.keep(i)
		}
		t.Logf("%s: %v a module", start, time.Since(began)/modules)
		if n := len(k.runs()); n != modules*(1-i) {
			t.Errorf("%s: %d children", start, n)
		}
		_ = k.Close(context.Background())
	}
}

// TestJailOnce: who loads the same module at once waits for one child.
func TestJailOnce(t *testing.T) {
	k := newJailKit(t, "", Options{CacheDir: t.TempDir()})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { k.answer(1) })
	}
	all.Wait()
	if n := len(k.runs()); n != 1 {
		t.Errorf("%d children", n)
	}
}

// TestJailSeats: children take turns, and who waits for a turn may give up.
func TestJailSeats(t *testing.T) {
	k := newJailKit(t, "dozes", Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range cap(k.jail.seats) + 3 {
		all.Go(func() {
			if err := k.beyond(ctx, ifs(i)); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	for deadline := time.Now().Add(20 * time.Second); len(k.runs()) < cap(k.jail.seats) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // for those that should not be
	cancel()
	all.Wait()
	if n := len(k.runs()); n != cap(k.jail.seats) {
		t.Errorf("%d children, with %d seats", n, cap(k.jail.seats))
	}
}

// TestJailDamagedCache: what is damaged or gone is compiled by a child again, and
// what the checksums do not know to be wrong is not used either.
func TestJailDamagedCache(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		dir := t.TempDir()
		k := newJailKit(t, "", Options{Engine: engine, CacheDir: dir})
		files := func() (code, sums string) {
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					if d.Name() == sumsName {
						sums = path
					} else {
						code = path
					}
				}
				return err
			})
			return code, sums
		}
		k.answer(5)
		for i, c := range []struct {
			name   string
			damage func(code, sums string) error
		}{
			{"no checksums", func(_, sums string) error { return os.Remove(sums) }},
			{"no code", func(code, _ string) error { return os.Remove(code) }},
			{"no code, and the checksums say so", func(code, sums string) error {
				return errors.Join(os.Remove(code), os.WriteFile(sums, nil, 0o600))
			}},
			{"other code", func(code, _ string) error { return os.WriteFile(code, []byte("WAZEVO"), 0o600) }},
			{"another name, and the checksums say so", func(code, sums string) error {
				err := os.Rename(code, code+"0")
				text, err2 := checksums(filepath.Dir(sums))
				return errors.Join(err, err2, writeSums(filepath.Dir(sums), text))
			}},
			{"no folder", func(_, sums string) error { return os.RemoveAll(filepath.Dir(sums)) }},
		} {
			if err := c.damage(files()); err != nil {
				t.Fatal(c.name, err)
			}
			for range 2 {
				k.answer(5)
			}
			if n := len(k.runs()); n != i+2 {
				t.Fatalf("%s: %d children, want %d", c.name, n, i+2)
			}
		}
		// Cut short, with checksums to match: wazero's reader finds that out.
		if code, sums := files(); engine == "compiler" {
			if err := os.Truncate(code, 40); err != nil {
				t.Fatal(err)
			}
			text, _ := checksums(filepath.Dir(sums))
			_ = writeSums(filepath.Dir(sums), text)
			before := len(k.runs())
			for range 3 {
				k.answer(5)
			}
			if n := len(k.runs()) - before; n != 1 {
				t.Errorf("cut short: %d children", n)
			}
		}
	})
}

// TestJailBehaviour: a child that fails in its own way.
func TestJailBehaviour(t *testing.T) {
	for _, c := range []struct {
		behave, want string
		is           error
	}{
		{"crashes", "m.wasm: the compiler failed: exit status 2: panic: no code today", host.ErrInvalid},
		{"dozes", "m.wasm: compiling did not end within 240ms, of which it had ", host.ErrInvalid},
		{"leaves nothing", "m.wasm: what was compiled cannot be used: not in the cache", errMissing},
	} {
		engines(t, func(t *testing.T, engine string) {
			t.Setenv("TMPDIR", t.TempDir())
			dir := t.TempDir()
			k := newJailKit(t, c.behave, Options{CacheDir: dir, Engine: engine, CompileTime: 40 * time.Millisecond})
			if err := k.make(ifs(1)); !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.behave, err, c.want)
			}
			if err := errors.Join(emptyFolder(dir), emptyFolder(os.Getenv("TMPDIR"))); err != nil {
				t.Errorf("%s: %v", c.behave, err)
			}
		})
	}
	rt := newRuntime(t, Options{Compiler: []string{filepath.Join(t.TempDir(), "gone")}})
	if err := (&jailKit{Runtime: rt, t: t}).make(ifs(1)); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "m.wasm: cannot start a process that compiles it") {
		t.Error(err)
	}
}

// TestJailWithoutCache: a cache that cannot be written, or none, changes nothing, and
// nothing is left of what took its place.
func TestJailWithoutCache(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		t.Setenv("TMPDIR", t.TempDir())
		dir := t.TempDir()
		blocked := newJailKit(t, "", Options{CacheDir: dir, Engine: engine})
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, k := range []*jailKit{blocked, newJailKit(t, "", Options{Engine: engine})} {
			k.answer(1)
			if n := len(k.runs()); n != 1 {
				t.Errorf("%d children", n)
			}
		}
		if err := emptyFolder(os.Getenv("TMPDIR")); err != nil {
			t.Error(err)
		}
	})
}

// TestJailFullDisk: a place that cannot hold the code is not the module's fault.
func TestJailFullDisk(t *testing.T) {
	k := newJailKit(t, "", Options{CompileMiB: 100})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "m"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := k.jail.compile(t.Context(), filepath.Join(dir, "m", "n"), task{file: "m.wasm", Pages: 16}, unread(ifs(1), false))
	if !errors.Is(err, errStorage) || errors.Is(err, host.ErrInvalid) {
		t.Error(err)
	}
}
