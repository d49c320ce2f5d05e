package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vanth-io/vanth/host/internal/archive"
)

// Package is what an archive says of itself.
type Package struct {
	ID       ID
	Manifest Manifest
	// Guess is what told the class, "" where it was given.
	Guess string
}

// ReadPackage unpacks an archive into dir, which must be empty, as installing it
// under id would, and returns what it says of itself. Nothing of it runs. An id
// without a class gets the one that the archive looks made for.
func ReadPackage(ctx context.Context, file, dir string, id ID) (Package, error) {
	if err := CheckName(id.Name); err != nil {
		return Package{}, err
	}
	f, err := os.Open(file)
	if err != nil {
		return Package{}, err
	}
	defer f.Close()
	var p InstallPolicy
	p.fill("")
	c, err := unpack(ctx, f, dir, id, p.MaxUnpacked)
	if err != nil {
		return Package{}, err
	}
	pkg := Package{ID: id}
	if id.Class == "" {
		pkg.ID.Class, pkg.Guess = guessClass(dir, id.Name)
	}
	// A source's yaml file may be where it is installed.
	if err := newPaths("").checkContents(c, pkg.ID, true); err != nil {
		return pkg, err
	}
	if pkg.Manifest, err = describe(dir, pkg.ID, nil); err == nil {
		err = checkEtc(dir, pkg.Manifest)
	}
	return pkg, err
}

// guessClass tells from its files which class a bundle was made for, and by what
// it was told.
func guessClass(dir, name string) (c Class, by string) {
	var files []string
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		files = append(files, e.Name())
	}
	var about struct{ Functions, Properties, DataSource, Language json.RawMessage }
	if b, err := os.ReadFile(filepath.Join(dir, name+".json")); err == nil {
		_ = json.Unmarshal(b, &about) // what is wrong with it, describe says
	}
	so := slices.IndexFunc(files, func(f string) bool { _, ok := parseSo(f); return ok })
	if best, ok := newest(name, files); ok {
		so = slices.Index(files, best.file)
	}
	switch object := func(b json.RawMessage) bool { return len(b) > 0 && b[0] == '{' }; {
	case slices.Contains(files, name+".wasm"):
		return ClassWASM, name + ".wasm"
	case so < 0 && len(about.Language) > 0 && string(about.Language) != `"wasm"`:
		return ClassPortables, "the language in " + name + ".json"
	case so < 0:
		return ClassWASM, "no .so file"
	case slices.Contains(files, name+".yaml"):
		return ClassSources, files[so] + " and " + name + ".yaml"
	case len(about.Functions) > 0:
		return ClassFunctions, files[so] + " and the functions in " + name + ".json"
	case len(about.DataSource) > 0 || object(about.Properties):
		return ClassSources, files[so] + " and the data source in " + name + ".json"
	case len(about.Properties) > 0:
		return ClassSinks, files[so] + " and the properties in " + name + ".json"
	}
	return ClassFunctions, files[so] + ", with nothing that says more"
}

// unpack walks an archive, then extracts it into dir, and returns what is in it. A single enclosing folder,
// as many tools make, is left out when the plugin stands in it. The error is
// ErrInvalid when the archive is at fault.
func unpack(ctx context.Context, pkg *os.File, dir string, id ID, limit int64) (contents, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return contents{}, err
	}
	defer root.Close()
	size, err := pkg.Seek(0, io.SeekEnd)
	if err != nil {
		return contents{}, err
	}
	limits := archive.Limits{TotalBytes: limit}
	entries, err := archive.List(pkg, size, limits)
	if err != nil {
		return contents{}, refused(err)
	}
	prefix := archive.Strip(entries)
	if recognised(entries, id, "") || !recognised(entries, id, prefix+"/") {
		prefix = ""
	}
	var c contents
	for _, e := range entries {
		if e.Dir {
			e.Name += "/"
		}
		c.names = append(c.names, e.Name)
	}
	if prefix != "" {
		c.prefix = prefix + "/"
	}
	_, err = archive.Extract(ctx, pkg, size, prefix, root, limits)
	return c, refused(err)
}

// recognised reports whether a bundle of the plugin begins at prefix; without a
// class, one of any.
func recognised(entries []archive.Entry, id ID, prefix string) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e archive.Entry) bool { return e.Name == prefix+name })
	}
	if id.Class != "" && id.Class.kind() == 0 || has(id.Name+".wasm") {
		return has(id.Name + ".json")
	}
	if id.Class == "" && has(id.Name+".json") {
		return true
	}
	return slices.ContainsFunc(entries, func(e archive.Entry) bool {
		file, ok := strings.CutPrefix(e.Name, prefix)
		return ok && !strings.Contains(file, "/") && packaged(id.Name, file)
	})
}

// refused marks what is wrong with the archive, and not with the disk.
func refused(err error) error {
	if errors.Is(err, archive.ErrRefused) {
		return Errorf(ErrInvalid, "%v", err)
	}
	return err
}
