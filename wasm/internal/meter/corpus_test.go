package meter_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

// TestCorpus: what toolchains made, which the engine carries as samples, is as valid with the meter as without.
func TestCorpus(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	dir := engineDir(t)
	var v verdicts
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".wasm" || strings.Contains(path, "spectest") {
			return err
		}
		code, err := os.ReadFile(path)
		if err != nil || raced && len(code) > 300_000 {
			return err
		}
		if err := agree(r, code, roomy, &v); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	t.Logf("the gate refuses %d, the engine %d, and accepts %d: %v", v.gate, v.neither, v.both, err)
	if err != nil || v.both < 50 {
		t.Error("there were few modules")
	}
}
