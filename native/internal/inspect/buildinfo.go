package inspect

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"runtime/debug"
)

// maxBuildInfo bounds Go's build info, in bytes.
const maxBuildInfo = 1 << 20

// The layout of the section .go.buildinfo since Go 1.18: a header of 32 bytes,
// whose 16th tells the form, then version and module info as strings with their
// lengths before them. Module info is framed by 16 bytes on each side.
const (
	buildInfoMagic  = "\xff Go buildinf:"
	buildInfoHeader = 32
	buildInfoInline = 2
	buildInfoFrame  = 16
)

// buildInfo reads Go's build info; nil if the file has none, or that of a Go
// before 1.18, which wrote pointers. debug/buildinfo is not used for it: it
// takes any length that fits its segment.
func (m *image) buildInfo() (*debug.BuildInfo, error) {
	s, ok := m.named(".go.buildinfo")
	if !ok {
		return nil, nil
	}
	if s.Size > maxBuildInfo {
		return nil, fmt.Errorf("%w: its build info has %d bytes, at most %d are expected", ErrDamaged, s.Size, maxBuildInfo)
	}
	b, err := m.bytes(s)
	if err != nil {
		return nil, err
	}
	if len(b) < buildInfoHeader || !bytes.HasPrefix(b, []byte(buildInfoMagic)) || b[15]&buildInfoInline == 0 {
		return nil, nil
	}
	version, b, ok := counted(b[buildInfoHeader:])
	if !ok {
		return nil, fmt.Errorf("%w: its build info ends inside the Go version", ErrDamaged)
	}
	mod, _, ok := counted(b)
	if !ok {
		return nil, fmt.Errorf("%w: its build info ends inside the list of modules", ErrDamaged)
	}
	info := &debug.BuildInfo{}
	if len(mod) > 2*buildInfoFrame {
		if info, err = debug.ParseBuildInfo(string(mod[buildInfoFrame : len(mod)-buildInfoFrame])); err != nil {
			return nil, fmt.Errorf("%w: its build info: %w", ErrDamaged, err)
		}
	}
	info.GoVersion = string(version)
	return info, nil
}

// counted cuts a string with its length before it.
func counted(b []byte) (s, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	return b[w : w+int(n)], b[w+int(n):], true
}

// named returns the first section of a name.
func (m *image) named(name string) (elf.Section64, bool) {
	for _, s := range m.sections {
		if text(m.names, uint64(s.Name)) == name {
			return s, true
		}
	}
	return elf.Section64{}, false
}
