package host

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/vanth-io/vanth/host/internal/archive"
)

// ReadPackage unpacks an archive into dir, which must be empty, as installing it
// under id would, and returns what it says of itself. Nothing of it runs.
func ReadPackage(ctx context.Context, file, dir string, id ID) (Manifest, error) {
	f, err := os.Open(file)
	if err != nil {
		return Manifest{}, err
	}
	defer f.Close()
	var p InstallPolicy
	p.fill("")
	if err := unpack(ctx, f, dir, id, p.MaxUnpacked); err != nil {
		return Manifest{}, err
	}
	return describe(dir, id, nil)
}

// unpack walks an archive, then extracts it into dir. A single enclosing folder,
// as many tools make, is left out when the plugin stands in it. The error is
// ErrInvalid when the archive is at fault.
func unpack(ctx context.Context, pkg *os.File, dir string, id ID, limit int64) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	size, err := pkg.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	limits := archive.Limits{TotalBytes: limit}
	entries, err := archive.List(pkg, size, limits)
	if err != nil {
		return refused(err)
	}
	prefix := archive.Strip(entries)
	if recognised(entries, id, "") || !recognised(entries, id, prefix+"/") {
		prefix = ""
	}
	_, err = archive.Extract(ctx, pkg, size, prefix, root, limits)
	return refused(err)
}

// recognised reports whether a bundle of the plugin begins at prefix.
func recognised(entries []archive.Entry, id ID, prefix string) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e archive.Entry) bool { return e.Name == prefix+name })
	}
	if id.Class.kind() == 0 || has(id.Name+".wasm") {
		return has(id.Name + ".json")
	}
	var names []string
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name, prefix); ok {
			names = append(names, rest)
		}
	}
	_, ok := newest(id.Name, names)
	return ok
}

// refused marks what is wrong with the archive, and not with the disk.
func refused(err error) error {
	if errors.Is(err, archive.ErrRefused) {
		return Errorf(ErrInvalid, "%v", err)
	}
	return err
}
