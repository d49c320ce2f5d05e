package modgen

import "encoding/binary"

// writer is a part of a module that grows.
type writer struct{ out []byte }

func (w *writer) bytes(b ...byte) { w.out = append(w.out, b...) }

func (w *writer) u(v int) { w.out = binary.AppendUvarint(w.out, uint64(v)) }

// padded is u in five bytes, as linkers leave them.
func (w *writer) padded(v int) {
	for range 4 {
		w.bytes(byte(v) | 0x80)
		v >>= 7
	}
	w.bytes(byte(v))
}

// s writes a signed number.
func (w *writer) s(v int64) {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low < 0x40 || v == -1 && low >= 0x40 {
			w.bytes(low)
			return
		}
		w.bytes(low | 0x80)
	}
}

// sized writes how many bytes b has, and b.
func (w *writer) sized(b []byte) {
	w.u(len(b))
	w.bytes(b...)
}

func (w *writer) name(s string) { w.sized([]byte(s)) }
