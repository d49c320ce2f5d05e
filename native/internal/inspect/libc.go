package inspect

import (
	"debug/elf"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of the lists of libraries and versions.
const (
	maxNeeded   = 256
	maxVersions = 4 << 10
)

// libraries takes interpreter, needed libraries, libc and its version.
func (m *image) libraries(f *File) error {
	var err error
	if f.Interp, err = m.interp(); err != nil {
		return err
	}
	if f.Needed, err = m.needed(); err != nil {
		return err
	}
	needs, err := m.versionsNeeded()
	if err != nil {
		return err
	}
	f.Glibc = highest(needs)
	f.Libc = libcOf(f)
	return nil
}

// libcOf tells the C library. The names are their own: libc.so.6 and
// ld-linux-x86-64.so.2 are glibc's, libc.musl-x86_64.so.1 (Alpine), libc.so
// (musl-gcc) and ld-musl-x86_64.so.1 are musl's.
func libcOf(f *File) Libc {
	for _, n := range append([]string{f.Interp}, f.Needed...) {
		base := n[strings.LastIndexByte(n, '/')+1:]
		switch {
		case strings.HasPrefix(base, "libc.musl-"), strings.HasPrefix(base, "ld-musl-"), base == "libc.so":
			return Musl
		case base == "libc.so.6", strings.HasPrefix(base, "ld-linux"):
			return Glibc
		}
	}
	if f.Glibc != "" {
		return Glibc
	}
	return ""
}

// interp reads the dynamic loader's name.
func (m *image) interp() (string, error) {
	for _, p := range m.segments {
		if p.Type == uint32(elf.PT_INTERP) {
			b := make([]byte, min(p.Filesz, maxName))
			_, err := m.r.ReadAt(b, int64(p.Off))
			return text(b, 0), err
		}
	}
	return "", nil
}

// needed reads the names of the libraries that the loader must find.
func (m *image) needed() ([]string, error) {
	data, names, err := m.linked(elf.SHT_DYNAMIC)
	if err != nil {
		return nil, err
	}
	word := func(b []byte) uint64 { return uint64(m.order.Uint32(b)) }
	width := 4
	if m.class == elf.ELFCLASS64 {
		word, width = m.order.Uint64, 8
	}
	var list []string
	for ; len(data) >= 2*width; data = data[2*width:] {
		switch elf.DynTag(word(data)) {
		case elf.DT_NULL:
			return list, nil
		case elf.DT_NEEDED:
			if len(list) == maxNeeded {
				return nil, fmt.Errorf("%w: it needs more than %d libraries", ErrDamaged, maxNeeded)
			}
			list = append(list, text(names, word(data[width:])))
		}
	}
	return list, nil
}

// versionsNeeded reads the symbol versions that the file asks of its libraries:
// a chain of libraries, each with a chain of versions, linked by distances.
func (m *image) versionsNeeded() ([]string, error) {
	data, names, err := m.linked(elf.SHT_GNU_VERNEED)
	if err != nil {
		return nil, err
	}
	var list []string
	for lib := uint64(0); lib+16 <= uint64(len(data)); {
		ver := lib + uint64(m.order.Uint32(data[lib+8:]))
		for ver+16 <= uint64(len(data)) && len(list) < maxVersions {
			list = append(list, text(names, uint64(m.order.Uint32(data[ver+8:]))))
			step := m.order.Uint32(data[ver+12:])
			if step == 0 {
				break
			}
			ver += uint64(step)
		}
		step := m.order.Uint32(data[lib+12:])
		if step == 0 {
			break
		}
		lib += uint64(step)
		if len(list) >= maxVersions {
			return nil, fmt.Errorf("%w: it needs more than %d symbol versions", ErrDamaged, maxVersions)
		}
	}
	return list, nil
}

// versionsOffered reads the symbol versions that a library defines.
func (m *image) versionsOffered() ([]string, error) {
	data, names, err := m.linked(elf.SHT_GNU_VERDEF)
	if err != nil {
		return nil, err
	}
	var list []string
	for def := uint64(0); def+20 <= uint64(len(data)) && len(list) < maxVersions; {
		if aux := def + uint64(m.order.Uint32(data[def+12:])); aux+8 <= uint64(len(data)) {
			list = append(list, text(names, uint64(m.order.Uint32(data[aux:]))))
		}
		step := m.order.Uint32(data[def+16:])
		if step == 0 {
			break
		}
		def += uint64(step)
	}
	return list, nil
}

// highest returns the x.y of the highest GLIBC_x.y; empty if there is none.
// GLIBC_PRIVATE and GLIBC_ABI_... are passed over.
func highest(versions []string) string {
	best := ""
	for _, v := range versions {
		if v, ok := strings.CutPrefix(v, "GLIBC_"); ok && newer(v, best) {
			best = v
		}
	}
	return best
}

// newer reports whether dotted version a is above b; what is not a version is
// above nothing.
func newer(a, b string) bool {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		m, err := strconv.ParseUint("0"+x, 10, 32)
		if err != nil {
			return false
		}
		n, err := strconv.ParseUint("0"+y, 10, 32)
		if err != nil {
			return true
		}
		if m != n {
			return m > n
		}
	}
	return false
}
