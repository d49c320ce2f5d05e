package portable_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/portable"
)

// TestNodes: every sentence of host.Source and host.Sink, with a plugin that is
// built with the Go SDK, on both wires.
func TestNodes(t *testing.T) {
	out := filepath.Join(t.TempDir(), "kit")
	cmd := exec.Command("go", "-C", "../plugins", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "../portable/testdata/nodes/main.go")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	code, err := os.ReadFile(out)
	must(t, err)
	for wire, only := range map[string]bool{"lane": false, "eKuiper": true} {
		t.Run(wire, func(t *testing.T) {
			hosttest.Nodes(t, hosttest.NodeKit{
				New: func() (host.Runtime, error) {
					o := testOptions(t)
					o.EKuiperOnly = only
					return portable.New(o), nil
				},
				Files:    map[string][]byte{"kit": code},
				Manifest: host.Manifest{Language: "go", Executable: "kit", Sources: []string{"count"}, Sinks: []string{"keep"}},
				Endless:  only, Deaf: only,
				Kept: func(b host.Bundle) int64 {
					i, err := os.Stat(filepath.Join(b.Dir, "kept"))
					if err != nil {
						return 0
					}
					return i.Size()
				},
			})
		})
	}
}
