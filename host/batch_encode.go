package host

import (
	"math"

	"github.com/vanth-io/vanth/host/frame"
)

// This file gives rows the form in which the lanes of frames take them: the one that
// Exec would give them.

// fit says what becomes of a row.
type fit uint8

const (
	fitsNot  fit = iota // it is odd
	fitsCall            // it is a call
	fitsNull            // its result is null, since an argument is
)

// encode appends the frame of the row that b begins with, which is sound, with each
// argument as Exec encodes it. n is how long the row is in b.
func (s *Signature) encode(dst, b []byte) (out []byte, n int, f fit) {
	if n = s.encoded(b); n > 0 {
		return append(dst, b[:n]...), n, fitsCall
	}
	return s.recode(dst, b)
}

// recode is encode for a row that has to be looked at.
func (s *Signature) recode(dst, b []byte) (out []byte, n int, f fit) {
	read := frame.Read(b)
	out, f = s.transcode(dst, &read)
	return out, len(b) - len(read.Rest()), f
}

// encoded returns the length of the row that b begins with, which is sound, if it is
// easily seen that Exec would encode it so; else 0.
func (s *Signature) encoded(b []byte) (n int) {
	switch {
	case s.Aggregate:
		return 0
	case s.Variadic:
		return encodedAny(b)
	}
	if n = listHead(b, len(s.Args)); n == 0 {
		return 0
	}
	for _, t := range s.Args {
		wide := t.encoded(b[n:])
		if wide == 0 {
			return 0
		}
		n += wide
	}
	return n
}

// encodedAny is encoded for values of any type, none of them null.
func encodedAny(b []byte) (n int) {
	if b[0]&0xf0 != 0x90 {
		return 0
	}
	n = 1
	for range b[0] & 0x0f {
		wide := TypeAny.encoded(b[n:])
		if wide == 0 {
			return 0
		}
		n += wide
	}
	return n
}

func (t Type) encoded(b []byte) int {
	switch c := b[0]; {
	case c == 0xcb && (t == TypeF64 || t == TypeAny):
		return 9
	case c >= 0xa0 && c <= 0xbf && (t == TypeString || t == TypeAny):
		return 1 + int(c&0x1f)
	case c == 0xd9 && (t == TypeString || t == TypeAny):
		return 2 + int(b[1])
	case c <= 0x7f && (t == TypeI64 || t == TypeI32 || t == TypeU32 || t == TypeAny):
		return 1
	case (c == 0xc2 || c == 0xc3) && (t == TypeBool || t == TypeAny):
		return 1
	}
	return 0
}

// transcode appends the frame of the row that comes next, with each argument as Exec
// encodes it.
func (s *Signature) transcode(dst []byte, read *frame.Reader) (out []byte, f fit) {
	n, err := read.Array()
	if err != nil || !s.Variadic && n != len(s.Args) {
		return dst, fitsNot
	}
	dst = frame.AppendArrayHeader(dst, n)
	f = fitsCall
	for i := range n {
		if read.Nil() {
			dst = append(dst, 0xc0)
			if !s.NullCall && !s.Aggregate {
				f = fitsNull
			}
			continue
		}
		t := TypeAny
		if !s.Variadic && !s.Aggregate {
			t = s.Args[i]
		}
		var ok bool
		if dst, ok = t.transcode(dst, read); !ok {
			return dst, fitsNot
		}
	}
	return dst, f
}

// transcode appends the value that comes next, if it is of type t.
func (t Type) transcode(dst []byte, read *frame.Reader) ([]byte, bool) {
	switch t {
	case TypeF64, TypeF32:
		v, err := read.Float()
		if err != nil || t == TypeF32 && math.IsInf(float64(float32(v)), 0) && !math.IsInf(v, 0) {
			return dst, false
		}
		return frame.AppendFloat(dst, v), true
	case TypeI64, TypeI32, TypeU32:
		raw, err := read.Raw()
		if err != nil {
			return dst, false
		}
		w, wide := scanWord(raw, t)
		return appendWord(dst, t, w), wide > 0
	}
	if t != TypeAny && read.Kind() != t.kind() {
		return dst, false
	}
	raw, err := read.Raw()
	return append(dst, raw...), err == nil
}

// kind is that of the values of a type that is neither a number nor any.
func (t Type) kind() frame.Kind {
	switch t {
	case TypeBool:
		return frame.KindBool
	case TypeString:
		return frame.KindStr
	case TypeBytes:
		return frame.KindBytes
	case TypeList:
		return frame.KindArray
	case TypeMap:
		return frame.KindMap
	}
	return frame.KindNone
}
