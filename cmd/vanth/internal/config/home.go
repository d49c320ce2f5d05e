package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vanth-io/vanth/etc"
)

// File returns where a home keeps its configuration.
func File(home string) string { return filepath.Join(home, "etc", "kuiper.yaml") }

// Prepare creates the parts of a home that are missing, the shipped
// kuiper.yaml among them; what exists is left alone. Only data/ must be
// writable: etc and plugins may stand on read-only volumes, which is a warning
// when something is missing there.
func Prepare(home string) ([]Warning, error) {
	if err := os.MkdirAll(filepath.Join(home, "data"), 0o700); err != nil {
		return nil, fmt.Errorf("home: %w; set --home to a directory that can be written", err)
	}
	var warnings []Warning
	missing := func(part string, err error) {
		if err != nil {
			warnings = append(warnings, Warning{home, part, fmt.Sprintf("is missing and cannot be created: %v", err)})
		}
	}
	for _, d := range []string{"etc/mgmt", "plugins/wasm"} {
		missing(d, os.MkdirAll(filepath.Join(home, filepath.FromSlash(d)), 0o755))
	}
	missing("etc/kuiper.yaml", writeShipped(File(home)))
	return warnings, nil
}

// writeShipped writes the shipped file unless there is one. It appears whole
// or not at all.
func writeShipped(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".kuiper-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(etc.Kuiper())
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	// Link, since unlike a rename it never replaces a file made meanwhile.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return os.Rename(f.Name(), path) // a file system without links
	}
	return nil
}
