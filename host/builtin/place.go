package builtin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/vanth-io/vanth/host"
)

// place is where a file is: below the data folder, which no link leads out of,
// or anywhere when that is allowed.
type place struct {
	path string   // absolute, for errors
	name string   // within root
	root *os.Root // nil when files may be anywhere
}

// resolve judges a path. Relative ones are below data; eKuiper counts them from
// the home, so that a leading data/ is not repeated.
func (m *Module) resolve(path string) (p place, wrong string) {
	data := filepath.Join(m.opts.Home, "data")
	p.path = filepath.Clean(path)
	if !filepath.IsAbs(p.path) {
		if first, _, _ := strings.Cut(filepath.ToSlash(p.path), "/"); first == "data" {
			p.path = filepath.Join(m.opts.Home, p.path)
		} else {
			p.path = filepath.Join(data, p.path)
		}
	}
	name, err := filepath.Rel(data, p.path)
	if err != nil || !filepath.IsLocal(name) {
		if m.opts.ExternalFiles {
			return p, ""
		}
		return p, "a path below " + data + ", or basic.allowExternalFileAccess: true"
	}
	p.name = name
	first, _, _ := strings.Cut(filepath.ToSlash(name), "/")
	if slices.ContainsFunc(m.opts.Private, func(s string) bool { return strings.EqualFold(s, first) }) {
		return p, "another name: what is in " + first + " is the host's own"
	}
	return p, ""
}

// enter opens the data folder where the file must stay below it.
func (p *place) enter(m *Module) error {
	if m.opts.ExternalFiles {
		return nil
	}
	root, err := os.OpenRoot(filepath.Join(m.opts.Home, "data"))
	p.root = root
	return err
}

func (p *place) leave() {
	if p.root != nil {
		p.root.Close()
		p.root = nil
	}
}

// beside is the place of another name in the same folder.
func (p *place) beside(base string) *place {
	return &place{filepath.Join(filepath.Dir(p.path), base), filepath.Join(filepath.Dir(p.name), base), p.root}
}

// open opens a regular file. A named pipe would wait for its other end.
func (p *place) open(flag int) (*os.File, error) {
	var f *os.File
	var err error
	if flag |= syscall.O_NONBLOCK; p.root == nil {
		f, err = os.OpenFile(p.path, flag, 0o600)
	} else {
		f, err = p.root.OpenFile(p.name, flag, 0o600)
	}
	if err != nil {
		return nil, p.failed(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = host.Errorf(host.ErrInvalid, "%s: found %v, expected a regular file", p.path, info.Mode().Type())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (p *place) stat() (os.FileInfo, error) {
	if p.root == nil {
		return os.Stat(p.path)
	}
	return p.root.Stat(p.name)
}

func (p *place) mkdir() error {
	if p.root == nil {
		return os.MkdirAll(filepath.Dir(p.path), 0o700)
	}
	return p.root.MkdirAll(filepath.Dir(p.name), 0o700)
}

func (p *place) rename(to *place) error {
	if p.root == nil {
		return os.Rename(p.path, to.path)
	}
	return p.root.Rename(p.name, to.name)
}

func (p *place) folder() (*os.File, error) {
	if p.root == nil {
		return os.Open(filepath.Dir(p.path))
	}
	return p.root.Open(filepath.Dir(p.name))
}

// siblings are the names in the folder of the file.
func (p *place) siblings() []string {
	d, err := p.folder()
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(10_000)
	return names
}

// sync makes the name of the file survive a power cut.
func (p *place) sync() error {
	d, err := p.folder()
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// failed words an error with the path that the user knows.
func (p *place) failed(err error) error {
	var in *fs.PathError
	if errors.As(err, &in) {
		err = in.Err
	}
	return unavailable("%s: %w", p.path, err)
}

// inode tells files apart that had the same name one after the other.
func inode(info os.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(s.Ino, 10)
	}
	return ""
}
