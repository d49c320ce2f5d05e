//go:build cgo && linux

package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
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
// through the interface that it implements; vanth runs it in this process,
// worker in a process of its own.
func BenchmarkNative(b *testing.B) {
	file := filepath.Join(b.TempDir(), "Echo.so")
	// As this test binary is built, so must the plugin be.
	cmd := exec.Command("go", "-C", "../plugins", "build", "-buildmode=plugin", "-o", file, "./functions/echo")
	if said, err := cmd.CombinedOutput(); err != nil {
		b.Skipf("SKIPPED BenchmarkNative: no plugin could be built: %v\n%s", err, said)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	args := []any{"x"}
	inside, installed := nativeEcho(b, native.Options{}, code)
	b.Run("floor", func(b *testing.B) {
		so, err := plugin.Open(installed) // a second copy of it could not be opened
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
	worker, _ := nativeEcho(b, native.Options{Worker: []string{self, workerWord}}, code)
	for name, echo := range map[string]*host.Handle{"vanth": inside, "worker": worker} {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if v, err := echo.Exec(ctx, nil, args); err != nil || v != "x" {
					b.Fatal(v, err)
				}
			}
		})
	}
}

// nativeEcho installs the plugin in a host and returns its function and file.
func nativeEcho(b *testing.B, opts native.Options, code []byte) (*host.Handle, string) {
	b.Helper()
	ctx := context.Background()
	rt := native.New(opts)
	b.Cleanup(func() { rt.Close(ctx) })
	h, err := host.Open(ctx, host.Options{Home: b.TempDir(), Store: &hosttest.MemStore{}, Runtimes: []host.Runtime{rt}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close(ctx) })
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	f, err := w.Create("Echo.so")
	if err == nil {
		_, err = f.Write(code)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		b.Fatal(err)
	}
	p, err := h.Install(ctx, host.Request{ID: host.ID{Class: host.ClassFunctions, Name: "echo"}, Archive: &z})
	if err != nil {
		b.Skipf("SKIPPED %s: %v", b.Name(), err)
	}
	return handle(b, h, "echo"), filepath.Join(p.Dir, "Echo.so")
}
