package inspect

import (
	"bytes"
	"debug/elf"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is taken from the symbol table.
const (
	maxName     = 1 << 10 // bytes; longer names are passed over
	maxPackages = 16 << 10
	maxSymbols  = 4 << 10
)

const (
	fingerprintPrefix = "go:link.pkghashbytes."
	unnamedPrefix     = "plugin/unnamed-" // path of a plugin built from a list of files
)

// symbol is an entry of the dynamic symbol table that is defined in the file.
type symbol struct {
	tail  []byte // the string table from the name on
	kind  elf.SymType
	value uint64
	size  uint64
}

// symbols takes plugin path, exported symbols and fingerprints.
func (m *image) symbols(f *File) error {
	table, names, err := m.linked(elf.SHT_DYNSYM)
	if err != nil {
		return err
	}
	if f.Packages, err = m.fingerprints(table, names); err != nil || len(f.Packages) == 0 || f.Build == nil {
		return err
	}
	if f.Setting("-buildmode") != "plugin" {
		return nil
	}
	f.PluginPath = pluginPath(f)
	path := f.PluginPath
	if path == "" {
		path = f.Build.Path
	}
	f.Symbols, err = m.exported(table, names, escape(path)+".")
	return err
}

// fingerprints reads the fingerprint of each package.
func (m *image) fingerprints(table, names []byte) (map[string]Fingerprint, error) {
	list := make(map[string]Fingerprint)
	for s := range m.defined(table, names) {
		if s.size != uint64(len(Fingerprint{})) || !bytes.HasPrefix(s.tail, []byte(fingerprintPrefix)) {
			continue
		}
		name := text(s.tail, uint64(len(fingerprintPrefix)))
		if name == "" {
			continue
		}
		if len(list) == maxPackages {
			return nil, fmt.Errorf("%w: it has more than %d packages", ErrDamaged, maxPackages)
		}
		var p Fingerprint
		if err := m.readAddr(p[:], s.value); err != nil {
			return nil, fmt.Errorf("fingerprint of package %q: %w", name, err)
		}
		list[name] = p
	}
	return list, nil
}

// exported lists the names behind prefix that a plugin exports: what remains is
// an exported identifier, so no method, closure or instance of a generic.
func (m *image) exported(table, names []byte, prefix string) ([]string, error) {
	var list []string
	for s := range m.defined(table, names) {
		if s.kind != elf.STT_FUNC && s.kind != elf.STT_OBJECT || !bytes.HasPrefix(s.tail, []byte(prefix)) {
			continue
		}
		name := text(s.tail, uint64(len(prefix)))
		if !isExported(name) {
			continue
		}
		if len(list) == maxSymbols {
			return nil, fmt.Errorf("%w: it exports more than %d symbols", ErrDamaged, maxSymbols)
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func isExported(name string) bool {
	first, _ := utf8.DecodeRuneInString(name)
	return unicode.IsUpper(first) && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// defined walks the symbols that the file defines.
func (m *image) defined(table, names []byte) iter.Seq[symbol] {
	wide := m.class == elf.ELFCLASS64
	size := elf.Sym32Size
	if wide {
		size = elf.Sym64Size
	}
	return func(yield func(symbol) bool) {
		for ; len(table) >= size; table = table[size:] {
			var s symbol
			var section uint16
			name := uint64(m.order.Uint32(table))
			if wide {
				s.kind, section = elf.ST_TYPE(table[4]), m.order.Uint16(table[6:])
				s.value, s.size = m.order.Uint64(table[8:]), m.order.Uint64(table[16:])
			} else {
				s.value, s.size = uint64(m.order.Uint32(table[4:])), uint64(m.order.Uint32(table[8:]))
				s.kind, section = elf.ST_TYPE(table[12]), m.order.Uint16(table[14:])
			}
			if section == uint16(elf.SHN_UNDEF) || name >= uint64(len(names)) {
				continue
			}
			if s.tail = names[name:]; !yield(s) {
				return
			}
		}
	}
}

// readAddr reads at an address of the loaded image.
func (m *image) readAddr(b []byte, addr uint64) error {
	for _, p := range m.segments {
		if p.Type != uint32(elf.PT_LOAD) || addr < p.Vaddr || p.Filesz < uint64(len(b)) {
			continue
		}
		if d := addr - p.Vaddr; d <= p.Filesz-uint64(len(b)) {
			_, err := m.r.ReadAt(b, int64(p.Off+d))
			return err
		}
	}
	return fmt.Errorf("%w: address %#x is in no segment", ErrDamaged, addr)
}

// pluginPath finds the path by which the runtime knows the plugin: see doc.go.
func pluginPath(f *File) string {
	if _, ok := f.Packages[f.Build.Path]; ok {
		return f.Build.Path
	}
	for p := range f.Packages {
		if strings.HasPrefix(p, unnamedPrefix) {
			return p
		}
	}
	return ""
}

// escape turns an import path into the prefix of its symbols, as
// cmd/internal/objabi.PathToPrefix does.
func escape(path string) string {
	slash := strings.LastIndexByte(path, '/')
	var b strings.Builder
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c == '.' && i > slash || c == '%' || c == '"' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// text cuts the string that ends with a zero byte at i; empty if there is none,
// or if it is longer than any name that counts.
func text(table []byte, i uint64) string {
	if i >= uint64(len(table)) {
		return ""
	}
	b := table[i:]
	n := bytes.IndexByte(b[:min(len(b), maxName)], 0)
	if n < 0 {
		return ""
	}
	return string(b[:n])
}
