//go:build unix

package child

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// TestProgram: machine and loader are found in files of both sizes and both orders
// of bytes, and a file that is cut off anywhere is an error or has no loader.
func TestProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	const loader = "/lib/ld.so"
	for _, c := range []struct {
		name    string
		class   elf.Class
		data    elf.Data
		order   binary.ByteOrder
		machine elf.Machine
	}{
		{"32 bits, little", elf.ELFCLASS32, elf.ELFDATA2LSB, binary.LittleEndian, elf.EM_ARM},
		{"32 bits, big", elf.ELFCLASS32, elf.ELFDATA2MSB, binary.BigEndian, elf.EM_MIPS},
		{"64 bits, little", elf.ELFCLASS64, elf.ELFDATA2LSB, binary.LittleEndian, elf.EM_AARCH64},
		{"64 bits, big", elf.ELFCLASS64, elf.ELFDATA2MSB, binary.BigEndian, elf.EM_S390},
	} {
		ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(c.class), byte(c.data)}
		var b bytes.Buffer
		parts := []any{
			elf.Header64{Ident: ident, Machine: uint16(c.machine), Phoff: 64, Phentsize: 56, Phnum: 2},
			elf.Prog64{Type: uint32(elf.PT_LOAD)},
			elf.Prog64{Type: uint32(elf.PT_INTERP), Off: 64 + 2*56, Filesz: uint64(len(loader) + 1)},
		}
		if c.class == elf.ELFCLASS32 {
			parts = []any{
				elf.Header32{Ident: ident, Machine: uint16(c.machine), Phoff: 52, Phentsize: 32, Phnum: 2},
				elf.Prog32{Type: uint32(elf.PT_LOAD)},
				elf.Prog32{Type: uint32(elf.PT_INTERP), Off: 52 + 2*32, Filesz: uint32(len(loader) + 1)},
			}
		}
		for _, p := range append(parts, []byte(loader+"\x00")) {
			if err := binary.Write(&b, c.order, p); err != nil {
				t.Fatal(err)
			}
		}
		for n := range b.Len() + 1 {
			if err := os.WriteFile(path, b.Bytes()[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			machine, got, err := program(path)
			switch {
			case n < b.Len() && got != "":
				t.Errorf("%s: cut off after %d bytes, it has the loader %q", c.name, n, got)
			case n == b.Len() && (machine != c.machine || got != loader || err != nil):
				t.Errorf("%s: got %v, %q, %v", c.name, machine, got, err)
			}
		}
	}
}
