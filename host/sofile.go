package host

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"
)

// soFile is a native plugin's file, in eKuiper's way of naming: Random@v1.0.0.so,
// random.so.
type soFile struct {
	file    string // its name
	name    string // as the file has it
	plugin  string // with its first letter in lower case
	version string // "" for none
}

// parseSo reads a file name; false when it is not that of a plugin.
func parseSo(file string) (soFile, bool) {
	base, _, ok := strings.Cut(file, ".so")
	if !ok || !strings.HasSuffix(file, ".so") || base == "" {
		return soFile{}, false
	}
	name, rest, _ := strings.Cut(base, "@")
	version, _, _ := strings.Cut(rest, "@")
	first, size := utf8.DecodeRuneInString(name)
	return soFile{file, name, string(unicode.ToLower(first)) + name[size:], version}, name != ""
}

// packaged reports whether a file of a bundle is the .so file of a plugin, by
// eKuiper's pattern for the entries of a package, which is narrower than what it
// takes of files that lie in a folder: ^((<n>)|(<N>))(@.*)?\.so$
func packaged(plugin, file string) bool {
	rest, ok := strings.CutPrefix(file, plugin)
	if !ok {
		rest, ok = strings.CutPrefix(file, ucFirst(plugin))
	}
	return ok && (rest == ".so" || strings.HasPrefix(rest, "@") && strings.HasSuffix(rest, ".so"))
}

// newest returns the file of a plugin that counts where there are several: the
// greatest version.
func newest(plugin string, files []string) (best soFile, ok bool) {
	for _, f := range files {
		so, is := parseSo(f)
		if is && (so.plugin == plugin || so.name == plugin) && (!ok || newer(so, best)) {
			best, ok = so, true
		}
	}
	return best, ok
}

// newer compares by semantic versioning where both versions are such, else as
// text; equal ones by file name, so that the choice does not depend on order.
func newer(a, b soFile) bool {
	if va, err := semver.NewVersion(a.version); err == nil {
		if vb, err := semver.NewVersion(b.version); err == nil && !va.Equal(vb) {
			return va.GreaterThan(vb)
		}
	}
	if a.version != b.version {
		return a.version > b.version
	}
	return a.file > b.file
}
