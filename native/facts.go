package native

import (
	"fmt"
	"io"
	"strings"

	"github.com/vanth-io/vanth/native/internal/inspect"
)

// SDK tells how to build a plugin that this very host opens: lines for a shell,
// with the exact Go version, environment, flags and module versions. The error
// is ErrUnsupported in a build that opens none.
func SDK() (string, error) {
	if err := canOpen(); err != nil {
		return "", err
	}
	self, err := inspect.Self()
	if err != nil {
		return "", err
	}
	return inspect.NewSDK(self).String(), nil
}

// Inspect writes what a .so file is and everything that keeps this host from
// opening it, and reports whether it would. Nothing of the file runs.
func Inspect(path string, out io.Writer) (opens bool, err error) {
	f, err := inspect.Read(path)
	if err != nil {
		return false, err
	}
	row := func(key, format string, a ...any) { fmt.Fprintf(out, "%-12s %s\n", key+":", fmt.Sprintf(format, a...)) }
	row("machine", "%v %v", f.Machine, f.Class)
	row("C library", "%s %s", f.Libc, f.Glibc)
	if f.Build != nil {
		row("Go", "%s", f.Build.GoVersion)
		row("flags", "-trimpath=%s -race=%s -buildmode=%s", f.Setting("-trimpath"), f.Setting("-race"), f.Setting("-buildmode"))
		for _, d := range f.Build.Deps {
			row("module", "%s %s", d.Path, d.Version)
		}
	}
	if f.PluginPath != "" {
		row("plugin", "%q", f.PluginPath)
		row("exports", "%s", strings.Join(f.Symbols, " "))
	}
	self, err := inspect.Self()
	if err != nil {
		return false, err
	}
	list := inspect.Differences(f, self)
	for _, d := range list {
		row("refused", "%s", d)
	}
	if len(list) == 0 {
		row("verdict", "this host can open it")
	}
	return len(list) == 0, nil
}
