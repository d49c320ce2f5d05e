package archive

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// nameReason says why a stored name may not become a path, or nothing. A slash at the end marks a
// folder. The rules are those of the strictest system: what is installed here may be packed, copied
// and unpacked elsewhere.
func nameReason(name string, maxDepth int) string {
	switch {
	case name == "":
		return "empty name"
	case !utf8.ValidString(name):
		return "name is not UTF-8"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "control character in name"
	case strings.Contains(name, `\`):
		return "backslash in name"
	case strings.HasPrefix(name, "/"):
		return "absolute path"
	case hasDrive(name):
		return "drive letter in name"
	}
	components := strings.Split(strings.TrimSuffix(name, "/"), "/")
	if len(components) > maxDepth {
		return fmt.Sprintf("path too deep: found %d components, limit %d", len(components), maxDepth)
	}
	for _, c := range components {
		switch {
		case c == "":
			return "empty path component"
		case c == "." || c == "..":
			return fmt.Sprintf("path component %q", c)
		case strings.HasSuffix(c, ".") || strings.HasSuffix(c, " "):
			return "dot or space at the end of a path component"
		case isDevice(c):
			return fmt.Sprintf("path component %q is a device name on Windows", c)
		}
	}
	return ""
}

func hasDrive(name string) bool {
	return len(name) > 1 && name[1] == ':' && (name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z')
}

// isDevice looks at the whole component up to its extension or stream: "CON.txt" is the console,
// "CONFIG.json" is not.
func isDevice(component string) bool {
	if i := strings.IndexAny(component, ".:"); i >= 0 {
		component = component[:i]
	}
	name := strings.ToUpper(strings.TrimRight(component, " "))
	switch name {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	for _, port := range []string{"COM", "LPT"} {
		if number, ok := strings.CutPrefix(name, port); ok {
			r, n := utf8.DecodeRuneInString(number)
			return n == len(number) && strings.ContainsRune("0123456789¹²³", r)
		}
	}
	return false
}

// fold maps names that differ in case only to the same string: each rune becomes the smallest of
// its simple folding orbit, so that the Kelvin sign meets k and the long s meets s.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		smallest := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			smallest = min(smallest, f)
		}
		return smallest
	}, name)
}
