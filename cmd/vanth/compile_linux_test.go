package main

import (
	"archive/zip"
	"bytes"
	leb128 "encoding/binary"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// slowModule is a module whose function f has so many ifs, and gives 7.
func slowModule(ifs int) []byte {
	leb := func(n int) []byte { return leb128.AppendUvarint(nil, uint64(n)) }
	sized := func(parts ...[]byte) []byte {
		all := slices.Concat(parts...)
		return slices.Concat(leb(len(all)), all)
	}
	body := sized([]byte{1, 1, 0x7f}, slices.Repeat([]byte{0x20, 0, 0x04, 0x40, 0x0b}, ifs), []byte{0x41, 7, 0x0b})
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"+
		"\x01\x05\x01\x60\x00\x01\x7f"+"\x03\x02\x01\x00"+"\x07\x05\x01\x01f\x00\x00"), []byte{10}, sized([]byte{1}, body))
}

// wasmZip packs a plugin of one function f.
func wasmZip(t *testing.T, name string, code []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for file, content := range map[string][]byte{name + ".json": []byte(`{"version":"1","language":"wasm","functions":["f"]}`), name + ".wasm": code} {
		w, err := z.Create(file)
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

// TestE2ECompilesInAChild: a module is compiled by another process of the same
// program, also when its file is gone; a start with what that left needs none.
func TestE2ECompilesInAChild(t *testing.T) {
	shipped, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	home, path := t.TempDir(), filepath.Join(t.TempDir(), "vanth")
	if err := os.WriteFile(path, code, 0o700); err != nil {
		t.Fatal(err)
	}
	children := func() (n int) {
		list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range list {
			if b, _ := os.ReadFile(f); bytes.Contains(b, []byte(compileCommand+"\x00"+home)) {
				n++
			}
		}
		return n
	}
	p := launchBinary(t, path, "serve", "--home", home, "--listen", "127.0.0.1:0")
	p.address = p.log.address(t, p.ended)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c := newPeer(p.address)
	defer c.close()
	done := make(chan string, 1)
	go func() {
		status, body, err := c.do("POST", "/plugins/wasm?name=slow", wasmZip(t, "slow", slowModule(3_000)))
		if err != nil || status != http.StatusCreated {
			done <- body
		}
		close(done)
	}()
	most := 0
	for installed := false; !installed; {
		select {
		case body, failed := <-done:
			if installed = true; failed {
				t.Fatal("install:", body)
			}
		case <-time.After(2 * time.Millisecond):
			most = max(most, children())
		}
	}
	if most != 1 {
		t.Errorf("%d children compiled", most)
	}
	if n := children(); n != 0 {
		t.Errorf("%d children are left", n)
	}
	if got := c.result(t, "f", `[]`); got != `200 {"result":7}` {
		t.Error(got)
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.wait(t)

	// The one that is shipped finds what the one that is gone has left.
	shelves, _ := filepath.Glob(filepath.Join(home, "data", "cache", "wasm", "*", "*", "*"))
	if len(shelves) != 1 {
		t.Fatalf("in the cache: %q", shelves)
	}
	before, err := os.Stat(shelves[0])
	if err != nil {
		t.Fatal(err)
	}
	p = startServe(t, home)
	d := newPeer(p.address)
	defer d.close()
	if got := d.result(t, "f", `[]`); got != `200 {"result":7}` {
		t.Error(got)
	}
	if after, err := os.Stat(shelves[0]); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("it was compiled again: %v", err)
	}
	if text := p.log.String(); strings.Contains(text, "level=WARN") {
		t.Error(text)
	}
}
