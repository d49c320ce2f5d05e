package host

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// contents are the names in an archive, in its order.
type contents struct {
	names  []string // as the archive has them; folders end with a slash
	prefix string   // the enclosing folder that was left out, with its slash; "" for none
}

// root lists the files at the root of the bundle.
func (c contents) root() (list []string) {
	for _, n := range c.names {
		if rest, ok := strings.CutPrefix(n, c.prefix); ok && rest != "" && !strings.Contains(rest, "/") {
			list = append(list, rest)
		}
	}
	return list
}

// data is the folder of all that the host writes.
func (p paths) data() string { return filepath.Dir(p.bundles) }

// checkContents judges a package of a native plugin as eKuiper does, and in its
// words: there is one .so file, and a source has its yaml file, or finds one
// that an operator put there (yaml).
func (p paths) checkContents(c contents, id ID, yaml bool) error {
	kind, root := id.Class.kind(), c.root()
	if kind == 0 || slices.Contains(root, id.Name+".wasm") {
		return nil
	}
	brings, class, found := false, string(id.Class), 0
	var files []string // that eKuiper would write and count
	for _, name := range root {
		switch {
		case packaged(id.Name, name):
			found++
			files = append(files, filepath.Join(p.dropIn, id.Class.dropIn(), name))
		case name == id.Name+".yaml" && kind == KindSource:
			brings = true
			if !yaml {
				files = append(files, filepath.Join(p.etc, class, name), filepath.Join(p.data(), class, name))
			}
		}
	}
	var want string
	switch N := ucFirst(id.Name); {
	case found == 0:
		want = fmt.Sprintf("%s.so or %s@VERSION.so at the root, or %s.wasm with its manifest", N, N, id.Name)
	case found > 1:
		want = "one .so file of the plugin"
	case kind == KindSource && !brings && !yaml:
		want = id.Name + ".yaml at the root"
	default:
		return nil
	}
	return badContents(kind, files, c.names, brings, found > 0, want)
}

// maxNamed bounds how many entries of an archive an error names.
const maxNamed = 100

// badContents is eKuiper's sentence about a package that has not what it must
// have, and what was expected.
func badContents(k Kind, files, entries []string, yaml, so bool, want string) error {
	expected := 1
	if k == KindSource {
		expected = 3
	}
	list := strings.Join(entries[:min(len(entries), maxNamed)], " ")
	if more := len(entries) - maxNamed; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return invalid("invalid zip file: expectFiles: %d, got filenames:[%s], zipFiles: [%s], yamlFileChecked:%t, soFileChecked:%t: expected %s",
		expected, strings.Join(files, " "), list, yaml, so, want)
}
