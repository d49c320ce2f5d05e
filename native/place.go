package native

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/vanth-io/vanth/host"
)

// openName is the folder of StateDir that has what is open.
const openName = "open"

// place puts a file where it is opened from. Go remembers what it opened by path,
// and would give the old code for a new file at an old path: so each content gets
// a folder of its own. The copy in it is also what is judged, whatever happens to
// the file meanwhile. Beside it stand links to what lies beside the file, since a
// plugin may name its libraries by where it is itself ($ORIGIN).
func (r *Runtime) place(b host.Bundle) (placed, error) {
	name := b.Plugin.Manifest.Executable
	f, err := b.Open(name)
	if err != nil {
		return placed{}, err
	}
	defer f.Close()
	if r.opts.StateDir == "" || r.opts.Worker != nil { // a worker is a new process
		digest, err := copyFile(io.Discard, f)
		return placed{filepath.Join(b.Dir, name), digest}, err
	}
	r.placing.Lock()
	defer r.placing.Unlock()
	open := filepath.Join(r.opts.StateDir, openName)
	if err := os.MkdirAll(open, 0o700); err != nil {
		return placed{}, err
	}
	dir, err := os.MkdirTemp(open, "new-*")
	if err != nil {
		return placed{}, err
	}
	defer os.RemoveAll(dir) // unless it was renamed
	own, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return placed{}, err
	}
	digest, err := copyFile(own, f)
	if err = errors.Join(err, own.Close()); err != nil {
		return placed{}, err
	}
	to := filepath.Join(open, digest[:16]+"-"+name)
	p := placed{filepath.Join(to, name), digest}
	if _, err := os.Stat(p.path); err == nil {
		return p, nil // maybe mapped: it must not be touched
	}
	if err := linkBeside(b.Dir, dir, name); err != nil {
		return placed{}, err
	}
	return p, os.Rename(dir, to)
}

// copyFile returns the digest of what it copied.
func copyFile(to io.Writer, from io.Reader) (digest string, err error) {
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(h, to), from)
	return hex.EncodeToString(h.Sum(nil)), err
}

// linkBeside makes links in a folder to all that is in another, but for one name.
func linkBeside(from, to, except string) error {
	from, err := filepath.Abs(from)
	if err != nil {
		return err
	}
	list, err := os.ReadDir(from)
	for _, e := range list {
		if e.Name() != except {
			err = errors.Join(err, os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())))
		}
	}
	return err
}

// unplace removes a placed file that was not opened.
func (r *Runtime) unplace(p placed) {
	dir := filepath.Dir(p.path)
	if r.opts.StateDir != "" && filepath.Dir(dir) == filepath.Join(r.opts.StateDir, openName) {
		_ = os.RemoveAll(dir)
	}
}
