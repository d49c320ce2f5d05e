//go:build unix

package child

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// program reads from a program's file what machine it is for and which loader
// starts it, "" for none. elf.Open is not used for it: with what unpacks sections it
// would be a hundredth of the whole binary.
func program(path string) (machine elf.Machine, loader string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	var ident [elf.EI_NIDENT]byte
	if _, err := f.ReadAt(ident[:], 0); err != nil {
		return 0, "", err
	}
	var order binary.ByteOrder
	switch elf.Data(ident[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		order = binary.BigEndian
	}
	if !bytes.HasPrefix(ident[:], []byte(elf.ELFMAG)) || order == nil {
		return 0, "", errors.New("not ELF")
	}
	var segments []segment
	switch elf.Class(ident[elf.EI_CLASS]) {
	case elf.ELFCLASS64:
		var h elf.Header64
		if err := structAt(f, order, 0, &h); err != nil {
			return 0, "", err
		}
		machine = elf.Machine(h.Machine)
		segments = make([]segment, h.Phnum)
		for i := range segments {
			var p elf.Prog64
			if err := structAt(f, order, int64(h.Phoff)+int64(i)*int64(h.Phentsize), &p); err != nil {
				return 0, "", err
			}
			segments[i] = segment{elf.ProgType(p.Type), int64(p.Off), int64(p.Filesz)}
		}
	case elf.ELFCLASS32:
		var h elf.Header32
		if err := structAt(f, order, 0, &h); err != nil {
			return 0, "", err
		}
		machine = elf.Machine(h.Machine)
		segments = make([]segment, h.Phnum)
		for i := range segments {
			var p elf.Prog32
			if err := structAt(f, order, int64(h.Phoff)+int64(i)*int64(h.Phentsize), &p); err != nil {
				return 0, "", err
			}
			segments[i] = segment{elf.ProgType(p.Type), int64(p.Off), int64(p.Filesz)}
		}
	default:
		return 0, "", errors.New("neither of 32 nor of 64 bits")
	}
	return machine, loaderOf(f, segments), nil
}

// segment is what is looked at of an entry of the program header table.
type segment struct {
	kind      elf.ProgType
	off, size int64
}

// loaderOf reads the name of the loader, if a segment has one.
func loaderOf(f io.ReaderAt, segments []segment) string {
	const longest = 4096 // of a path
	for _, s := range segments {
		if s.kind != elf.PT_INTERP || s.size < 0 || s.size > longest {
			continue
		}
		name := make([]byte, s.size)
		if _, err := f.ReadAt(name, s.off); err == nil {
			return string(bytes.TrimRight(name, "\x00"))
		}
	}
	return ""
}

// structAt reads a structure of fixed size.
func structAt(f io.ReaderAt, order binary.ByteOrder, off int64, into any) error {
	b := make([]byte, binary.Size(into))
	if _, err := f.ReadAt(b, off); err != nil {
		return err
	}
	_, err := binary.Decode(b, order, into)
	return err
}
