package host

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// LanguageNative is the language of manifests that are made for .so files,
// which have none of their own. Their Executable is the file.
const LanguageNative = "native"

// describe reads what a bundle says of itself: from its manifest, or, in the
// classes of native plugins, from the name of its .so file. functions are the
// names that a native function plugin exports, as its installer says; nil for
// one function of the plugin's own name.
func describe(dir string, id ID, functions []string) (Manifest, error) {
	kind := id.Class.kind()
	if kind == 0 || exists(dir, id.Name+".wasm") {
		m, err := readManifest(dir, id)
		if err != nil {
			return m, err
		}
		for _, s := range m.List() {
			if kind != 0 && s.Kind != kind {
				return m, invalid("manifest %s.json: %s in a plugin of class %s, which holds %ss only", id.Name, s, id.Class, kind)
			}
		}
		return m, m.checkFiles(dir)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return Manifest{}, err
	}
	var c contents
	for _, e := range list {
		c.names = append(c.names, e.Name())
	}
	so, ok := newest(id.Name, slices.DeleteFunc(c.root(), func(f string) bool { return !packaged(id.Name, f) }))
	if !ok {
		return Manifest{}, newPaths("").checkContents(c, id, true)
	}
	so.plugin = id.Name
	return nativeManifest(so, kind, functions)
}

// checkEtc reports a bundle of a .so file whose etc is no folder: its files could
// not be told from those that go to etc/ of the home.
func checkEtc(dir string, m Manifest) error {
	info, err := os.Lstat(filepath.Join(dir, "etc"))
	if m.Language != LanguageNative || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.IsDir() {
		err = invalid("invalid zip file: found a file called etc at the root, expected a folder of configuration files, or none")
	}
	return err
}

// NewerVersion reports whether version a counts before b where there are both:
// by semantic versioning where both are such, else as text.
func NewerVersion(a, b string) bool { return newer(soFile{version: a}, soFile{version: b}) }

// nativeManifest makes the manifest that a .so file does not have.
func nativeManifest(so soFile, kind Kind, functions []string) (Manifest, error) {
	m := Manifest{Name: so.plugin, Version: so.version, Language: LanguageNative, Executable: so.file}
	switch kind {
	case KindSource:
		m.Sources = []string{so.plugin}
	case KindSink:
		m.Sinks = []string{so.plugin}
	case KindFunction:
		m.Functions, m.Listed = functions, len(functions) > 0
		if !m.Listed {
			m.Functions = []string{so.plugin}
		}
	}
	return m, checkFunctions(m.Functions)
}

// checkFunctions judges a list of names that an operator gave.
func checkFunctions(names []string) error {
	if len(names) > maxSymbols {
		return invalid("found %d functions, at most %d are allowed", len(names), maxSymbols)
	}
	for i, n := range names {
		if err := CheckName(n); err != nil {
			return err
		}
		if slices.Contains(names[:i], n) {
			return invalid("function %s is listed twice", n)
		}
	}
	return nil
}

// readManifest finds <name>.json at the root of dir.
func readManifest(dir string, id ID) (Manifest, error) {
	file := id.Name + ".json"
	f, err := Bundle{Dir: dir}.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		found := filesBelow(dir)
		return Manifest{}, invalid("missing or invalid json file %s, found %d files in total: %s; expected %s at the root of the bundle",
			file, len(found), strings.Join(found[:min(8, len(found))], ", "), file)
	}
	if err != nil {
		return Manifest{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return Manifest{}, err
	}
	return ParseManifest(id, b)
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

func ucFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
