package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
	"github.com/vanth-io/vanth/wasm"
)

// buildGoGuest builds testdata/goguest, for this machine or as a WebAssembly module.
// Its functions have the suffix behind their names.
func buildGoGuest(t testing.TB, module bool, suffix string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "goguest")
	args := []string{"-C", "testdata/goguest", "build", "-trimpath", "-ldflags=-s -w -X main.suffix=" + suffix, "-o", out}
	env := append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if module {
		args = append(args, "-buildmode=c-shared")
		env = append(env, "GOOS=wasip1", "GOARCH=wasm")
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Env = env
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// goGuestFiles are those of the guest in Go, see guestFiles.
func goGuestFiles(reset host.Reset, code []byte) files {
	return files{
		"goguest.wasm": code,
		"goguest.json": fmt.Appendf(nil, `{"version":"1","functions":["add","echo","fib","count"],"sources":["tick"],"reset":%q,
			"symbols":{"add":{"args":["f64","f64"],"returns":"f64"},"fib":{"args":["i64"],"returns":"i64"},"count":{"args":[],"returns":"i64"}}}`, reset),
	}
}

// rawGo is the guest in Go on wazero and nothing else: its functions, called with
// argument frames through its dispatcher.
type rawGo struct {
	*raw
	call  func(words []uint64) error
	names []string
	at    uint32 // its buffer for arguments
}

// goBuffer is how many bytes of arguments it is asked to take.
const goBuffer = 1 << 16

// newRawGo is the guest, started.
func newRawGo(t testing.TB, code []byte) *rawGo {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	t.Cleanup(func() { rt.Close(ctx) })
	rawGoImports(t, rt)
	mod, err := rt.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		t.Fatal(err)
	}
	g := &rawGo{raw: &raw{mod, mod.Memory()}}
	g.call = g.raw.call(t, "vanth_call")
	words := []uint64{goBuffer}
	if err := g.raw.call(t, "vanth_buf")(words); err != nil || words[0] == 0 {
		t.Fatal(words, err)
	}
	g.at = uint32(words[0])
	if err := g.raw.call(t, "vanth_symbols")(words); err != nil {
		t.Fatal(err)
	}
	symbols, err := frame.Decode(g.view(words[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols.([]any) {
		g.names = append(g.names, s.(string))
	}
	return g
}

// rawGoImports gives a runtime what the guest imports. It calls none of it.
func rawGoImports(t testing.TB, rt wazero.Runtime) {
	t.Helper()
	ctx := context.Background()
	wasi_snapshot_preview1.MustInstantiate(ctx, rt)
	_, err := rt.NewHostModuleBuilder("vanth").NewFunctionBuilder().
		WithFunc(func(int32, uint32, uint32) int32 { return 0 }).Export("fail").Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
}

// view is what a packed result says.
func (g *rawGo) view(packed uint64) []byte {
	b, _ := g.memory.Read(uint32(packed>>32), uint32(packed)&^(1<<31))
	return b
}

// loop calls a function n times with the frame of its arguments, and compares each
// result, copied out.
func (g *rawGo) loop(name string, args, want []byte) func(n int) error {
	number := uint64(slices.Index(g.names, name))
	return func(n int) error {
		words, dst := make([]uint64, 3), make([]byte, 0, len(want))
		for range n {
			g.memory.Write(g.at, args)
			words[0], words[1], words[2] = number, uint64(g.at), uint64(len(args))
			if err := g.call(words); err != nil {
				return err
			}
			if dst = append(dst[:0], g.view(words[0])...); !same(dst, want) {
				return fmt.Errorf("%w: % x", errWrong, dst)
			}
		}
		return nil
	}
}

// frames encodes arguments and a result.
func frames(t testing.TB, args []any, want any) (a, w []byte) {
	t.Helper()
	a, err := frame.AppendArgs(nil, args)
	if err == nil {
		w, err = frame.Append(nil, want)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a, w
}

// bytesLoop calls a function n times with the frame of its arguments, and compares
// each result.
func bytesLoop(f bytesLane, args, want []byte) func(n int) error {
	dst := make([]byte, 0, len(want))
	return func(n int) (err error) {
		for range n {
			if dst, err = f.ExecBytes(context.Background(), nil, dst[:0], args); err != nil {
				return err
			}
			if !same(dst, want) {
				return fmt.Errorf("%w: % x", errWrong, dst)
			}
		}
		return nil
	}
}

// guestWorks are calls of a guest that Go's own compiler made.
func guestWorks() []work {
	works := []work{
		{name: "std-Go guest: add(f64,f64)", subjects: func(t testing.TB) []subject {
			return goSubjects(t, "add", []any{addA, addB}, addSum)
		}},
		{name: "std-Go guest: echo 256 B", subjects: func(t testing.TB) []subject {
			payload := make([]byte, 256)
			return goSubjects(t, "echo", []any{payload}, payload)
		}},
		{name: "std-Go guest: fib(20)", subjects: func(t testing.TB) []subject {
			return goSubjects(t, "fib", []any{int64(20)}, int64(6765))
		}},
	}
	for i := range works { // so long that each has its share of the guest's collector
		works[i].rounds, works[i].round = 40, 20*time.Millisecond
	}
	return works
}

// goSubjects are one function of the guest in Go: on raw wazero, and on the bytes
// lane of a handle.
func goSubjects(t testing.TB, name string, args []any, want any) []subject {
	t.Helper()
	code := buildGoGuest(t, true, "")
	h := wasmHost(t, wasm.Options{})
	install(t, h, host.ClassWASM, "goguest", goGuestFiles(host.ResetReuse, code))
	f, g := function(t, h, name), newRawGo(t, code)
	a, w := frames(t, args, want)
	list := []subject{
		{name: "raw wazero, copied out", run: g.loop(name, a, w)},
		{name: "handle, bytes", run: bytesLoop(f, a, w)},
	}
	if _, isBytes := want.([]byte); !isBytes {
		list = append(list, subject{name: "Exec([]any)", run: execLoop(f, args, want)})
	}
	return list
}
