package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"
)

// patience is how long a writer waits for another one.
const patience = 5 * time.Second

// appender appends lines to the file at path, together with any number of others that do: rules of
// this host, or other processes. Each write is made under a lock (flock) on the file that is at
// path at that moment. Files are renamed only under that lock too, so that a writer that got it
// and still finds its file at path knows that it is the only one.
//
// An appender is used by one goroutine at a time. Its errors are those of package os and name the
// operation and the file.
type appender struct {
	path  string
	limit int64 // bytes after which a new file begins; 0: never
	keep  int   // old files: path.1, the youngest, to path.keep
	sync  bool  // a line is on the disk, not only with the system, when append returns

	file *os.File // nil: open at the next append
}

// open opens the file, creating it if need be, so that what is wrong with it shows at once.
func (a *appender) open(ctx context.Context) error {
	if _, err := a.lock(ctx); err != nil {
		return err
	}
	return a.unlock()
}

// append writes lines, each of which ends in a newline, and returns how many of their bytes are in
// the file: whole lines always, all of them if the error is nil.
func (a *appender) append(ctx context.Context, lines []byte) (written int, err error) {
	for err == nil && written < len(lines) {
		var n int
		n, err = a.step(ctx, lines[written:])
		written += n
	}
	return written, err
}

// step writes as many lines as the file has room for, or begins a new one if there is none.
func (a *appender) step(ctx context.Context, lines []byte) (written int, err error) {
	size, err := a.lock(ctx)
	if err != nil {
		return 0, err
	}
	n := a.room(size, lines)
	if n == 0 {
		return 0, a.rotate()
	}
	defer func() { err = errors.Join(err, a.unlock()) }()
	if _, err := a.file.Write(lines[:n]); err != nil {
		// Half a line would spoil the next one.
		return 0, errors.Join(err, a.file.Truncate(size))
	}
	if a.sync {
		return n, a.file.Sync()
	}
	return n, nil
}

// room returns how many bytes of the lines, whole lines, go into a file of this size. A line that
// is longer than the limit has a file of its own.
func (a *appender) room(size int64, lines []byte) int {
	free := a.limit - size
	switch {
	case a.limit == 0 || free >= int64(len(lines)):
		return len(lines)
	case free > 0:
		if n := bytes.LastIndexByte(lines[:free], '\n') + 1; n > 0 {
			return n
		}
	}
	if size > 0 {
		return 0
	}
	return bytes.IndexByte(lines, '\n') + 1
}

// lock opens the file at path, waits until it is ours alone, and returns its size.
func (a *appender) lock(ctx context.Context) (size int64, err error) {
	for {
		if a.file == nil {
			if a.file, err = openRegular(a.path); err != nil {
				return 0, err
			}
		}
		if err := flock(ctx, a.file); err != nil {
			return 0, err
		}
		mine, err := a.file.Stat()
		if err == nil {
			var there fs.FileInfo
			if there, err = os.Stat(a.path); err == nil && os.SameFile(mine, there) {
				if size, err = mend(a.file, mine.Size()); err == nil {
					return size, nil
				}
			}
		}
		// Another writer began a new file, or someone removed ours: the one at path counts.
		if err := errors.Join(ignore(err, fs.ErrNotExist), a.close()); err != nil {
			return 0, err
		}
	}
}

func (a *appender) unlock() error {
	if a.file == nil {
		return nil
	}
	return os.NewSyscallError("unlock", syscall.Flock(int(a.file.Fd()), syscall.LOCK_UN))
}

// rotate makes the file the youngest of the old ones, whose oldest goes, and leaves no file at path.
// The caller holds the lock; it is released.
func (a *appender) rotate() (err error) {
	defer func() { err = errors.Join(err, a.close()) }()
	for i := a.keep; i > 1; i-- {
		if err := ignore(os.Rename(a.old(i-1), a.old(i)), fs.ErrNotExist); err != nil {
			return err
		}
	}
	return os.Rename(a.path, a.old(1))
}

func (a *appender) old(i int) string { return a.path + "." + strconv.Itoa(i) }

// close closes the file, which releases its lock. The next append opens it again.
func (a *appender) close() error {
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
