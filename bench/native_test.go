//go:build cgo && linux

package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"plugin"
	"testing"

	contract "github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/native"
)

// nativeWorks is the sample echo as a .so file.
func nativeWorks() []work {
	return []work{{name: "native echo", subjects: nativeEcho}}
}

// nativeEcho has the plugin's own method as the floor, through the interface that it
// implements; the plugin in this process, and in one of its own.
func nativeEcho(t testing.TB) []subject {
	file := filepath.Join(t.TempDir(), "Echo.so")
	// As this test binary is built, so must the plugin be.
	cmd := exec.Command("go", "-C", "../plugins", "build", "-buildmode=plugin", "-o", file, "./functions/echo")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no plugin could be built: %v\n%s", err, said)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	inside, installed := nativePlugin(t, native.Options{}, code)
	so, err := plugin.Open(installed) // a second copy of it could not be opened
	if err != nil {
		t.Fatal(err)
	}
	symbol, err := so.Lookup("Echo")
	if err != nil {
		t.Fatal(err)
	}
	echo := symbol.(func() contract.Function)()
	args := []any{"x"}
	worker, _ := nativePlugin(t, native.Options{Worker: []string{self, workerWord}}, code)
	return []subject{
		{name: "the plugin's own method", run: func(n int) error {
			for range n {
				if v, ok := echo.Exec(nil, args); !ok || v != "x" {
					return fmt.Errorf("%w: %v", errWrong, v)
				}
			}
			return nil
		}},
		{name: "in-process", run: execLoop(inside, args, "x")},
		{name: "in a worker process", run: execLoop(worker, args, "x")},
	}
}

// nativePlugin installs the plugin in a host and returns its function and file.
func nativePlugin(t testing.TB, o native.Options, code []byte) (*host.Handle, string) {
	t.Helper()
	rt := native.New(o)
	t.Cleanup(func() { rt.Close(context.Background()) })
	h := openHost(t, rt)
	id := host.ID{Class: host.ClassFunctions, Name: "echo"}
	p, err := h.Install(t.Context(), host.Request{ID: id, Archive: files{"Echo.so": code}.packed(t)})
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	return function(t, h, "echo"), filepath.Join(p.Dir, "Echo.so")
}
