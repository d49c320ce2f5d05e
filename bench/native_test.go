//go:build cgo && linux

package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"plugin"
	"testing"

	contract "github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/native"
)

// BenchmarkNative calls the sample echo: the floor is the plugin's own method,
// through the interface that it implements.
func BenchmarkNative(b *testing.B) {
	ctx := context.Background()
	file := filepath.Join(b.TempDir(), "Echo.so")
	// As this test binary is built, so must the plugin be.
	cmd := exec.Command("go", "-C", "../plugins", "build", "-buildmode=plugin", "-o", file, "./functions/echo")
	if said, err := cmd.CombinedOutput(); err != nil {
		b.Skipf("SKIPPED BenchmarkNative: no plugin could be built: %v\n%s", err, said)
	}
	rt := native.New(native.Options{})
	defer rt.Close(ctx)
	h, err := host.Open(ctx, host.Options{Home: b.TempDir(), Store: &hosttest.MemStore{}, Runtimes: []host.Runtime{rt}})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close(ctx)
	code, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	f, _ := w.Create("Echo.so")
	f.Write(code)
	w.Close()
	p, err := h.Install(ctx, host.Request{ID: host.ID{Class: host.ClassFunctions, Name: "echo"}, Archive: &z})
	if err != nil {
		b.Skipf("SKIPPED BenchmarkNative: %v", err)
	}
	args := []any{"x"}
	b.Run("floor", func(b *testing.B) {
		so, err := plugin.Open(filepath.Join(p.Dir, "Echo.so"))
		if err != nil {
			b.Fatal(err)
		}
		symbol, err := so.Lookup("Echo")
		if err != nil {
			b.Fatal(err)
		}
		echo := symbol.(func() contract.Function)()
		b.ReportAllocs()
		for b.Loop() {
			if v, ok := echo.Exec(nil, args); !ok || v != "x" {
				b.Fatal(v, ok)
			}
		}
	})
	b.Run("vanth", func(b *testing.B) {
		echo := handle(b, h, "echo")
		b.ReportAllocs()
		for b.Loop() {
			if v, err := echo.Exec(ctx, nil, args); err != nil || v != "x" {
				b.Fatal(v, err)
			}
		}
	})
}
