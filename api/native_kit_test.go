package api_test

import (
	"context"
	"os"
	"path/filepath"

	"github.com/vanth-io/vanth/host"
)

// nativeRuntime takes .so files for plugins when they say "ok", and for ones
// that need a restart when they say "restart". They export whatever they are
// said to export, but for a function called absent.
type nativeRuntime struct{}

func (nativeRuntime) Name() string { return "native" }
func (nativeRuntime) Accepts(b host.Bundle) bool {
	return b.Plugin.Manifest.Language == host.LanguageNative
}
func (nativeRuntime) Close(context.Context) error { return nil }

func (nativeRuntime) Load(_ context.Context, b host.Bundle) (host.Module, error) {
	file := b.Plugin.Manifest.Executable
	code, err := os.ReadFile(filepath.Join(b.Dir, file))
	if err != nil {
		return nil, err
	}
	switch string(code) {
	case "ok":
	case "restart":
		return nil, host.Errorf(host.ErrRestart, "%s: takes effect at the next start", file)
	default:
		return nil, host.Errorf(host.ErrInvalid, "cannot open %s: found %q", file, code)
	}
	m := &testModule{&testRuntime{funcs: map[string]body{}}, b}
	for _, f := range b.Plugin.Manifest.Functions {
		if f != "absent" {
			m.rt.funcs[f] = func(_ context.Context, a []any) (any, error) { return a[0], nil }
		}
	}
	return m, nil
}
