package sp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	maxPath   = 107 // what fits a socket address of Linux
	bindTries = 5
	bindPause = 100 * time.Millisecond
)

// listen makes a socket file that only our user may connect to. A file that nobody listens at is replaced; one that
// somebody does is given a little time to go, as a plugin or host that ends may still hold it.
func listen(path string) (*net.UnixListener, fs.FileInfo, error) {
	if !filepath.IsAbs(path) {
		return nil, nil, fmt.Errorf("socket %s: %w: not absolute", path, fs.ErrInvalid)
	}
	for tries := 1; ; {
		ln, err := bind(path)
		if err == nil {
			info, err := private(path)
			if err != nil {
				_ = ln.Close()
				return nil, nil, fmt.Errorf("socket %s: %w", path, err)
			}
			return ln, info, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, fs.ErrExist) {
			return nil, nil, fmt.Errorf("socket %s: %w", path, err)
		}
		stale, err := removeStale(path)
		if err != nil {
			return nil, nil, fmt.Errorf("socket %s: %w", path, err)
		}
		if stale {
			continue
		}
		if tries++; tries > bindTries {
			return nil, nil, fmt.Errorf("socket %s: %w", path, ErrInUse)
		}
		time.Sleep(bindPause)
	}
}

// private returns the socket file, and sets its mode where bind does not take it from the socket.
func private(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode().Perm() != 0o600 {
		err = os.Chmod(path, 0o600)
	}
	return info, err
}

// removeStale removes a socket file that refuses connections. It is true also when there is no file any more.
func removeStale(path string) (bool, error) {
	before, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if before.Mode().Type() != fs.ModeSocket {
		return false, fmt.Errorf("%w: not a socket", fs.ErrExist)
	}
	uc, err := connect(context.Background(), path)
	if err == nil {
		_ = uc.Close()
		return false, nil
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return errors.Is(err, fs.ErrNotExist), nil
	}
	return removeSame(path, before)
}

// removeSame removes the file if it is still that one.
func removeSame(path string, was fs.FileInfo) (bool, error) {
	now, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil || !os.SameFile(now, was) {
		return false, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// bind listens at path. One that is too long for an address is reached through its folder; the file gets a short name
// there first, because even its own name may be too long.
func bind(path string) (*net.UnixListener, error) {
	if len(path) <= maxPath {
		return bindShort(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	short := through(dir, ".sp"+rand.Text()[:12])
	ln, err := bindShort(short)
	if err != nil {
		return nil, err
	}
	defer os.Remove(short)
	if err := os.Link(short, path); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

func bindShort(path string) (*net.UnixListener, error) {
	// The mode of the socket becomes that of the file, so that there is no moment at which others can connect.
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
	}}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	un := ln.(*net.UnixListener)
	un.SetUnlinkOnClose(false) // by name alone, it would remove the file of whoever came after us
	return un, nil
}

// connect dials path, however long it is.
func connect(ctx context.Context, path string) (*net.UnixConn, error) {
	if len(path) > maxPath {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		link := ".sp" + rand.Text()[:12]
		if name := filepath.Base(path); len(through(dir, name)) <= maxPath {
			path = through(dir, name)
		} else if err := os.Symlink(name, through(dir, link)); err != nil {
			return nil, err
		} else {
			path = through(dir, link)
			defer os.Remove(path)
		}
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

func through(dir *os.File, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + name
}
