package hosttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// RuntimeKit is what the suite needs to know of a runtime under test.
type RuntimeKit struct {
	// New starts a runtime; the suite closes it.
	New func() (host.Runtime, error)
	// Files are the files of a bundle called "kit", beside its manifest, whose
	// functions are echo (returns its one argument), fail (a fault of the
	// guest) and spin (never returns by itself).
	Files map[string][]byte
	// Language is the manifest's language, "" for none.
	Language string
	// Executable is the manifest's executable, "" for none.
	Executable string
	// Through is how a value comes back from echo; nil where each does as it went.
	Through func(any) any
	// Sums are functions of the same files that add two f64 and take columns; nil for
	// none.
	Sums []string
	// Damaged are the files of a bundle that the runtime accepts and cannot
	// load.
	Damaged map[string][]byte
	// Foreign is a language that the runtime must leave to others.
	Foreign string
}

// Runtime checks that a runtime keeps each sentence of host.Runtime, host.Module
// and host.Function.
func Runtime(t *testing.T, kit RuntimeKit) {
	for _, c := range slices.Concat(runtimeChecks(), meterChecks(), rowsChecks()) {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(t.TempDir(), kit); err != nil {
				t.Error(err)
			}
		})
	}
}

// runtimeCheck is one check, as a function that returns what is wrong, so that
// a runtime that is broken on purpose can be shown to be caught.
type runtimeCheck struct {
	name string
	run  func(*runtimeBench) error
}

func (c runtimeCheck) check(dir string, kit RuntimeKit) error {
	rt, err := kit.New()
	if err != nil {
		return err
	}
	b := &runtimeBench{Runtime: rt, kit: kit, dir: dir}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b.ctx = ctx
	return errors.Join(c.run(b), rt.Close(ctx))
}

// runtimeBench is a runtime with a folder to make bundles in.
type runtimeBench struct {
	host.Runtime
	kit RuntimeKit
	dir string
	ctx context.Context
	n   int
}

// bundle writes a bundle and returns it as the host would give it.
func (b *runtimeBench) bundle(files map[string][]byte, m host.Manifest) (host.Bundle, error) {
	b.n++
	dir := filepath.Join(b.dir, fmt.Sprint(b.n))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return host.Bundle{}, err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o755); err != nil {
			return host.Bundle{}, err
		}
	}
	state, err := host.NewState(&MemStore{}, host.ID{Class: host.ClassWASM, Name: "kit"})
	return host.Bundle{
		Plugin: host.Plugin{ID: host.ID{Class: host.ClassWASM, Name: "kit"}, Dir: dir, Manifest: m},
		Dir:    dir, State: state,
	}, err
}

func (b *runtimeBench) manifest() host.Manifest {
	return host.Manifest{Version: "1", Language: b.kit.Language, Executable: b.kit.Executable, Functions: []string{"echo", "fail", "spin"}}
}

// load loads the kit's bundle.
func (b *runtimeBench) load() (host.Module, error) {
	bundle, err := b.bundle(b.kit.Files, b.manifest())
	if err != nil {
		return nil, err
	}
	return b.Load(b.ctx, bundle)
}

// function loads the kit's bundle and returns one of its functions.
func (b *runtimeBench) function(name string) (host.Module, host.Function, error) {
	m, err := b.load()
	if err != nil {
		return nil, nil, err
	}
	f, err := m.Function(name)
	return m, f, err
}

// runtimeChecks lists the checks; R is host.Runtime, M host.Module, F
// host.Function, and the number is that of the sentence.
func runtimeChecks() []runtimeCheck {
	return []runtimeCheck{
		{"R1 the name is constant", checkName},
		{"R2 it accepts its own bundles and leaves the others", checkAccepts},
		{"R3 it loads its own bundles", func(b *runtimeBench) error { _, err := b.load(); return err }},
		{"R3 a damaged bundle is an error", checkDamaged},
		{"R4 load honours its context", checkLoadContext},
		{"R5 two generations run side by side", checkGenerations},
		{"R6 close ends what is loaded and is idempotent", checkRuntimeClose},
		{"M1 the symbols are those of the manifest, in its order", checkSymbols},
		{"M2 a name that is not there is not found", checkNotFound},
		{"M3 close waits for calls, then forces them", checkModuleClose},
		{"M3 calls after close fail", checkCallAfterClose},
		{"F1 the signature is constant", checkSignature},
		{"F2 validate judges arguments", checkValidate},
		{"F3 arguments and results share no memory", checkNoSharing},
		{"F3 every value comes back as it went", checkValues},
		{"F4 a fault is the error of its call", checkFault},
		{"F4 calls run side by side", checkParallel},
		{"F5 exec ends with its context", checkExecContext},
	}
}

func checkName(b *runtimeBench) error {
	if n := b.Name(); n == "" || n != b.Name() {
		return fmt.Errorf("name %q", n)
	}
	return nil
}

func checkAccepts(b *runtimeBench) error {
	own, err := b.bundle(b.kit.Files, b.manifest())
	if err != nil {
		return err
	}
	m := b.manifest()
	m.Language = b.kit.Foreign
	foreign, err := b.bundle(map[string][]byte{"other": nil}, m)
	if err != nil {
		return err
	}
	if !b.Accepts(own) || b.Accepts(foreign) {
		return fmt.Errorf("own %t, foreign %t", b.Accepts(own), b.Accepts(foreign))
	}
	return nil
}

func checkDamaged(b *runtimeBench) error {
	bundle, err := b.bundle(b.kit.Damaged, b.manifest())
	if err != nil {
		return err
	}
	m, err := b.Load(b.ctx, bundle)
	if err == nil || m != nil {
		return fmt.Errorf("loaded %v, error %w", m, err)
	}
	return nil
}

func checkLoadContext(b *runtimeBench) error {
	bundle, err := b.bundle(b.kit.Files, b.manifest())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	start := time.Now()
	if _, err := b.Load(ctx, bundle); !errors.Is(err, context.Canceled) || time.Since(start) > 5*time.Second {
		return fmt.Errorf("error %w after %v", err, time.Since(start))
	}
	return nil
}

func checkGenerations(b *runtimeBench) error {
	_, f, err := b.function("echo")
	if err != nil {
		return err
	}
	m2, g, err := b.function("echo")
	if err != nil {
		return err
	}
	if err := errors.Join(b.wantEcho(f, "one"), b.wantEcho(g, "two"), m2.Close(b.ctx)); err != nil {
		return err
	}
	return b.wantEcho(f, "after the other closed")
}

func (b *runtimeBench) wantEcho(f host.Function, v any) error {
	got, err := f.Exec(b.ctx, nil, []any{v})
	if err != nil {
		return err
	}
	if want := b.through(v); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("echo of %#v is %#v, want %#v", v, got, want)
	}
	return nil
}

// through is how v comes back.
func (b *runtimeBench) through(v any) any {
	if b.kit.Through == nil {
		return v
	}
	return b.kit.Through(v)
}

func checkRuntimeClose(b *runtimeBench) error {
	_, f, err := b.function("echo")
	if err != nil {
		return err
	}
	if err := errors.Join(b.Close(b.ctx), b.Close(b.ctx)); err != nil {
		return err
	}
	_, execErr := f.Exec(b.ctx, nil, []any{"x"})
	_, loadErr := b.load()
	if !errors.Is(execErr, host.ErrClosed) || !errors.Is(loadErr, host.ErrClosed) {
		return fmt.Errorf("exec: %w, load: %w", execErr, loadErr)
	}
	return nil
}

func checkSymbols(b *runtimeBench) error {
	m, err := b.load()
	if err != nil {
		return err
	}
	want := []host.Symbol{{Kind: host.KindFunction, Name: "echo"}, {Kind: host.KindFunction, Name: "fail"}, {Kind: host.KindFunction, Name: "spin"}}
	if got := m.Symbols(); !slices.Equal(got, want) || !slices.Equal(m.Symbols(), want) {
		return fmt.Errorf("symbols %v", got)
	}
	return nil
}

func checkNotFound(b *runtimeBench) error {
	m, err := b.load()
	if err != nil {
		return err
	}
	_, e1 := m.Function("nobody")
	_, e2 := m.Source("echo", nil, nil)
	_, e3 := m.Sink("echo", nil, nil)
	for _, e := range []error{e1, e2, e3} {
		if !errors.Is(e, host.ErrNotFound) {
			return fmt.Errorf("%w; %w; %w", e1, e2, e3)
		}
	}
	return nil
}

func checkModuleClose(b *runtimeBench) error {
	m, f, err := b.function("spin")
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		_, err := f.Exec(context.Background(), nil, nil)
		done <- err
	}()
	select {
	case err := <-done:
		return fmt.Errorf("spin returned by itself: %w", err)
	case <-time.After(50 * time.Millisecond):
	}
	ctx, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := m.Close(ctx); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if waited := time.Since(start); waited < 40*time.Millisecond {
		return fmt.Errorf("close waited for %v only", waited)
	}
	select {
	case err := <-done:
		if !errors.Is(err, host.ErrInterrupted) || errors.Is(err, host.ErrClosed) {
			return fmt.Errorf("the call that was forced to end: %w", err)
		}
	case <-time.After(5 * time.Second):
		return errors.New("the call goes on after close")
	}
	return m.Close(b.ctx)
}

func checkCallAfterClose(b *runtimeBench) error {
	m, f, err := b.function("echo")
	if err != nil {
		return err
	}
	if err := errors.Join(b.wantEcho(f, "x"), m.Close(b.ctx)); err != nil {
		return err
	}
	if _, err := f.Exec(b.ctx, nil, []any{"x"}); !errors.Is(err, host.ErrClosed) {
		return fmt.Errorf("exec after close: %w", err)
	}
	return nil
}

func checkSignature(b *runtimeBench) error {
	_, f, err := b.function("echo")
	if err != nil {
		return err
	}
	if s := f.Signature(); s == nil || !reflect.DeepEqual(*s, *f.Signature()) {
		return fmt.Errorf("signature %v", s)
	}
	return nil
}

func checkValidate(b *runtimeBench) error {
	m := b.manifest()
	m.Symbols = map[string]host.Signature{"echo": {Args: []host.Type{host.TypeString}}}
	bundle, err := b.bundle(b.kit.Files, m)
	if err != nil {
		return err
	}
	mod, err := b.Load(b.ctx, bundle)
	if err != nil {
		return err
	}
	f, err := mod.Function("echo")
	if err != nil {
		return err
	}
	if err := errors.Join(f.Validate([]any{"x"}), f.Validate([]any{nil}), b.wantEcho(f, "x")); err != nil {
		return err
	}
	for _, args := range [][]any{{}, {"x", "y"}, {int64(1)}} {
		_, err := f.Exec(b.ctx, nil, args)
		if !errors.Is(f.Validate(args), host.ErrInvalid) || !errors.Is(err, host.ErrInvalid) {
			return fmt.Errorf("%v: validate %w, exec %w", args, f.Validate(args), err)
		}
	}
	return nil
}

func checkNoSharing(b *runtimeBench) error {
	_, f, err := b.function("echo")
	if err != nil {
		return err
	}
	arg := []byte("first")
	first, err := f.Exec(b.ctx, nil, []any{arg})
	if err != nil {
		return err
	}
	copy(arg, "XXXXX")
	if err := b.wantEcho(f, []byte("other")); err != nil {
		return err
	}
	if !reflect.DeepEqual(first, b.through([]byte("first"))) {
		return fmt.Errorf("the first result became %q", first)
	}
	return nil
}

func checkValues(b *runtimeBench) error {
	_, f, err := b.function("echo")
	if err != nil {
		return err
	}
	big := make([]byte, 300_000)
	for i := range big {
		big[i] = byte(i)
	}
	values := []any{
		true, false, int64(0), int64(-1), int64(1) << 62, 0.5, "", "text \u00e9\u4e16",
		[]byte{},
		[]byte{0, 255},
		[]any{},
		[]any{int64(1), "two", nil, []any{3.5}},
		map[string]any{},
		map[string]any{"a": int64(1), "b": map[string]any{"c": []byte("d")}},
		big, string(make([]byte, 70_000)),
	}
	for _, v := range values {
		if err := b.wantEcho(f, v); err != nil {
			return err
		}
	}
	return nil
}

func checkFault(b *runtimeBench) error {
	m, f, err := b.function("fail")
	if err != nil {
		return err
	}
	echo, err := m.Function("echo")
	if err != nil {
		return err
	}
	for range 3 {
		_, err := f.Exec(b.ctx, nil, nil)
		if g, ok := errors.AsType[*host.GuestError](err); !ok || g.Symbol != "fail" || g.Plugin.Name != "kit" {
			return fmt.Errorf("fail: %w", err)
		}
		if err := b.wantEcho(echo, "still here"); err != nil {
			return err
		}
	}
	return nil
}

func checkParallel(b *runtimeBench) error {
	_, f, err := b.function("echo")
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			for n := range 200 {
				err := b.wantEcho(f, fmt.Sprintf("%d-%d", i, n))
				if err != nil && !errors.Is(err, host.ErrBusy) {
					errs[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func checkExecContext(b *runtimeBench) error {
	m, f, err := b.function("spin")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(b.ctx, 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = f.Exec(ctx, nil, nil)
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
		return fmt.Errorf("error %w after %v", err, took)
	}
	echo, err := m.Function("echo")
	if err != nil {
		return err
	}
	if _, err := echo.Exec(ctx, nil, []any{"x"}); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a call with a context that has ended: %w", err)
	}
	return b.wantEcho(echo, "still here")
}
