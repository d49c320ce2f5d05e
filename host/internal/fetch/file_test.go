//go:build unix

package fetch

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// places makes an uploads folder with ok.zip, and a secret beside it.
func places(t *testing.T) (p Policy, uploads, secret string) {
	t.Helper()
	dir := t.TempDir()
	uploads, secret = filepath.Join(dir, "uploads"), filepath.Join(dir, "secret.zip")
	for _, err := range []error{
		os.MkdirAll(filepath.Join(uploads, "sub"), 0o755),
		os.WriteFile(filepath.Join(uploads, "ok.zip"), []byte("ok"), 0o644),
		os.WriteFile(secret, []byte("secret"), 0o644),
		os.Symlink("ok.zip", filepath.Join(uploads, "inside.zip")),
		os.Symlink("../secret.zip", filepath.Join(uploads, "outside.zip")),
		os.Symlink(secret, filepath.Join(uploads, "absolute.zip")),
		os.Symlink("..", filepath.Join(uploads, "up")),
		os.Symlink("loop.zip", filepath.Join(uploads, "loop.zip")),
		os.Mkdir(filepath.Join(uploads, "folder.zip"), 0o755),
		syscall.Mkfifo(filepath.Join(uploads, "fifo.zip"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return Policy{Uploads: uploads, MaxBytes: 100, Timeout: 5 * time.Second}, uploads, secret
}

func readFile(t *testing.T, p Policy, path string) (string, error) {
	t.Helper()
	var dst bytes.Buffer
	start := time.Now()
	_, err := File(t.Context(), p, "file://"+path, "", &dst)
	if took := time.Since(start); took > time.Second {
		t.Errorf("%s: took %s", path, took)
	}
	return dst.String(), err
}

func TestFileBelowUploads(t *testing.T) {
	p, uploads, secret := places(t)
	for _, path := range []string{uploads + "/ok.zip", uploads + "/inside.zip", uploads + "/sub/../ok.zip", uploads + "//ok.zip"} {
		if got, err := readFile(t, p, path); err != nil || got != "ok" {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for _, path := range []string{
		secret, uploads + "/../secret.zip", uploads + "/%2e%2e/secret.zip", uploads + "/outside.zip", uploads + "/absolute.zip",
		uploads + "/up/secret.zip", uploads + "/up/uploads/ok.zip", uploads + "/loop.zip", uploads + "-other/x.zip", "/dev/zero.zip",
	} {
		got, err := readFile(t, p, path)
		if wants(t, err, true, "file access denied: path must be under "+uploads, "basic.allowExternalFileAccess"); got != "" {
			t.Errorf("%s: read %q", path, got)
		}
	}
	_, err := readFile(t, p, uploads+"/none.zip")
	if wants(t, err, false, "no such file"); !os.IsNotExist(err) {
		t.Error(err)
	}
	for _, name := range []string{"/fifo.zip", "/folder.zip"} {
		_, err := readFile(t, p, uploads+name)
		wants(t, err, true, uploads+name+" is not a regular file")
	}
	p.Uploads = ""
	_, err = readFile(t, p, uploads+"/ok.zip")
	wants(t, err, true, "file access denied")
}

func TestFileAnywhere(t *testing.T) {
	p, uploads, secret := places(t)
	p.ExternalFiles = true
	for path, want := range map[string]string{secret: "secret", uploads + "/ok.zip": "ok", uploads + "/outside.zip": "secret"} {
		if got, err := readFile(t, p, path); err != nil || got != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if err := os.Symlink("/dev/zero", uploads+"/zero.zip"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/fifo.zip", "/folder.zip", "/zero.zip"} {
		_, err := readFile(t, p, uploads+name)
		wants(t, err, true, uploads+name+" is not a regular file")
	}
}

// Between the two looks a file can become a FIFO: opening it must not wait for a writer.
func TestExchangedFileDoesNotBlock(t *testing.T) {
	_, uploads, _ := places(t)
	regular := func(string) (os.FileInfo, error) { return os.Stat(uploads + "/ok.zip") }
	_, err := openRegular(opener{regular, os.OpenFile}, uploads+"/fifo.zip", "/x.zip")
	wants(t, err, true, "/x.zip is not a regular file")
}

func TestFileLimit(t *testing.T) {
	p, uploads, _ := places(t)
	if err := os.WriteFile(uploads+"/big.zip", make([]byte, 101), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := readFile(t, p, uploads+"/big.zip")
	if wants(t, err, true, "found at least 101 bytes, limit 100 bytes"); got != "" {
		t.Error("read before it was refused")
	}
	var dst bytes.Buffer
	_, err = File(t.Context(), p, "file://"+uploads+"/ok.zip", digestOf("ok"), &dst)
	if err != nil {
		t.Error(err)
	}
	_, err = File(t.Context(), p, "file://"+uploads+"/ok.zip", digestOf("ko"), &dst)
	wants(t, err, true, "sha256 mismatch")
}
