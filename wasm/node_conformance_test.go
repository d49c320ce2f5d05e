package wasm

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// goGuest builds a guest as its author would: file is within plugins, or a path
// to a main.go.
func goGuest(t testing.TB, target string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "-C", "../plugins", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, target)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestNodeConformance(t *testing.T) {
	code := goGuest(t, "../wasm/testdata/nodes/main.go")
	dir := t.TempDir()
	hosttest.Nodes(t, hosttest.NodeKit{
		New: func() (host.Runtime, error) {
			return New(context.Background(), Options{CacheDir: dir, StartTimeout: time.Minute, CallTimeout: time.Minute})
		},
		Files:    map[string][]byte{"kit.wasm": code},
		Manifest: host.Manifest{Language: "wasm", Sources: []string{"count"}, Sinks: []string{"keep"}, Requires: []string{"state"}},
		Kept:     func(b host.Bundle) int64 { return b.State.Counter("rule\x00sink", "kept") },
		Emitted:  func(b host.Bundle) int64 { return b.State.Counter("rule\x00source", "emitted") },
		Ahead:    maxEmits,
		Rewinds:  true,
	})
}
