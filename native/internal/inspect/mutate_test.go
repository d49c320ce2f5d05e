//go:build linux && amd64

package inspect

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestTruncated cuts the plugin at every 4 KiB, from the end to the beginning,
// with and without its symbol table.
func TestTruncated(t *testing.T) {
	b := fixture(t)
	stripped := filepath.Join(t.TempDir(), "stripped.so")
	if err := build("testdata/plugin", stripped, nil, "-buildmode=plugin", "-trimpath", "-ldflags=-s -w"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{save(t, b.bytes), stripped} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		cuts := 0
		for size := (info.Size() - 1) &^ 4095; size > 0; size -= 4096 {
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(path); !errors.Is(err, ErrTruncated) || !strings.Contains(err.Error(), "bytes are missing") {
				t.Fatalf("cut at %d of %d: %v", size, info.Size(), err)
			}
			cuts++
		}
		t.Logf("%d cuts of %d bytes", cuts, info.Size())
	}
	for _, n := range []int{1, 3, 4, 15, 16, 63, 64, len(b.bytes) - 1} {
		_, err := read(bytes.NewReader(b.bytes[:n]), int64(n))
		if want := map[bool]error{true: ErrNotELF, false: ErrTruncated}[n < 4]; !errors.Is(err, want) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	_, err := read(bytes.NewReader(b.bytes[:4096]), 4096)
	if err == nil || !strings.Contains(err.Error(), "truncated: it has 4096 bytes, but its section table ends at byte ") {
		t.Errorf("%v", err)
	}
}

// TestRewritten changes one fact in place and expects it named, alone.
func TestRewritten(t *testing.T) {
	b := fixture(t)
	version := runtime.Version()
	older := "go1.25.4" + strings.Repeat("0", max(0, len(version)-8))
	blind := *b.host
	blind.Packages = nil
	machine := bytes.Clone(b.bytes)
	machine[18] = 183 // EM_AARCH64
	for _, c := range []struct {
		name string
		b    []byte
		h    *Host
		want []string
	}{
		{"machine", machine, b.host, []string{"built for arm64, this host is amd64: rebuild with GOARCH=amd64"}},
		{"Go version", rewrite(t, b.bytes, version, older[:len(version)]), b.host, []string{
			"built with " + older[:len(version)] + ", this host with " + version + ": rebuild with GOTOOLCHAIN=" + version,
		}},
		{"contract", rewrite(t, b.bytes, "contract/v2\tv2.3.1", "contract/v2\tv2.0.0"), b.host, []string{
			"built with " + Contract + " v2.0.0, this host has v2.3.1: go get " + Contract + "@v2.3.1 and rebuild",
		}},
		{"trimpath, where no fingerprint says otherwise", rewrite(t, b.bytes, "-trimpath=true", "-trimpeth=true"), b.host, nil},
		{"trimpath, without fingerprints", rewrite(t, b.bytes, "-trimpath=true", "-trimpeth=true"), &blind, []string{
			"this host was built without cgo, or without Go plugins, and opens none: build it with CGO_ENABLED=1",
			"built without -trimpath, this host with -trimpath: rebuild with -trimpath",
		}},
		{"several at once", rewrite(t, rewrite(t, b.bytes, version, older[:len(version)]), "v2.3.1", "v2.0.0"), b.host, []string{
			"built with " + older[:len(version)] + ", this host with " + version + ": rebuild with GOTOOLCHAIN=" + version,
			"built with " + Contract + " v2.0.0, this host has v2.3.1: go get " + Contract + "@v2.3.1 and rebuild",
		}},
		{"not a plugin by its own word", rewrite(t, b.bytes, "-buildmode=plugin", "-buildmode=shared"), b.host, []string{
			"it is a Go binary built with -buildmode=shared, expected plugin; opening it would end the host: " +
				"build it with go build -buildmode=plugin -trimpath",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Read(save(t, c.b))
			if err != nil {
				t.Fatal(err)
			}
			if got := Differences(f, c.h); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestOneFingerprint changes one byte of one package's fingerprint, which no
// setting explains.
func TestOneFingerprint(t *testing.T) {
	b := fixture(t)
	f, err := Read(b.plugin)
	if err != nil {
		t.Fatal(err)
	}
	p := f.Packages["time"]
	if n := bytes.Count(b.bytes, p[:]); n == 0 {
		t.Fatal("the fingerprint is not in the file")
	}
	path := save(t, bytes.ReplaceAll(b.bytes, p[:], []byte("another!")))
	got := b.compare(t, path)
	if len(got) != 1 || !strings.Contains(got[0], "package time was compiled from other sources or with other flags than in this host: "+
		"rebuild with go build -buildmode=plugin -trimpath") {
		t.Errorf("differences %q", got)
	}
	if lines := b.opens(t, path); !strings.Contains(lines[0], "different version of package time") {
		t.Errorf("the host says %q", lines)
	}
}

// TestRefused reads what is no plugin at all.
func TestRefused(t *testing.T) {
	b := fixture(t)
	class := bytes.Clone(b.bytes)
	class[4] = 1
	order := bytes.Clone(b.bytes)
	order[5] = 2
	var archive bytes.Buffer
	if err := zip.NewWriter(&archive).Close(); err != nil {
		t.Fatal(err)
	}
	var full bytes.Buffer
	w := zip.NewWriter(&full)
	if _, err := w.Create("echo.so"); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path, want string
		is               error
	}{
		{"empty", save(t, nil), "not an ELF file: it is empty", ErrNotELF},
		{"text", save(t, []byte("hello\n")), `not an ELF file: it begins with "hell", expected "\x7fELF"`, ErrNotELF},
		{"zip", save(t, full.Bytes()), `not an ELF file: it begins with "PK\x03\x04" (a zip?)`, ErrNotELF},
		{"empty zip", save(t, archive.Bytes()), `"PK\x05\x06" (a zip?)`, ErrNotELF},
		{"class", save(t, class), "its class is 32-bit, but its machine amd64 has 64-bit", ErrDamaged},
		{"byte order", save(t, order), "byte order is not ELFDATA2MSB", ErrDamaged},
		{"folder", t.TempDir(), "not a regular file but a directory", ErrNotRegular},
		{"fifo", fifo, "not a regular file but a named pipe", ErrNotRegular},
		{"device", "/dev/zero", "not a regular file but a device", ErrNotRegular},
		{"absent", filepath.Join(t.TempDir(), "no.so"), "no such file", os.ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Read(c.path)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
}

// TestNotPlugin reads what is ELF, would be taken by dlopen or nearly, and must
// not reach it: the host says what would happen.
func TestNotPlugin(t *testing.T) {
	b := fixture(t)
	dir := t.TempDir()
	c := filepath.Join(dir, "c.so")
	if msg, err := exec.Command("gcc", "-shared", "-x", "c", "-o", c, os.DevNull).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nimport \"C\"\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(dir, "shared.so")
	if err := build(dir, shared, nil, "-trimpath", "-buildmode=c-shared", "main.go"); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ path, want, host string }{
		{filepath.Join(b.dir, "host"), "it is an executable, expected a Go plugin", "refused: plugin.Open"},
		{c, "it is a shared object without Go build info, expected a Go plugin; opening it would end the host", "no plugin module data"},
		{shared, "built with -buildmode=c-shared, expected plugin; opening it would end the host", "no plugin module data"},
	} {
		if got := b.compare(t, x.path); len(got) != 1 || !strings.Contains(got[0], x.want) {
			t.Errorf("%s: differences %q, expected %q", x.path, got, x.want)
		}
		lines := b.opens(t, x.path)
		if !strings.Contains(lines[len(lines)-1], x.host) {
			t.Errorf("%s: the host says %q, expected %q", x.path, lines, x.host)
		}
	}
}
