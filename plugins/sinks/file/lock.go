package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

var (
	errBusy       = errors.New("another writer holds the lock")
	errNotRegular = errors.New("not a regular file")
)

// openRegular opens the file at path to append to it, and creates it if need be. What is not a
// file is refused before it is opened: a pipe would wait for its reader.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
}

// flock locks the file against other openings of it. It asks again and again rather than wait in
// the system, where a context cannot reach; a lock that is free is taken even if ctx is done.
func flock(ctx context.Context, file *os.File) error {
	deadline := time.Now().Add(patience)
	for {
		switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return &fs.PathError{Op: "lock", Path: file.Name(), Err: err}
		case time.Now().After(deadline):
			return &fs.PathError{Op: "lock", Path: file.Name(), Err: errBusy}
		}
		select {
		case <-ctx.Done():
			return &fs.PathError{Op: "lock", Path: file.Name(), Err: fmt.Errorf("%w: %w", errBusy, context.Cause(ctx))}
		case <-time.After(time.Millisecond):
		}
	}
}

// mend ends a last line that has no end, which a writer left that was killed, and returns the new
// size. The caller holds the lock.
func mend(file *os.File, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], size-1); err != nil {
		return 0, err
	}
	if last[0] == '\n' {
		return size, nil
	}
	_, err := file.Write([]byte("\n"))
	return size + 1, err
}
