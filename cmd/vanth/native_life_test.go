//go:build linux

package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestNativeRegisterKeepsMemory: a register loses nothing that a plugin remembers:
// in its package, in the instances of its functions, or in a state that no store
// could keep. A list that is refused changes nothing.
func TestNativeRegisterKeepsMemory(t *testing.T) {
	nativeBinary(t)
	file := filepath.Join(t.TempDir(), "Alfa.so")
	source := so("Alfa", `total++; return total, true`, `
var total int

type own struct { f; n int }

func (o *own) Exec(api.FunctionContext, []any) (any, bool) { o.n++; return o.n, true }

func Own() api.Function { return &own{} }

type state struct { f }

func (state) Exec(ctx api.FunctionContext, _ []any) (any, bool) {
	if v, _ := ctx.GetState("f"); v != nil {
		return v.(func() string)(), true
	}
	return "new", ctx.PutState("f", func() string { return "kept" }) == nil
}

func State() api.Function { return state{} }

func Wrong() any { return nil }

func Broken() api.Function { panic("out of cheese") }

func Quits() api.Function { os.Exit(9); return nil }
`)
	buildSo(t, file, "example.org/alfa", strings.Replace(source, "import ", "import \"os\"\nimport ", 1), "-trimpath")
	home := t.TempDir()
	p, c := startNative(t, home)
	do := func(method, path, body string, status int, text string) {
		t.Helper()
		got, said, err := c.do(method, path, []byte(body))
		if err != nil || got != status || !strings.Contains(said, text) {
			t.Errorf("%s %s: %d %s %v; want %d with %q\n%s", method, path, got, said, err, status, text, p.log)
		}
	}
	list := func(names string) string { return `{"functions":["` + strings.ReplaceAll(names, " ", `","`) + `"]}` }
	register := "/plugins/functions/alfa/register"
	want := func(results ...string) {
		t.Helper()
		for i, name := range []string{"alfa", "own", "state"} {
			if got := c.result(t, name, `[]`); got != `200 {"result":`+results[i]+`}` {
				t.Errorf("%s: %s, want %s", name, got, results[i])
			}
		}
	}
	do("POST", "/plugins/functions?name=alfa&functions=alfa&functions=own&functions=state", string(zipFile(t, "Alfa.so", file)), http.StatusCreated, "")
	want("1", "1", `"new"`)
	do("POST", register, list("state own alfa absent"), http.StatusOK, "")
	want("2", "2", `"kept"`)
	for name, why := range map[string]string{"wrong": "Wrong is not type of api.Function", "broken": "out of cheese", "quits": "exit status 9"} {
		do("POST", register, list("alfa "+name), http.StatusBadRequest, why)
	}
	want("3", "3", `"kept"`)
	do("POST", register, list("alfa"), http.StatusOK, "")
	do("GET", "/functions/own", "", http.StatusNotFound, "")
	do("POST", register, list("alfa own state"), http.StatusOK, "")
	want("4", "4", `"kept"`)
	do("DELETE", "/plugins/functions/alfa", "", http.StatusOK, "")
	do("GET", "/functions/alfa", "", http.StatusNotFound, "")

	// The lists that were refused are not held against the file.
	do("POST", "/plugins/functions?name=alfa&functions=alfa&functions=own&functions=state", string(zipFile(t, "Alfa.so", file)), http.StatusCreated, "")
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.wait(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.log)
	}
	p, c = startNative(t, home)
	want("1", "1", `"new"`)
}

// TestNativeConstructorOfUpdate: an update that waits for a restart is refused if
// the constructor of its function would fail then.
func TestNativeConstructorOfUpdate(t *testing.T) {
	nativeBinary(t)
	dir := t.TempDir()
	good := so("Alfa", `return 1, true`, "")
	pack := func(version, maker string) []byte {
		file := filepath.Join(dir, version+".so")
		source := strings.Replace(strings.Replace(good, "return f{} }", maker+" }", 1), "return 1", "return "+version, 1)
		buildSo(t, file, "example.org/alfa", source, "-trimpath")
		return zipFile(t, "Alfa@"+version+".so", file)
	}
	_, c := startNative(t, t.TempDir())
	for _, step := range []struct {
		method, path string
		zip          []byte
		status       int
		want         string
	}{
		{"POST", "/plugins/functions?name=alfa", pack("1", "return f{}"), http.StatusCreated, ""},
		{"PUT", "/plugins/functions/alfa", pack("2", `panic("out of cheese")`), http.StatusBadRequest, "fail to install plugin: function alfa: constructor: panic: out of cheese"},
		{"PUT", "/plugins/functions/alfa", pack("3", "return nil"), http.StatusBadRequest, "fail to install plugin: function alfa: constructor returned nil"},
		{"GET", "/plugins/functions/alfa", nil, http.StatusOK, `{"name":"alfa","version":"1"}`},
		{"PUT", "/plugins/functions/alfa", pack("4", "return f{}"), http.StatusOK, "updated"},
	} {
		if status, body, err := c.do(step.method, step.path, step.zip); err != nil || status != step.status || !strings.Contains(body, step.want) {
			t.Errorf("%s: %d %s %v, want %d with %q", step.method, status, body, err, step.status, step.want)
		}
	}
	if got := c.result(t, "alfa", `[]`); got != `200 {"result":1}` {
		t.Error(got)
	}
}

// TestNativeLibraryBeside: a plugin that names its C library by where it is itself
// finds it, from a package and from a drop-in folder, also after an update.
func TestNativeLibraryBeside(t *testing.T) {
	nativeBinary(t)
	dir := t.TempDir()
	library := func(answer string) string {
		source, lib := filepath.Join(dir, "beside.c"), filepath.Join(dir, "libvanthbeside.so")
		if err := os.WriteFile(source, []byte("int beside(void) { return "+answer+"; }\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", lib, source).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		b, err := os.ReadFile(lib)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	lib := library("42")
	code := strings.Replace(so("Linked", `return int(C.beside()), true`, ""), "import ",
		"// #cgo LDFLAGS: -L"+dir+" -lvanthbeside -Wl,-rpath,$ORIGIN/lib\n// int beside(void);\nimport \"C\"\nimport ", 1)
	file := filepath.Join(dir, "Linked.so")
	buildSo(t, file, "example.org/linked", code, "-trimpath")
	so, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	home, functions := nativeHome(t)
	if err := os.MkdirAll(filepath.Join(functions, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"Linked.so": string(so), "lib/libvanthbeside.so": lib} {
		if err := os.WriteFile(filepath.Join(functions, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, c := startNative(t, home)
	if got := c.result(t, "linked", `[]`); got != `200 {"result":42}` {
		t.Errorf("dropped in: %s\n%s", got, p.log)
	}

	home = t.TempDir()
	p, c = startNative(t, home)
	for _, step := range []struct {
		what, method, path string
		zip                []byte
		status             int
		want               string
	}{
		{"without it", "POST", "/plugins/functions?name=linked", zipOf(t, "Linked.so", string(so)), http.StatusBadRequest, "libvanthbeside.so: cannot open shared object file"},
		{"with it", "POST", "/plugins/functions?name=linked", zipOf(t, "Linked.so", string(so), "lib/libvanthbeside.so", lib), http.StatusCreated, ""},
		{"again", "PUT", "/plugins/functions/linked", zipOf(t, "Linked.so", string(so), "lib/libvanthbeside.so", lib), http.StatusOK, ""},
	} {
		if status, body, err := c.do(step.method, step.path, step.zip); err != nil || status != step.status || !strings.Contains(body, step.want) {
			t.Errorf("%s: %d %s %v\n%s", step.what, status, body, err, p.log)
		}
	}
	for range 2 {
		if got := c.result(t, "linked", `[]`); got != `200 {"result":42}` {
			t.Errorf("installed: %s", got)
		}
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		p.wait(t)
		p, c = startNative(t, home)
	}
}
