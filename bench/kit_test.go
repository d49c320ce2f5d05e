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
	"github.com/vanth-io/vanth/store"
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

// raw is the floor: the guest on wazero and nothing else.
type raw struct {
	add, echo api.Function
	memory    api.Memory
}

func newRaw(b *testing.B) *raw {
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	b.Cleanup(func() { rt.Close(ctx) })
	mod, err := rt.Instantiate(ctx, guest)
	if err != nil {
		b.Fatal(err)
	}
	return &raw{mod.ExportedFunction("fn_add"), mod.ExportedFunction("fx_echo"), mod.Memory()}
}

// newHost is a host with the guest installed as a user would have it.
func newHost(b *testing.B, trusted bool) *host.Host {
	b.Helper()
	ctx, home := context.Background(), b.TempDir()
	st, err := store.Open(filepath.Join(home, "vanth.db"))
	if err != nil {
		b.Fatal(err)
	}
	o := wasm.Options{}
	if trusted {
		o.Trusted = []string{"guest"}
	}
	rt, err := wasm.New(ctx, o)
	if err != nil {
		b.Fatal(err)
	}
	h, err := host.Open(ctx, host.Options{Home: home, Store: st, Runtimes: []host.Runtime{rt}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		h.Close(ctx)
		rt.Close(ctx)
		st.Close()
	})
	installGuest(b, h)
	return h
}

// installGuest installs the guest as a user would.
func installGuest(b *testing.B, h *host.Host) {
	b.Helper()
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for name, content := range map[string][]byte{"guest.wasm": guest, "guest.json": []byte(`{"version":"1","functions":["add","echo"]}`)} {
		f, err := w.Create(name)
		if err != nil {
			b.Fatal(err)
		}
		f.Write(content)
	}
	w.Close()
	if _, err := h.Install(context.Background(), host.Request{ID: host.ID{Class: host.ClassWASM, Name: "guest"}, Archive: &z}); err != nil {
		b.Fatal(err)
	}
}

func handle(b *testing.B, h *host.Host, name string) *host.Handle {
	b.Helper()
	f, err := h.Function(name)
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// both runs a benchmark with the deadline switch and without.
func both(b *testing.B, run func(b *testing.B, h *host.Host)) {
	for _, trusted := range []bool{true, false} {
		name := "vanth"
		if trusted {
			name = "vanth-trusted"
		}
		b.Run(name, func(b *testing.B) { run(b, newHost(b, trusted)) })
	}
}
