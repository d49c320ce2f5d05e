package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// file is a sink that appends each message as a line. It lives as the runtime calls it: Configure,
// Open, Collect for each message in order, Close.
type file struct {
	path string
	sync bool // each message is on the disk before it is acknowledged
	to   *os.File
}

var errNotOpen = errors.New("file: not open")

// Configure reads the properties and touches nothing.
func (f *file) Configure(props map[string]interface{}) error {
	path, ok := props["path"].(string)
	if !ok || path == "" {
		return errors.New("path: required")
	}
	sync, ok := props["sync"].(bool)
	if !ok && props["sync"] != nil {
		return fmt.Errorf("sync: %v is neither true nor false", props["sync"])
	}
	f.path, f.sync = path, sync
	return nil
}

// Open opens the file and makes it if it is not there. Its folder must be.
func (f *file) Open(api.StreamContext) error {
	to, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	f.to = to
	return nil
}

// Collect writes one message. The host is told that the sink has it once this returns nil: then the
// line is with the system, and with sync on the disk. A line that was written in part is taken back.
func (f *file) Collect(_ api.StreamContext, data interface{}) error {
	row, ok := data.([]byte)
	if !ok {
		return fmt.Errorf("file: a message of %T", data)
	}
	if f.to == nil {
		return errNotOpen
	}
	line := append(row[:len(row):len(row)], '\n')
	n, err := f.to.Write(line)
	if err != nil {
		return errors.Join(err, f.takeBack(n))
	}
	if f.sync {
		return f.to.Sync()
	}
	return nil
}

func (f *file) takeBack(n int) error {
	if n == 0 {
		return nil
	}
	stat, err := f.to.Stat()
	if err != nil || !stat.Mode().IsRegular() {
		return err
	}
	return f.to.Truncate(stat.Size() - int64(n))
}

// Close flushes and closes the file. A second Close does nothing.
func (f *file) Close(api.StreamContext) error {
	if f.to == nil {
		return nil
	}
	to := f.to
	f.to = nil
	err := to.Sync()
	if stat, statErr := to.Stat(); statErr == nil && !stat.Mode().IsRegular() {
		err = nil // a pipe or a terminal has no disk
	}
	return errors.Join(err, to.Close())
}
