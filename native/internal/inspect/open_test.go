//go:build linux && amd64

package inspect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpen builds the plugin with one thing changed, and holds what Differences
// says against what plugin.Open does: none if and only if it opens.
func TestOpen(t *testing.T) {
	b := fixture(t)
	same, other := replaced(t, ""), replaced(t, "\n// Extra changes the export data.\ntype Extra struct{ N int }\n")
	for _, c := range []struct {
		name string
		dir  string
		env  []string
		args []string
		want string // in the one sentence that says why; none when it opens
		slow bool   // compiles the standard library again
	}{
		{name: "the same"},
		{name: "stripped", args: []string{"-ldflags=-s -w"}},
		{name: "variable set", args: []string{"-ldflags=-X main.Label=x"}},
		{name: "tag of its own", args: []string{"-tags=foo"}},
		{name: "own gcflags", args: []string{"-gcflags=-N -l"}},
		{name: "list of files", args: []string{"main.go"}},
		{name: "replaced by the same", dir: same},
		{name: "replaced by another", dir: other, want: "replaced by ../contract"},
		{name: "own plugin path", args: []string{"-ldflags=-pluginpath=hot/x1"}, want: "without -ldflags=-pluginpath"},
		{name: "no trimpath", args: []string{"-trimpath=false"}, want: "built without -trimpath, this host with -trimpath: rebuild with -trimpath"},
		{name: "gcflags of a shared package", args: []string{"-gcflags=time=-l"}, want: "built with -gcflags=time=-l, this host without -gcflags"},
		{name: "race", args: []string{"-race"}, want: "built with -race, this host without -race: rebuild without it", slow: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.slow && testing.Short() {
				t.Skip("compiles the standard library")
			}
			dir, out := c.dir, filepath.Join(t.TempDir(), "x.so")
			if dir == "" {
				dir = "testdata/plugin"
			}
			if err := build(dir, out, c.env, append([]string{"-buildmode=plugin", "-trimpath"}, c.args...)...); err != nil {
				t.Fatal(err)
			}
			got := b.compare(t, out)
			line := b.opens(t, out)[0]
			if opened := line == "opened: hello true"; opened != (len(got) == 0) {
				t.Errorf("the host says %q, the differences are %q", line, got)
			}
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("differences %q, expected one with %q", got, c.want)
			}
		})
	}
}

// replaced copies the plugin, with its contract replaced by a copy that has
// extra at the end of a file.
func replaced(t *testing.T, extra string) string {
	t.Helper()
	root := t.TempDir()
	cache := filepath.Join(modcache(t), "github.com/lf-edge/ekuiper/contract/v2@v2.3.1")
	if err := os.CopyFS(filepath.Join(root, "contract"), os.DirFS(cache)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "plugin")
	if err := os.CopyFS(dir, os.DirFS("testdata/plugin")); err != nil {
		t.Fatal(err)
	}
	mod := filepath.Join(dir, "go.mod")
	appendTo(t, mod, "\nreplace github.com/lf-edge/ekuiper/contract/v2 => ../contract\n")
	files, err := filepath.Glob(filepath.Join(root, "contract", "api", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal("no sources of the contract", err)
	}
	appendTo(t, files[0], extra)
	return dir
}

// TestEarlierPlugin: what was opened before counts, also when it was refused.
func TestEarlierPlugin(t *testing.T) {
	b := fixture(t)
	f, err := Read(b.plugin)
	if err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "again.so")
	if err := os.WriteFile(again, b.bytes, 0o755); err != nil {
		t.Fatal(err)
	}
	if lines := b.opens(t, b.plugin, again); !strings.Contains(lines[1], "plugin already loaded") {
		t.Errorf("the host says %q", lines)
	}
	h := b.host.With(f)
	if got := Differences(f, h); len(got) != 1 || !strings.Contains(got[0], "example.com/echo.v1 was opened in this process before") {
		t.Errorf("differences %q", got)
	}
	if got := Differences(f, b.host); len(got) != 0 {
		t.Errorf("With changed its receiver: %q", got)
	}

	// Two plugins whose common package the host has not.
	first, second := pair(t, "one", "-gcflags=encoding/csv=-l"), pair(t, "two", "-gcflags=")
	g, err := Read(first)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(second)
	if err != nil {
		t.Fatal(err)
	}
	if lines := b.opens(t, first, second); !strings.HasPrefix(lines[0], "opened") || !strings.Contains(lines[1], "package encoding/csv") {
		t.Errorf("the host says %q", lines)
	}
	if got := Differences(s, b.host); len(got) != 0 {
		t.Errorf("differences without the first %q", got)
	}
	got := Differences(s, b.host.With(g))
	if len(got) != 1 || !strings.Contains(got[0], "package encoding/csv is not the one that plugin example.com/one brought") {
		t.Errorf("differences %q", got)
	}
}

// pair builds a plugin that uses a package which the host has not.
func pair(t *testing.T, name, flag string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS("testdata/plugin")); err != nil {
		t.Fatal(err)
	}
	swap(t, filepath.Join(dir, "go.mod"), "example.com/echo.v1", "example.com/"+name)
	swap(t, filepath.Join(dir, "main.go"), "package main\n", "package main\n\nimport _ \"encoding/csv\"\n")
	out := filepath.Join(dir, "x.so")
	if err := build(dir, out, nil, "-buildmode=plugin", "-trimpath", flag); err != nil {
		t.Fatal(err)
	}
	return out
}
