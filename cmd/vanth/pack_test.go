package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bundle writes the folder of a plugin.
func bundle(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	for f, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(f))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	geoManifest = `{"version":"1","functions":["f"]}`
	geoModule   = "\x00asm\x01\x00\x00\x00"
)

func TestPack(t *testing.T) {
	dir := bundle(t, "geo", map[string]string{
		"geo.json": geoManifest, "geo.wasm": geoModule, "install.sh": "#!/bin/sh\n", "z/b": "b", "a/c": "c",
		".git/HEAD": "x", ".hidden": "x", "geo.zip": "an earlier one", "a/keep.zip": "z",
	})
	if err := os.Chmod(filepath.Join(dir, "install.sh"), 0o700); err != nil {
		t.Fatal(err)
	}
	first, second := filepath.Join(t.TempDir(), "1.zip"), filepath.Join(dir, "geo.zip")
	code, out, errs := vanth(t, nil, "plugin", "pack", dir, "-o", first)
	if code != exitOK {
		t.Fatal(errs)
	}
	later := time.Now().Add(time.Hour)
	for _, f := range []string{"geo.json", "a/c"} {
		if err := os.Chtimes(filepath.Join(dir, f), later, later); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, errs := vanth(t, nil, "plugin", "pack", dir, "-o", second); code != exitOK {
		t.Fatal(errs)
	}
	a, _ := os.ReadFile(first)
	b, _ := os.ReadFile(second)
	if len(a) == 0 || string(a) != string(b) {
		t.Error("equal folders gave different archives")
	}
	sum := sha256.Sum256(a)
	if !strings.HasPrefix(out, hex.EncodeToString(sum[:])+"  "+first) {
		t.Errorf("printed %q, not the digest", out)
	}

	z, err := zip.OpenReader(first)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name+" "+f.Mode().String())
	}
	want := []string{
		"a/c -rw-r--r--", "a/keep.zip -rw-r--r--", "geo.json -rw-r--r--", "geo.wasm -rw-r--r--",
		"install.sh -rwxr-xr-x", "z/b -rw-r--r--",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPackRefuses(t *testing.T) {
	link := bundle(t, "geo", map[string]string{"geo.json": geoManifest, "geo.wasm": geoModule})
	if err := os.Symlink("/etc/passwd", filepath.Join(link, "x")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, dir, out, want string }{
		{"no folder", filepath.Join(t.TempDir(), "none"), "", "expected the manifest none.json"},
		{"no manifest", bundle(t, "geo", map[string]string{"geo.wasm": geoModule}), "", "found 0 .json files"},
		{"two manifests", bundle(t, "geo", map[string]string{"a.json": "", "b.json": ""}), "", "found 2 .json files"},
		{"bad manifest", bundle(t, "geo", map[string]string{"geo.json": "{"}), "", "manifest geo.json: line 1"},
		{"empty manifest", bundle(t, "geo", map[string]string{"geo.json": "{}"}), "", "at lease one source"},
		{"bad name", bundle(t, "my geo", map[string]string{"my geo.json": geoManifest}), "", "contains invalid characters"},
		{"no module", bundle(t, "geo", map[string]string{"geo.json": geoManifest}), "", "geo.wasm: not there"},
		{"text as module", bundle(t, "geo", map[string]string{"geo.json": geoManifest, "geo.wasm": "(module)"}), "", "expected a WebAssembly module"},
		{"link", link, "", "is a link or no file"},
		{"wrong output", bundle(t, "geo", map[string]string{"geo.json": geoManifest, "geo.wasm": geoModule}), "json", "ends in .zip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := c.out
			if out == "" {
				out = filepath.Join(t.TempDir(), "x.zip")
			}
			code, _, errs := vanth(t, nil, "plugin", "pack", c.dir, "-o", out)
			if code == exitOK || !strings.Contains(errs, c.want) {
				t.Errorf("got %d %q, want %q", code, errs, c.want)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), "*")); c.out == "" && len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestPackNameOfManifest packs a folder that is not called like its plugin.
func TestPackNameOfManifest(t *testing.T) {
	t.Chdir(t.TempDir())
	dir := bundle(t, "build", map[string]string{"geo.json": geoManifest, "geo.wasm": geoModule})
	if code, out, errs := vanth(t, nil, "plugin", "pack", dir); code != exitOK || !strings.Contains(out, "  geo.zip  ") {
		t.Errorf("got %d %q %s", code, out, errs)
	}
	if _, err := os.Stat("geo.zip"); err != nil {
		t.Error(err)
	}
}
