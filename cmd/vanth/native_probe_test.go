//go:build linux

package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// zipFile makes an archive of one file, which lies in it as entry.
func zipFile(t *testing.T, entry, file string) []byte {
	t.Helper()
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if w, err := z.Create(entry); err != nil {
		t.Fatal(err)
	} else if _, err := w.Write(code); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestNativeUpdateWithWrongSymbols: an update that would wait for a restart is
// refused if its symbols would not be found then, in the words of that, and the
// old version goes on, also after the restart.
func TestNativeUpdateWithWrongSymbols(t *testing.T) {
	nativeBinary(t)
	dir, home := t.TempDir(), t.TempDir()
	build := func(name, source string) string {
		file := filepath.Join(dir, name)
		buildSo(t, file, "example.org/alfa", source, "-trimpath")
		return file
	}
	good := so("Alfa", `return 1, true`, "")
	first := build("first.so", good)
	typed := build("typed.so", strings.Replace(strings.Replace(good, "func Alfa() api.Function", "func Alfa() any", 1), "return 1", "return 2", 1))
	second := build("second.so", so("Alfa", `return 2, true`, `var Beta = 1`))

	const wrongType = "exported symbol %[1]s is not type of api.Function or function that return api.Function"
	p, c := startNative(t, home)
	do := func(method, path string, body []byte, status int, text string) {
		t.Helper()
		got, said, err := c.do(method, path, body)
		if err != nil || got != status || !strings.Contains(said, text) {
			t.Errorf("%s %s: %d %s %v; want %d with %q", method, path, got, said, err, status, text)
		}
	}
	do("POST", "/plugins/functions?name=alfa", zipFile(t, "Alfa@1.so", first), http.StatusCreated, "")
	do("PUT", "/plugins/functions/alfa", zipFile(t, "Alfa@2.so", typed), http.StatusBadRequest, "fail to install plugin: "+fmt.Sprintf(wrongType, "Alfa"))
	do("GET", "/plugins/functions/alfa", nil, http.StatusOK, `"version":"1"`)
	// The same file, by other names: that it passed is no answer for these.
	do("PUT", "/plugins/functions/alfa", zipFile(t, "Alfa@3.so", second), http.StatusOK, "")
	do("POST", "/plugins/functions/alfa/register", []byte(`{"functions":["alfa","beta"]}`), http.StatusBadRequest, fmt.Sprintf(wrongType, "Beta"))
	// A sink must be there; a function may be registered later.
	do("POST", "/plugins/sinks?name=alfa", zipFile(t, "Alfa@4.so", second), http.StatusBadRequest, "exported symbol Alfa is not type of api.Sink")
	do("POST", "/plugins/sinks?name=gamma", zipFile(t, "Gamma@4.so", second), http.StatusBadRequest, "Gamma@4.so does not export Gamma, which a sink of this name must")
	if got := c.result(t, "alfa", `[]`); got != `200 {"result":1}` {
		t.Error(got)
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.wait(t)
	_, c = startNative(t, home)
	if got := c.result(t, "alfa", `[]`); got != `200 {"result":2}` {
		t.Errorf("after the restart: %s", got)
	}
}

// TestNativeLibraryPath: a plugin whose C library is found by LD_LIBRARY_PATH
// opens where the host has it. Elsewhere it is refused, and not for good.
func TestNativeLibraryPath(t *testing.T) {
	nativeBinary(t)
	lib := t.TempDir()
	source := filepath.Join(lib, "far.c")
	if err := os.WriteFile(source, []byte("int far(void) { return 42; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", filepath.Join(lib, "libvanthfar.so"), source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	home, functions := nativeHome(t)
	code := strings.Replace(so("Linked", `return int(C.far()), true`, ""), "import ",
		"// #cgo LDFLAGS: -L"+lib+" -lvanthfar\n// int far(void);\nimport \"C\"\nimport ", 1)
	buildSo(t, filepath.Join(functions, "Linked.so"), "example.org/linked", code, "-trimpath")
	for _, start := range []struct{ path, want string }{{"", "503"}, {lib, `200 {"result":42}`}} {
		t.Setenv("LD_LIBRARY_PATH", start.path)
		p, c := startNative(t, home)
		if got := c.result(t, "linked", `[]`); !strings.HasPrefix(got, start.want) {
			_, entry, _ := c.do("GET", "/functions/linked", nil)
			t.Errorf("with %q: %s, want %s\n%s", start.path, got, start.want, entry)
		}
		if _, entry, _ := c.do("GET", "/functions/linked", nil); start.path == "" && !strings.Contains(entry, "libvanthfar.so: cannot open shared object file") {
			t.Errorf("listed with %s", entry)
		}
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		p.wait(t)
	}
}

// buildHanging builds a plugin that does not let go of its loader.
func buildHanging(t *testing.T, file string) {
	t.Helper()
	buildSo(t, file, "example.org/hangs", so("Hangs", `return 1, true`, `func init() { for { } }`), "-trimpath")
}

// TestNativeHangsOnce: a file that hangs delays one start. The next knows it, until
// it is replaced.
func TestNativeHangsOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the limit of a probe")
	}
	home, functions := nativeHome(t)
	path := nativeBinary(t)
	file := filepath.Join(functions, "Hangs.so")
	buildHanging(t, file)
	for _, start := range []string{"first", "second"} {
		began := time.Now()
		p := launchBinary(t, path, "serve", "--home", home, "--listen", "127.0.0.1:0")
		for deadline := began.Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			if list, _ := filepath.Glob(filepath.Join(home, "data", "native", "quarantine", "*")); len(list) > 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("nothing is in quarantine\n%s", p.log)
			}
		}
		p.address = p.log.address(t, p.ended)
		took := time.Since(began)
		t.Logf("%s start: %v", start, took.Round(time.Millisecond))
		if start == "second" && took > 10*time.Second {
			t.Errorf("the second start took %v", took)
		}
		c := newPeer(p.address)
		_, entry, err := c.do("GET", "/functions/hangs", nil)
		c.close()
		for _, want := range []string{`"status":"error"`, "its initialisers or constructors did not return within 20s", "in quarantine until it is replaced"} {
			if err != nil || !strings.Contains(entry, want) {
				t.Errorf("%s start: no %q in %s %v", start, want, entry, err)
			}
		}
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		p.wait(t)
	}
	buildSo(t, file, "example.org/hangs", so("Hangs", `return 1, true`, ""), "-trimpath")
	_, c := startNative(t, home)
	if got := c.result(t, "hangs", `[]`); got != `200 {"result":1}` {
		t.Errorf("replaced: %s", got)
	}
}

// TestNativeProbeDiesWithItsHost: a probe that hangs does not outlive a host
// that is killed.
func TestNativeProbeDiesWithItsHost(t *testing.T) {
	home, functions := nativeHome(t)
	path := nativeBinary(t)
	file := filepath.Join(functions, "Hangs.so")
	buildHanging(t, file)
	p := launchBinary(t, path, "serve", "--home", home, "--listen", "127.0.0.1:0")
	probes := func() (pids []string) {
		list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range list {
			if b, _ := os.ReadFile(f); bytes.Contains(b, []byte(probeCommand+"\x00"+home)) {
				pids = append(pids, filepath.Base(filepath.Dir(f)))
			}
		}
		return pids
	}
	for deadline := time.Now().Add(20 * time.Second); len(probes()) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no probe was started\n%s", p.log)
		}
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	for deadline := time.Now().Add(time.Second); len(probes()) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("probes %v outlive their host", probes())
		}
	}
}
