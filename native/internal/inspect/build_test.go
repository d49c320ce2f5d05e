//go:build linux && amd64

package inspect

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// built holds what the tests build once: see fixture.
type built struct {
	dir    string
	host   *Host  // facts of the host program
	plugin string // path of the plugin that matches it
	bytes  []byte // of the plugin
}

// scratch is the folder of what is built once; TestMain makes and removes it.
var scratch string

// once builds host and plugin for the first test that asks.
var once = sync.OnceValues(func() (*built, error) {
	b := &built{dir: scratch, plugin: filepath.Join(scratch, "echo.so")}
	host := filepath.Join(scratch, "host")
	if err := build("testdata/host", host, nil, "-trimpath"); err != nil {
		return b, err
	}
	if err := build("testdata/plugin", b.plugin, nil, "-buildmode=plugin", "-trimpath"); err != nil {
		return b, err
	}
	f, err := Read(host)
	if err != nil {
		return b, err
	}
	b.host = on(f)
	b.bytes, err = os.ReadFile(b.plugin)
	return b, err
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "inspect")
	if err != nil {
		panic(err)
	}
	scratch = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// fixture returns what is built once, or skips where no plugin can be built.
func fixture(t testing.TB) *built {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("building plugins needs gcc")
	}
	b, err := once()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// build runs the go tool in dir, with what is on this machine and nothing else.
func build(dir, out string, env []string, args ...string) error {
	c := exec.Command("go", append([]string{"build", "-o", out}, args...)...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-buildvcs=false", "GOTOOLCHAIN=local", "GOWORK=off",
		"CGO_ENABLED=1", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GOEXPERIMENT=")
	c.Env = append(c.Env, env...)
	if msg, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", strings.Join(args, " "), err, msg)
	}
	return nil
}

// opens runs the host program on plugins and returns a line for each; when it
// dies, the last line says so.
func (b *built) opens(t *testing.T, plugins ...string) []string {
	t.Helper()
	c := exec.Command(filepath.Join(b.dir, "host"), plugins...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil {
		first, _, _ := strings.Cut(stderr.String(), "\n")
		lines = append(lines, "died: "+first)
	}
	return lines
}

// compare reads a file and returns its differences from the host.
func (b *built) compare(t *testing.T, path string) []string {
	t.Helper()
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return Differences(f, b.host)
}

// save writes a mutated plugin.
func save(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.so")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// rewrite replaces a text of the same length in the build info of a plugin.
func rewrite(t *testing.T, plugin []byte, old, text string) []byte {
	t.Helper()
	b := bytes.Clone(plugin)
	at := bytes.Index(b, []byte(buildInfoMagic))
	for at >= 0 && b[at+15]&buildInfoInline == 0 { // the magic also stands in code that looks for it
		at += 1 + bytes.Index(b[at+1:], []byte(buildInfoMagic))
	}
	i := bytes.Index(b[max(at, 0):], []byte(old))
	if at < 0 || i < 0 || len(old) != len(text) {
		t.Fatalf("no %q of the same length as %q in the build info", old, text)
	}
	copy(b[at+i:], text)
	return b
}
