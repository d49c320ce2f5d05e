package config

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/vanth-io/vanth/etc"
)

func TestPrepare(t *testing.T) {
	home := filepath.Join(t.TempDir(), "new", "home")
	for range 2 { // the second time everything is there
		if w, err := Prepare(home); err != nil || len(w) != 0 {
			t.Fatalf("warnings %v, error %v", w, err)
		}
	}
	for _, d := range []string{"data", "etc/mgmt", "plugins/wasm"} {
		if info, err := os.Stat(filepath.Join(home, d)); err != nil || !info.IsDir() {
			t.Errorf("%s: %v", d, err)
		}
	}
	if b, err := os.ReadFile(File(home)); err != nil || !bytes.Equal(b, etc.Kuiper()) {
		t.Errorf("kuiper.yaml: %v, or not the shipped one", err)
	}
	if left, _ := filepath.Glob(filepath.Join(home, "etc", ".kuiper-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPrepareKeepsWhatIsThere(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Dir(File(home)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(File(home), []byte("basic: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(home); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(File(home)); string(b) != "basic: {}\n" {
		t.Errorf("the file was changed: %q", b)
	}
}

// TestPrepareObstructed puts files where folders belong: it works for root too.
func TestPrepareObstructed(t *testing.T) {
	home := t.TempDir()
	for _, f := range []string{"etc", "plugins"} {
		if err := os.WriteFile(filepath.Join(home, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if w, err := Prepare(home); err != nil || len(w) != 3 {
		t.Errorf("etc and plugins: got warnings %v, error %v, want three warnings", w, err)
	}
	home = filepath.Join(home, "etc", "home")
	if _, err := Prepare(home); err == nil {
		t.Error("a home that cannot be made is no error")
	}
}
