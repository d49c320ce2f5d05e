package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/wasm"
)

// guest is the module of testdata/guest.wat.
var guest []byte

func TestMain(m *testing.M) {
	if code, ok := isWorker(); ok {
		os.Exit(code)
	}
	if isPeer() {
		return
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "vanth-bench-*")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		out := filepath.Join(dir, "guest.wasm")
		cmd := exec.Command("go", "run", "../wasm/internal/wat/assemble", "testdata/guest.wat", out)
		if said, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s%v\n", said, err)
			return 1
		}
		if guest, err = os.ReadFile(out); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// files are those of a plugin: names and contents.
type files map[string][]byte

// guestFiles are those of the guest. reset is what becomes of an instance after a
// call; "" is the default, to use it again.
func guestFiles(reset host.Reset) files {
	return files{
		"guest.wasm": guest,
		"guest.json": fmt.Appendf(nil, `{"version":"1","functions":["add","echo","spin","twice","sum","count"],"sources":["tick"],"reset":%q,
			"symbols":{"add":{"args":["f64","f64"],"returns":"f64"},"sum":{"args":["f64","f64"],"returns":"f64"},
			"twice":{"args":["f64"],"returns":"f64"},"count":{"args":[],"returns":"i64"}}}`, reset),
	}
}

// packed makes a zip of a plugin's files.
func (f files) packed(t testing.TB) *bytes.Buffer {
	t.Helper()
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for name, content := range f {
		head := &zip.FileHeader{Name: name, Method: zip.Deflate}
		head.SetMode(0o755)
		to, err := w.CreateHeader(head)
		if err == nil {
			_, err = to.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &z
}

// openHost is a host of one runtime, whose plugins are forgotten when t ends.
func openHost(t testing.TB, rt host.Runtime) *host.Host {
	t.Helper()
	ctx := context.Background()
	h, err := host.Open(ctx, host.Options{Home: t.TempDir(), Store: &hosttest.MemStore{}, Runtimes: []host.Runtime{rt}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(ctx) })
	return h
}

// install installs a plugin as a user would.
func install(t testing.TB, h *host.Host, class host.Class, name string, f files) host.Plugin {
	t.Helper()
	p, err := h.Install(context.Background(), host.Request{ID: host.ID{Class: class, Name: name}, Archive: f.packed(t)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wasmHost is a host of WebAssembly plugins.
func wasmHost(t testing.TB, o wasm.Options) *host.Host {
	t.Helper()
	rt, err := wasm.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.Background()) })
	return openHost(t, rt)
}

// guestHost is a host with the guest, under all limits.
func guestHost(t testing.TB) *host.Host {
	t.Helper()
	h := wasmHost(t, wasm.Options{})
	install(t, h, host.ClassWASM, "guest", guestFiles(host.ResetReuse))
	return h
}

// function finds a function by its name.
func function(t testing.TB, h *host.Host, name string) *host.Handle {
	t.Helper()
	f, err := h.Function(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// raw is the floor: a module on wazero and nothing else.
type raw struct {
	mod    api.Module
	memory api.Memory
}

func newRaw(t testing.TB, code []byte) *raw {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	t.Cleanup(func() { rt.Close(ctx) })
	mod, err := rt.Instantiate(ctx, code)
	if err != nil {
		t.Fatal(err)
	}
	return &raw{mod, mod.Memory()}
}

// call is one exported function with a stack of its own, as whoever wants it
// fast would keep it.
func (r *raw) call(t testing.TB, name string) func(words []uint64) error {
	t.Helper()
	f := r.mod.ExportedFunction(name)
	if f == nil {
		t.Fatalf("found no export %q", name)
	}
	return func(words []uint64) error { return f.CallWithStack(context.Background(), words) }
}
