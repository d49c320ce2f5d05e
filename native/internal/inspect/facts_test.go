//go:build linux && amd64

package inspect

import (
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestFacts reads the matching plugin and holds it against the standard
// library's own readers.
func TestFacts(t *testing.T) {
	b := fixture(t)
	f, err := Read(b.plugin)
	if err != nil {
		t.Fatal(err)
	}
	std, err := buildinfo.ReadFile(b.plugin)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(f.Build, std) {
		t.Errorf("build info\n%v\nexpected\n%v", f.Build, std)
	}
	e, err := elf.Open(b.plugin)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	libs, err := e.ImportedLibraries()
	if err != nil || !slices.Equal(libs, f.Needed) {
		t.Errorf("needed %q, expected %q %v", f.Needed, libs, err)
	}
	if f.Class != e.Class || f.Machine != e.Machine || f.Type != elf.ET_DYN || f.OSABI != e.OSABI || f.Data != e.Data {
		t.Errorf("header %+v", f)
	}
	if f.PluginPath != "example.com/echo.v1" || !f.IsPlugin() {
		t.Errorf("plugin path %q", f.PluginPath)
	}
	if want := []string{"Echo", "Label", "NewEcho"}; !slices.Equal(f.Symbols, want) {
		t.Errorf("symbols %q, expected %q", f.Symbols, want)
	}
	for _, p := range []string{"runtime", "time", Contract + "/api", "example.com/echo.v1"} {
		if f.Packages[p] == (Fingerprint{}) {
			t.Errorf("no fingerprint of %s", p)
		}
	}
	if f.Glibc != "" && !newer(f.Glibc, "2.0") || f.Libc == "" {
		t.Errorf("libc %q %q", f.Libc, f.Glibc)
	}
	if f.Setting("-trimpath") != "true" || f.Setting("GOARCH") != runtime.GOARCH || f.Setting("-race") != "" {
		t.Errorf("settings %v", f.Build.Settings)
	}
}

// TestListOfFiles: path and symbols of a plugin without an import path.
func TestListOfFiles(t *testing.T) {
	fixture(t)
	out := filepath.Join(t.TempDir(), "x.so")
	if err := build("testdata/plugin", out, nil, "-buildmode=plugin", "-trimpath", "-ldflags=-s -w", "main.go"); err != nil {
		t.Fatal(err)
	}
	f, err := Read(out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(f.PluginPath, unnamedPrefix) || !slices.Equal(f.Symbols, []string{"Echo", "Label", "NewEcho"}) {
		t.Errorf("%q %q", f.PluginPath, f.Symbols)
	}
}

// TestSelf reads the test binary, which has no plugin package in it.
func TestSelf(t *testing.T) {
	h, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	if h.Build == nil || h.Build.GoVersion != runtime.Version() || goarch(h.Machine) != runtime.GOARCH || h.CanOpen() {
		t.Errorf("%+v", h.Build)
	}
	if out, err := exec.Command("getconf", "GNU_LIBC_VERSION").Output(); err == nil && h.Libc == Glibc {
		if want := strings.TrimPrefix(strings.TrimSpace(string(out)), "glibc "); newer(h.Offers, want) || h.Offers == "" {
			t.Errorf("glibc %q, expected at most %q", h.Offers, want)
		}
	}
	if runtime.GOARCH == "amd64" && h.CPU == 0 {
		t.Error("no CPU level")
	}
}

// TestOtherMachines reads what no dlopen of this machine would take.
func TestOtherMachines(t *testing.T) {
	b := fixture(t)
	if testing.Short() {
		t.Skip("compiles the runtime for other machines")
	}
	dir := t.TempDir()
	main := filepath.Join(dir, "main.go")
	if err := os.WriteFile(main, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for arch, want := range map[string][]string{
		"386":   {"built for 386, this host is amd64", "it is 32-bit, this host is 64-bit: rebuild with GOARCH=amd64"},
		"s390x": {"built for s390x, this host is amd64", "it is big endian, this host is little endian"},
	} {
		out := filepath.Join(dir, arch)
		if err := build(dir, out, []string{"GOARCH=" + arch, "CGO_ENABLED=0"}, "-trimpath", "main.go"); err != nil {
			t.Fatal(err)
		}
		f, err := Read(out)
		if err != nil || f.Build == nil || f.Setting("GOARCH") != arch {
			t.Fatalf("%s: %+v %v", arch, f, err)
		}
		got := strings.Join(Differences(f, b.host), "\n")
		for _, w := range append(want, "it is an executable") {
			if !strings.Contains(got, w) {
				t.Errorf("%s: differences %s, expected %s", arch, got, w)
			}
		}
	}
}

func TestSDK(t *testing.T) {
	b := fixture(t)
	s := NewSDK(b.host)
	want := "export GOTOOLCHAIN=" + runtime.Version() + " CGO_ENABLED=1 GOARCH=amd64 GOOS=linux GOAMD64=v1\n" +
		"go get github.com/lf-edge/ekuiper/contract/v2@v2.3.1\n" +
		"go build -buildmode=plugin -trimpath -o NAME.so .\n"
	if got := s.String(); got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
}

func modcache(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		_ = os.Chmod(path, 0o644)
		err = os.WriteFile(path, append(b, text...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func swap(t *testing.T, path, old, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(b), old, text, 1)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
