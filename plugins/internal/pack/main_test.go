package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPack(t *testing.T) {
	dir := t.TempDir()
	so := write(t, filepath.Join(dir, "build", "Random@v1.0.0.so"), strings.Repeat("code", 1000), 0o755)
	yaml := write(t, filepath.Join(dir, "random.yaml"), "default: {}\n", 0o600)
	out := filepath.Join(dir, "random.zip")
	var stderr bytes.Buffer
	if status := run([]string{out, so, yaml}, &stderr); status != 0 || stderr.Len() > 0 {
		t.Fatalf("%d: %s", status, &stderr)
	}
	r, err := zip.OpenReader(out)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(r.File) != 2 {
		t.Fatalf("%d entries", len(r.File))
	}
	for i, want := range []string{"Random@v1.0.0.so", "random.yaml"} {
		f := r.File[i]
		if f.Name != want || f.Mode() != 0o644 || f.Modified.Year() != 1980 {
			t.Errorf("%s, %v, %v", f.Name, f.Mode(), f.Modified)
		}
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		file, _ := os.ReadFile([]string{so, yaml}[i])
		if err != nil || !bytes.Equal(got, file) {
			t.Errorf("%s: %d bytes, %v", f.Name, len(got), err)
		}
	}
}

// Neither the time nor the mode of a file changes the zip.
func TestEqual(t *testing.T) {
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a", "x"), "content", 0o600)
	b := write(t, filepath.Join(dir, "b", "x"), "content", 0o755)
	if err := os.Chtimes(b, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	var zips [2][]byte
	for i, file := range []string{a, b} {
		out := filepath.Join(dir, "out.zip")
		if err := pack(out, []string{file}); err != nil {
			t.Fatal(err)
		}
		zips[i], _ = os.ReadFile(out)
	}
	if !bytes.Equal(zips[0], zips[1]) {
		t.Error("two zips of equal files differ")
	}
}

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "x"), "", 0o600)
	out := filepath.Join(dir, "out.zip")
	for _, c := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"no arguments", nil, 2, "usage: pack OUT.zip FILE..."},
		{"no files", []string{out}, 2, "usage: pack OUT.zip FILE..."},
		{"not a zip", []string{file, file}, 2, "usage: pack OUT.zip FILE..."},
		{"no such file", []string{out, file + "y"}, 1, "no such file"},
		{"a folder", []string{out, dir}, 1, "is a directory"},
		{"twice", []string{out, file, file}, 1, "a second x"},
	} {
		var stderr bytes.Buffer
		if status := run(c.args, &stderr); status != c.status || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: %d, %s", c.name, status, &stderr)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: wrote a zip", c.name)
		}
	}
}
