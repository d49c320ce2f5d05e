package fetch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// opener is what os.Root and the plain file system have in common here.
type opener struct {
	stat func(name string) (fs.FileInfo, error)
	open func(name string, flag int, perm fs.FileMode) (*os.File, error)
}

// openFile opens a regular file as the policy allows; path is absolute.
func openFile(p Policy, path string) (*os.File, error) {
	if p.ExternalFiles {
		return openRegular(opener{os.Stat, os.OpenFile}, path, path)
	}
	if !filepath.IsAbs(p.Uploads) {
		return nil, denied(p, "")
	}
	// Cleaned first: "uploads/../x" is outside by its text already.
	name, err := filepath.Rel(p.Uploads, filepath.Clean(path))
	if err != nil || !filepath.IsLocal(name) {
		return nil, denied(p, "")
	}
	root, err := os.OpenRoot(p.Uploads)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := openRegular(opener{root.Stat, root.OpenFile}, name, path)
	if err == nil || errors.Is(err, ErrRefused) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return f, err
	}
	// What os.Root refuses has no sentinel; its own words follow ours.
	return nil, denied(p, err.Error())
}

// openRegular looks before it opens, because opening can block (FIFO) or act (device). Should the
// file be exchanged in between, O_NONBLOCK keeps the open from waiting and the second look ends it.
func openRegular(o opener, name, path string) (*os.File, error) {
	info, err := o.stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, refuse("%s is not a regular file", path)
	}
	f, err := o.open(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err = f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = refuse("%s is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func denied(p Policy, cause string) error {
	if cause != "" {
		cause = ": " + cause
	}
	return refuse("file access denied: path must be under %s%s; the setting is basic.allowExternalFileAccess", p.Uploads, cause)
}
