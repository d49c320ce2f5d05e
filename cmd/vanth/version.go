package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker (-X main.version=1.2.3) and never after.
var version string

// build is what is known of this binary.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	CGO      bool   `json:"cgo"`
}

// thisBuild reads what the Go linker recorded.
func thisBuild() build {
	b := build{Version: cmp.Or(version, "devel"), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; version == "" && v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "CGO_ENABLED":
			b.CGO = s.Value == "1"
		}
	}
	return b
}

func newVersion(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  cobra.NoArgs,
		RunE: action(func(*cobra.Command, []string) error {
			b := thisBuild()
			return g.print(b, func() error {
				cgo := "no"
				if b.CGO {
					cgo = "yes"
				}
				_, err := fmt.Fprintf(g.env.out, "vanth %s %s %s/%s cgo %s\n", b.Version, b.Go, b.OS, b.Arch, cgo)
				return err
			})
		}),
	}
}
