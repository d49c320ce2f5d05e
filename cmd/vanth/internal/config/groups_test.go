package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGroups(t *testing.T) {
	home := t.TempDir()
	if g, err := Groups(home, "sources", "x"); g != nil || err != nil {
		t.Errorf("no home: %v %v", g, err)
	}
	dir := filepath.Join(home, "etc", "sources")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{"x.yaml": "default:\n  interval: 10\nFast: {interval: 1, list: [1, a]}\n", "bad.yaml": "just words"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g, err := Groups(home, "sources", "x")
	want := map[string]map[string]any{"default": {"interval": 10}, "fast": {"interval": 1, "list": []any{1, "a"}}}
	if diff := cmp.Diff(want, g); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := Groups(home, "sources", "bad"); err == nil {
		t.Error("no error for a file that holds no groups")
	}
	if g, err := Groups(home, "sources", "../../x"); g != nil && err == nil {
		t.Error("a file outside etc was read")
	}
}
