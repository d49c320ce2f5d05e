package inspect

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Bounds of the tables. A Go plugin has about 10 segments and 50 sections.
const (
	maxSegments = 1 << 10
	maxSections = 4 << 10
	maxTable    = 64 << 20 // one section that is read whole, in bytes
)

// image is an ELF file whose header and tables were read and found to lie
// inside the file. 32-bit tables are widened.
type image struct {
	r        io.ReaderAt
	size     uint64
	class    elf.Class
	data     elf.Data
	order    binary.ByteOrder
	head     elf.Header64
	segments []elf.Prog64
	sections []elf.Section64
	names    []byte // of the sections
}

// parse reads header and tables. debug/elf is not used for it: it allocates by
// the counts of the header, copies a name per entry, and takes a file that ends
// too early.
func parse(r io.ReaderAt, size int64) (*image, error) {
	m := &image{r: r, size: uint64(size)}
	if err := m.ident(); err != nil {
		return nil, err
	}
	if err := m.header(); err != nil {
		return nil, err
	}
	if err := m.tables(); err != nil {
		return nil, err
	}
	if err := m.extents(); err != nil {
		return nil, err
	}
	if i := int(m.head.Shstrndx); i < len(m.sections) {
		names, err := m.bytes(m.sections[i])
		if err != nil {
			return nil, err
		}
		m.names = names
	}
	return m, nil
}

// ident looks at the first 16 bytes: is it ELF at all.
func (m *image) ident() error {
	b := make([]byte, min(m.size, elf.EI_NIDENT))
	if _, err := m.r.ReadAt(b, 0); err != nil && err != io.EOF {
		return err
	}
	switch {
	case len(b) == 0:
		return fmt.Errorf("%w: it is empty", ErrNotELF)
	case !bytes.HasPrefix(b, []byte(elf.ELFMAG)):
		return fmt.Errorf("%w: it begins with %+q%s, expected %+q", ErrNotELF, b[:min(len(b), 4)], guess(b), elf.ELFMAG)
	case len(b) < elf.EI_NIDENT:
		return fmt.Errorf("%w: it has %d bytes, its header alone has 64", ErrTruncated, m.size)
	case m.size > maxFile:
		return fmt.Errorf("%w: it has %d bytes, at most %d are looked at", ErrDamaged, m.size, maxFile)
	}
	m.class, m.data = elf.Class(b[elf.EI_CLASS]), elf.Data(b[elf.EI_DATA])
	if m.class != elf.ELFCLASS32 && m.class != elf.ELFCLASS64 {
		return fmt.Errorf("%w: its class is %d, expected 1 (32-bit) or 2 (64-bit)", ErrDamaged, m.class)
	}
	switch m.data {
	case elf.ELFDATA2LSB:
		m.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		m.order = binary.BigEndian
	default:
		return fmt.Errorf("%w: its byte order is %d, expected 1 (little endian) or 2 (big endian)", ErrDamaged, m.data)
	}
	return nil
}

// guess names what else a file may be, by its first bytes.
func guess(b []byte) string {
	for _, g := range []struct{ magic, what string }{
		{"PK", "a zip"},
		{"\x1f\x8b", "gzip"},
		{"\x00asm", "WebAssembly"},
		{"MZ", "a Windows program"},
		{"\xcf\xfa\xed\xfe", "a macOS binary"},
		{"\xca\xfe\xba\xbe", "a macOS binary"},
		{"!<ar", "an archive of objects"},
		{"#!", "a script"},
		{"<", "a web page"},
		{"{", "JSON"},
		{"vers", "a Git LFS pointer"},
	} {
		if bytes.HasPrefix(b, []byte(g.magic)) {
			return " (" + g.what + "?)"
		}
	}
	return ""
}

// header reads the ELF header and holds class and machine against each other.
func (m *image) header() error {
	if m.class == elf.ELFCLASS64 {
		list, err := table[elf.Header64](m, "header", 0, 1)
		if err != nil {
			return err
		}
		m.head = list[0]
	} else {
		list, err := table[elf.Header32](m, "header", 0, 1)
		if err != nil {
			return err
		}
		h := list[0]
		m.head = elf.Header64{
			Ident: h.Ident, Type: h.Type, Machine: h.Machine, Version: h.Version, Phoff: uint64(h.Phoff),
			Shoff: uint64(h.Shoff), Phentsize: h.Phentsize, Phnum: h.Phnum, Shentsize: h.Shentsize,
			Shnum: h.Shnum, Shstrndx: h.Shstrndx,
		}
	}
	if v := m.head.Version; v != uint32(elf.EV_CURRENT) {
		return fmt.Errorf("%w: its ELF version is %d, expected 1 (or its byte order is not %v)", ErrDamaged, v, m.data)
	}
	machine := elf.Machine(m.head.Machine)
	if want := natural(machine); want != elf.ELFCLASSNONE && want != m.class {
		return fmt.Errorf("%w: its class is %s, but its machine %s has %s", ErrDamaged, bits(m.class), goarch(machine), bits(want))
	}
	return nil
}

// natural is the one class that Go has for a machine; none where there are both.
func natural(m elf.Machine) elf.Class {
	switch m {
	case elf.EM_X86_64, elf.EM_AARCH64, elf.EM_PPC64, elf.EM_S390:
		return elf.ELFCLASS64
	case elf.EM_386, elf.EM_ARM:
		return elf.ELFCLASS32
	}
	return elf.ELFCLASSNONE
}

// tables reads the segments and the sections.
func (m *image) tables() error {
	h := &m.head
	if h.Phnum > maxSegments || h.Shnum > maxSections {
		return fmt.Errorf("%w: it has %d segments and %d sections, at most %d and %d are expected",
			ErrDamaged, h.Phnum, h.Shnum, maxSegments, maxSections)
	}
	// The section table is looked at first: it is the last thing in a file, so
	// it tells best how much is missing.
	var err error
	if m.class == elf.ELFCLASS64 {
		if m.sections, err = entries[elf.Section64](m, "section table", h.Shoff, h.Shnum, h.Shentsize); err == nil {
			m.segments, err = entries[elf.Prog64](m, "segment table", h.Phoff, h.Phnum, h.Phentsize)
		}
		return err
	}
	sections, err := entries[elf.Section32](m, "section table", h.Shoff, h.Shnum, h.Shentsize)
	if err != nil {
		return err
	}
	for _, s := range sections {
		m.sections = append(m.sections, elf.Section64{
			Name: s.Name, Type: s.Type, Flags: uint64(s.Flags), Addr: uint64(s.Addr), Off: uint64(s.Off),
			Size: uint64(s.Size), Link: s.Link, Info: s.Info,
		})
	}
	segments, err := entries[elf.Prog32](m, "segment table", h.Phoff, h.Phnum, h.Phentsize)
	for _, p := range segments {
		m.segments = append(m.segments, elf.Prog64{
			Type: p.Type, Off: uint64(p.Off), Vaddr: uint64(p.Vaddr), Filesz: uint64(p.Filesz), Memsz: uint64(p.Memsz),
		})
	}
	return err
}

// entries reads a table that the header announces.
func entries[T any](m *image, what string, off uint64, n, size uint16) ([]T, error) {
	if n == 0 {
		return nil, nil
	}
	if want := binary.Size(*new(T)); int(size) != want {
		return nil, fmt.Errorf("%w: an entry of its %s has %d bytes, expected %d", ErrDamaged, what, size, want)
	}
	return table[T](m, what, off, int(n))
}

// table reads n values of T at off.
func table[T any](m *image, what string, off uint64, n int) ([]T, error) {
	list := make([]T, n)
	size := uint64(binary.Size(list))
	if err := m.within(what, off, size); err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := m.r.ReadAt(b, int64(off)); err != nil {
		return nil, fmt.Errorf("read its %s: %w", what, err)
	}
	_, err := binary.Decode(b, m.order, list)
	return list, err
}

// extents refuses a file that ends before one of its segments or sections does,
// and names the one that reaches farthest.
func (m *image) extents() error {
	var far error
	end := uint64(0)
	look := func(off, size uint64, what func() string) {
		if far == nil || off+size > end {
			if err := m.within(what(), off, size); err != nil {
				far, end = err, off+size
			}
		}
	}
	for i, p := range m.segments {
		if p.Filesz > 0 {
			look(p.Off, p.Filesz, func() string { return fmt.Sprintf("segment %d (%v)", i, elf.ProgType(p.Type)) })
		}
	}
	for i, s := range m.sections {
		if s.Size > 0 && s.Type != uint32(elf.SHT_NOBITS) && s.Type != uint32(elf.SHT_NULL) {
			look(s.Off, s.Size, func() string { return fmt.Sprintf("section %d (%v)", i, elf.SectionType(s.Type)) })
		}
	}
	return far
}

// within says whether off and size lie inside the file.
func (m *image) within(what string, off, size uint64) error {
	switch {
	case off > math.MaxInt64 || size > math.MaxInt64:
		return fmt.Errorf("%w: its %s begins at byte %d and has %d bytes", ErrDamaged, what, off, size)
	case off+size > m.size:
		return fmt.Errorf("%w: it has %d bytes, but its %s ends at byte %d: %d bytes are missing",
			ErrTruncated, m.size, what, off+size, off+size-m.size)
	}
	return nil
}

// bytes reads a section whole.
func (m *image) bytes(s elf.Section64) ([]byte, error) {
	if s.Type == uint32(elf.SHT_NOBITS) || s.Size == 0 {
		return nil, nil
	}
	if s.Size > maxTable {
		return nil, fmt.Errorf("%w: its section %s has %d bytes, at most %d are expected", ErrDamaged, elf.SectionType(s.Type), s.Size, maxTable)
	}
	b := make([]byte, s.Size)
	_, err := m.r.ReadAt(b, int64(s.Off))
	return b, err
}

// first returns the first section of a type.
func (m *image) first(t elf.SectionType) (elf.Section64, bool) {
	for _, s := range m.sections {
		if s.Type == uint32(t) {
			return s, true
		}
	}
	return elf.Section64{}, false
}

// linked returns a section of a type and the strings it refers to. Both are nil
// if there is none.
func (m *image) linked(t elf.SectionType) (data, strings []byte, err error) {
	s, ok := m.first(t)
	if !ok || s.Link >= uint32(len(m.sections)) {
		return nil, nil, nil
	}
	if data, err = m.bytes(s); err != nil {
		return nil, nil, err
	}
	strings, err = m.bytes(m.sections[s.Link])
	return data, strings, err
}
