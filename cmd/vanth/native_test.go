//go:build linux

package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// withCgo builds vanth with cgo, which native plugins need.
var withCgo = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "vanth-native")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// nativeBinary is the build with cgo; without a C compiler its tests are skipped.
func nativeBinary(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skipf("SKIPPED %s: no C compiler: install gcc", t.Name())
	}
	path, err := withCgo()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// soSource is a native function plugin: its function answers what is in VALUE.
const soSource = `package main

import "github.com/lf-edge/ekuiper/contract/v2/api"

type f struct{}

func (f) Validate([]any) error                            { return nil }
func (f) Exec(api.FunctionContext, []any) (any, bool)     { VALUE }
func (f) IsAggregate() bool                               { return false }

func NAME() api.Function { return f{} }

EXTRA
func main() {}
`

// buildSo builds a plugin outside this repository, as its author would.
func buildSo(t *testing.T, file, module, source string, flags ...string) {
	t.Helper()
	dir := t.TempDir()
	sums, err := os.ReadFile("../../go.sum")
	if err == nil {
		err = errors.Join(
			os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644),
			os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+module+"\n\ngo 1.24.1\n\nrequire github.com/lf-edge/ekuiper/contract/v2 v2.3.1\n"), 0o644),
			os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", append(append([]string{"build", "-buildmode=plugin", "-o", file}, flags...), ".")...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=-mod=mod")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func so(name, value, extra string) string {
	return strings.NewReplacer("NAME", name, "VALUE", value, "EXTRA", extra).Replace(soSource)
}

// nativeHome makes a home and its drop-in folder for functions.
func nativeHome(t *testing.T) (home, functions string) {
	t.Helper()
	home = t.TempDir()
	functions = filepath.Join(home, "plugins", "functions")
	if err := os.MkdirAll(functions, 0o755); err != nil {
		t.Fatal(err)
	}
	return home, functions
}

// startNative starts the host with cgo.
func startNative(t *testing.T, home string) (*process, *peer) {
	t.Helper()
	p := launchBinary(t, nativeBinary(t), "serve", "--home", home, "--listen", "127.0.0.1:0")
	p.address = p.log.address(t, p.ended)
	c := newPeer(p.address)
	t.Cleanup(c.close)
	return p, c
}

func (c *peer) result(t *testing.T, function, args string) string {
	t.Helper()
	status, body, err := c.do("POST", "/functions/"+function+"/call", []byte(`{"args":`+args+`}`))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", status, strings.TrimSpace(body))
}

// TestNativeMismatches drops in files that cannot run here, each wrong in its
// own way: every one is listed with what is wrong, at this start and the next,
// and the good one beside them answers.
func TestNativeMismatches(t *testing.T) {
	nativeBinary(t)
	home, functions := nativeHome(t)
	good := filepath.Join(functions, "Good@v1.2.0.so")
	buildSo(t, good, "example.org/good", so("Good", `return "good", true`, ""), "-trimpath")
	code, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(functions, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	arm := bytes.Clone(code)
	arm[18], arm[19] = 183, 0 // EM_AARCH64
	write("Arm.so", arm)
	write("Cut.so", code[:len(code)/4096/2*4096])
	write("Text.so", []byte("no plugin at all"))
	write("Empty.so", nil)
	older := bytes.Replace(code, []byte("contract/v2\tv2.3.1"), []byte("contract/v2\tv2.0.0"), 1)
	if bytes.Equal(older, code) {
		t.Fatal("no build information to rewrite")
	}
	write("Older.so", older)
	buildSo(t, filepath.Join(functions, "Untrimmed.so"), "example.org/untrimmed", so("Untrimmed", `return 1, true`, ""))
	buildSo(t, filepath.Join(functions, "WrongType.so"), "example.org/wrongtype", strings.Replace(so("WrongType", `return 1, true`, ""), "func WrongType() api.Function", "func WrongType() any", 1), "-trimpath")
	buildSo(t, filepath.Join(functions, "Killer.so"), "example.org/killer", so("Killer", `return 1, true`, `func init() { var p *int; go func() { *p = 1 }(); select {} }`), "-trimpath")
	buildSo(t, filepath.Join(functions, "Leaver.so"), "example.org/leaver", strings.Replace(so("Leaver", `return 1, true`, `func init() { os.Exit(0) }`), "import ", "import \"os\"\nimport ", 1), "-trimpath")
	buildSo(t, filepath.Join(functions, "Panics.so"), "example.org/panics", so("Panics", `panic("out of cheese")`, ""), "-trimpath")

	want := map[string]string{
		"arm":       "arm64",
		"cut":       "truncated",
		"text":      "not an ELF file",
		"empty":     "",
		"older":     "v2.0.0",
		"untrimmed": "-trimpath",
		"wrongType": "exported symbol WrongType is not type of api.Function or function that return api.Function",
		"killer":    "SIGSEGV",
		"leaver":    "ended the process",
	}
	for _, start := range []string{"first", "second"} {
		p, c := startNative(t, home)
		if got := c.result(t, "good", `[]`); got != `200 {"result":"good"}` {
			t.Errorf("%s start: good: %s\n%s", start, got, p.log)
		}
		if got := c.result(t, "panics", `[]`); !strings.HasPrefix(got, "502") || !strings.Contains(got, "out of cheese") {
			t.Errorf("%s start: panics: %s", start, got)
		}
		for name, text := range want {
			status, body, err := c.do("GET", "/functions/"+name, nil)
			if err != nil || status != http.StatusOK || !strings.Contains(body, `"status":"error"`) || !strings.Contains(body, text) {
				t.Errorf("%s start: %s: %d %s %v; want %q", start, name, status, body, err, text)
			}
			if got := c.result(t, name, `[]`); !strings.HasPrefix(got, "503") {
				t.Errorf("%s start: call of %s: %s", start, name, got)
			}
		}
		if _, body, _ := c.do("GET", "/functions/killer", nil); start == "second" && !strings.Contains(body, "in quarantine until it is replaced") {
			t.Errorf("killer: %s", body)
		}
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		if code := p.wait(t); code != exitOK {
			t.Errorf("exit code %d\n%s", code, p.log)
		}
	}
}

// TestNativeWithoutCgo: a build without cgo lists such plugins with what to do.
func TestNativeWithoutCgo(t *testing.T) {
	home, functions := nativeHome(t)
	if err := os.WriteFile(filepath.Join(functions, "Echo@v1.so"), []byte("\x7fELF"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := startServe(t, home)
	if _, body := get(t, p.address+"/functions/echo"); !strings.Contains(body, "it was made without cgo") {
		t.Error(body)
	}
}

// versionedTemplate is a native plugin with eight bytes that tests write its
// version over.
var versionedTemplate = sync.OnceValues(func() (string, error) {
	return filepath.Join(built, "versioned"), os.MkdirAll(filepath.Join(built, "versioned"), 0o755)
})

// versionedSo makes the archive of native plugin name in version n: its function
// answers n.
func versionedSo(t testing.TB, name string, n int) []byte {
	t.Helper()
	dir, err := versionedTemplate()
	if err != nil {
		t.Fatal(err)
	}
	symbol := strings.ToUpper(name[:1]) + name[1:]
	file := filepath.Join(dir, symbol+".so")
	if _, err := os.Stat(file); err != nil {
		source := strings.Replace(so(symbol, `n, _ := strconv.Atoi(version[8:]); return n, true`, `var version = "version=00000000"`), "import ", "import \"strconv\"\nimport ", 1)
		buildSo(t.(*testing.T), file, "example.org/"+name, source, "-trimpath")
	}
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stamped := bytes.Replace(code, []byte("version=00000000"), fmt.Appendf(nil, "version=%08d", n), 1)
	if bytes.Equal(stamped, code) {
		t.Fatal("no version to write over")
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for file, content := range map[string][]byte{fmt.Sprintf("%s@%d.so", symbol, n): stamped, name + ".json": fmt.Appendf(nil, `{"version":%d}`, n)} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: file, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestNativeStopsWith100: deleting with stop=1 ends the host, which whoever
// watches over it starts again.
func TestNativeStopsWith100(t *testing.T) {
	for _, word := range []string{"stop", "restart"} {
		home, functions := nativeHome(t)
		if err := os.WriteFile(filepath.Join(functions, "Echo@v1.so"), []byte("no plugin"), 0o644); err != nil {
			t.Fatal(err)
		}
		p := startServe(t, home)
		c := newPeer(p.address)
		status, body, err := c.do("DELETE", "/plugins/functions/echo?"+word+"=1", nil)
		c.close()
		if err != nil || status != http.StatusOK || body != "functions plugin echo is deleted and eKuiper will be stopped" {
			t.Errorf("%d %s %v", status, body, err)
		}
		if code := p.wait(t); code != 100 {
			t.Errorf("%s: exit code %d\n%s", word, code, p.log)
		}
	}
}

// TestNativeClassesTakeModules: a WebAssembly module whose symbols are of the
// class's kind installs under it, also in a build without cgo.
func TestNativeClassesTakeModules(t *testing.T) {
	p := startServe(t, t.TempDir())
	c := newPeer(p.address)
	defer c.close()
	if status, body, err := c.do("POST", "/plugins/functions?name=alfa", versioned(t, "alfa", 7)); err != nil || status != http.StatusCreated {
		t.Fatal(status, body, err)
	}
	if got, err := c.call("alfa"); err != nil || got != 7 {
		t.Error(got, err)
	}
	if status, body, _ := c.do("GET", "/plugins/functions", nil); status != http.StatusOK || body != `["alfa"]` {
		t.Error(status, body)
	}
	if status, body, _ := c.do("POST", "/plugins/sinks?name=beta", versioned(t, "beta", 7)); status != http.StatusBadRequest || !strings.Contains(body, "which holds sinks only") {
		t.Error(status, body)
	}
}

// TestNativeInWorkers: with native.isolation: process updates are hot, a plugin
// that ends its process fails its call and no more, and no worker outlives the
// host.
func TestNativeInWorkers(t *testing.T) {
	home, functions := nativeHome(t)
	nativeBinary(t)
	if err := errors.Join(os.MkdirAll(filepath.Join(home, "etc"), 0o755),
		os.WriteFile(filepath.Join(home, "etc", "kuiper.yaml"), []byte("native:\n  isolation: process\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	buildSo(t, filepath.Join(functions, "Leaves.so"), "example.org/leaves",
		strings.Replace(so("Leaves", `println("last words"); os.Exit(3); return nil, false`, ``), "import ", "import \"os\"\nimport ", 1), "-trimpath")
	p, c := startNative(t, home)
	if status, body, err := c.do("POST", "/plugins/functions?name=alfa", versionedSo(t, "alfa", 1)); err != nil || status != http.StatusCreated {
		t.Fatal(status, body, err, p.log)
	}
	for n := 2; n < 6; n++ {
		if status, body, err := c.do("PUT", "/plugins/functions/alfa", versionedSo(t, "alfa", n)); err != nil || status != http.StatusOK {
			t.Fatal(status, body, err)
		}
		if got, err := c.call("alfa"); err != nil || got != n {
			t.Errorf("after the update to %d: %d, %v", n, got, err)
		}
		if got := c.result(t, "leaves", `[]`); !strings.HasPrefix(got, "502") && !strings.HasPrefix(got, "503") {
			t.Errorf("leaves: %s", got)
		} else if n == 2 && !strings.Contains(got, "last words") {
			t.Errorf("what it printed is lost: %s", got)
		}
	}
	workers := func() (pids []string) {
		list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range list {
			if b, _ := os.ReadFile(f); bytes.Contains(b, []byte(workerCommand+"\x00"+home)) {
				pids = append(pids, filepath.Base(filepath.Dir(f)))
			}
		}
		return pids
	}
	if n := len(workers()); n < 1 || n > 2 {
		t.Errorf("%d workers run", n)
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	for deadline := time.Now().Add(time.Second); len(workers()) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("workers %v outlive their host", workers())
		}
	}
}

// TestNativeSamePathOtherBuild: Go remembers files by path; another build that is
// installed under the same names runs its own code, or says that it waits.
func TestNativeSamePathOtherBuild(t *testing.T) {
	nativeBinary(t)
	dir := t.TempDir()
	pack := func(module, answer string) []byte {
		file := filepath.Join(dir, module+".so")
		buildSo(t, file, "example.org/"+module, so("Same", `return "`+answer+`", true`, ""), "-trimpath")
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, _ := z.Create("Same@v1.so")
		w.Write(code)
		z.Close()
		return b.Bytes()
	}
	one, two := pack("one", "one"), pack("two", "two")
	_, c := startNative(t, t.TempDir())
	for _, step := range []struct {
		method, path string
		body         []byte
		want         string
	}{
		{"POST", "/plugins/functions?name=same", one, "one"},
		{"DELETE", "/plugins/functions/same", nil, ""},
		{"POST", "/plugins/functions?name=same", two, "two"},
		{"PUT", "/plugins/functions/same", one, "one"},
		{"PUT", "/plugins/functions/same", two, "two"},
	} {
		if status, body, err := c.do(step.method, step.path, step.body); err != nil || status >= 300 {
			t.Fatal(step.method, status, body, err)
		}
		if step.want == "" {
			continue
		}
		if got := c.result(t, "same", `[]`); got != `200 {"result":"`+step.want+`"}` {
			t.Errorf("%s: %s, want %s", step.method, got, step.want)
		}
	}
}
