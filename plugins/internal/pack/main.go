// Pack writes a zip of the named files, all at its root and in the order given. Equal files give
// equal zips: neither times nor modes go in.
package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	if len(args) < 2 || !strings.HasSuffix(args[0], ".zip") {
		fmt.Fprintln(stderr, "usage: pack OUT.zip FILE...")
		return 2
	}
	if err := pack(args[0], args[1:]); err != nil {
		fmt.Fprintln(stderr, "pack:", err)
		return 1
	}
	return 0
}

// pack writes nothing unless it could read everything.
func pack(out string, files []string) error {
	var buf bytes.Buffer
	w, names := zip.NewWriter(&buf), map[string]bool{}
	for _, file := range files {
		name := filepath.Base(file)
		if names[name] {
			return fmt.Errorf("%s: a second %s", file, name)
		}
		names[name] = true
		if err := add(w, name, file); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(out, buf.Bytes(), 0o644)
}

func add(w *zip.Writer, name, file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	// The earliest time that a zip can hold.
	header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	header.SetMode(0o644)
	entry, err := w.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = entry.Write(content)
	return err
}
