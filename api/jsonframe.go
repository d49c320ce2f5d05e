package api

import (
	"bytes"
	"encoding/base64"
	"math"
	"unicode/utf8"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// framer writes JSON as the frame that the values would be encoded as. Each step
// reports false where that is left to values: for what is no JSON, and for what
// takes more than one pass.
type framer struct {
	d   decoder
	dst []byte
}

// maxKeys is how many keys of a map are held against each other.
const maxKeys = 32

// jsonArgs is wire.frame of JSON. Bytes come as base64.
func jsonArgs(dst []byte, p *plan, b []byte) (args, rest []byte, ok bool) {
	f := framer{d: decoder{data: b, left: maxValues}, dst: dst}
	if f.d.next() != '[' {
		return nil, nil, false
	}
	f.d.pos++
	f.dst = append(f.dst, 0) // room for the head
	n, ok := f.arguments(p)
	if !ok || f.d.left < 0 || !p.sig.Variadic && n != len(p.sig.Args) {
		return nil, nil, false
	}
	f.listHead(len(dst), n)
	if args = f.dst[len(dst):]; len(args) > frame.MaxBytes {
		return nil, nil, false
	}
	return args, b[f.d.pos:], true
}

// arguments writes the items of the list of arguments, to its end.
func (f *framer) arguments(p *plan) (n int, ok bool) {
	for again := f.begun(']'); again; n++ {
		t := host.TypeAny
		if !p.sig.Variadic {
			if n == len(p.sig.Args) {
				return n, false
			}
			t = p.sig.Args[n]
		}
		if !f.argument(p, t) {
			return n, false
		}
		if again, ok = f.more(']'); !ok {
			return n, false
		}
	}
	return n, true
}

// begun reports whether something stands in the list or map that has just begun. If
// not, it steps over its end.
func (f *framer) begun(end byte) bool {
	if f.d.next() != end {
		return true
	}
	f.d.pos++
	return false
}

// more steps over what stands behind an item, a comma or the end, and reports whether
// it is a comma.
func (f *framer) more(end byte) (again, ok bool) {
	c := f.d.next()
	f.d.pos++
	return c == ',', c == ',' || c == end
}

// argument writes an argument that is of type t as it stands, or, where numbers
// are converted, as runtimes convert it.
func (f *framer) argument(p *plan, t host.Type) bool {
	c := f.d.next()
	if t == host.TypeBytes || t.Numeric() && t != host.TypeBool { // else value counts it
		f.d.left--
	}
	switch t {
	case host.TypeAny:
		return (c != 'n' || p.sig.NullCall) && f.value(1)
	case host.TypeString:
		return c == '"' && f.value(1)
	case host.TypeList:
		return c == '[' && f.value(1)
	case host.TypeMap:
		return c == '{' && f.value(1)
	case host.TypeBool:
		return (c == 't' || c == 'f') && f.value(1)
	case host.TypeBytes:
		return c == '"' && f.bytes()
	}
	n := scanNumber(f.d.data[f.d.pos:])
	f.d.pos += len(n.text)
	switch {
	case len(n.text) == 0 || !n.float && !p.converts && t != host.TypeI64 && t != host.TypeI32 && t != host.TypeU32:
		return false
	case t == host.TypeF64 || t == host.TypeF32:
		v, ok := n.asFloat()
		f.dst = frame.AppendFloat(f.dst, v)
		return ok && (t == host.TypeF64 || !math.IsInf(float64(float32(v)), 0))
	}
	v, ok := n.asInt()
	f.dst = frame.AppendInt(f.dst, v)
	return ok && inRange(t, v)
}

// value writes the value at the position, which lies inside depth lists and maps.
func (f *framer) value(depth int) bool {
	if f.d.left--; f.d.left < 0 {
		return false
	}
	switch c := f.d.next(); {
	case c == '"':
		return f.str()
	case c == '-' || '0' <= c && c <= '9':
		return f.number()
	case c == '[':
		return f.list(depth + 1)
	case c == '{':
		return f.object(depth + 1)
	case c == 't' && f.d.word("true"):
		f.dst = frame.AppendBool(f.dst, true)
	case c == 'f' && f.d.word("false"):
		f.dst = frame.AppendBool(f.dst, false)
	case c == 'n' && f.d.word("null"):
		f.dst = frame.AppendNil(f.dst)
	default:
		return false
	}
	return true
}

func (f *framer) number() bool {
	n := scanNumber(f.d.data[f.d.pos:])
	f.d.pos += len(n.text)
	if n.float {
		v, ok := n.asFloat()
		f.dst = frame.AppendFloat(f.dst, v)
		return ok && len(n.text) > 0
	}
	v, ok := n.asInt()
	f.dst = frame.AppendInt(f.dst, v)
	return ok && len(n.text) > 0
}

// raw returns the text of the string at the position if it stands for itself.
func (f *framer) raw() ([]byte, bool) {
	b := f.d.data[f.d.pos+1:]
	for i, c := range b {
		if c == '"' {
			f.d.pos += i + 2
			return b[:i], true
		}
		if c < ' ' || c == '\\' {
			break
		}
	}
	return nil, false
}

func (f *framer) str() bool {
	raw, ok := f.raw()
	if !ok {
		s, err := f.d.str() // with escapes
		f.dst = frame.AppendString(f.dst, s)
		return err == nil
	}
	f.dst = appendStr(f.dst, raw)
	return utf8.Valid(raw)
}

// appendStr appends a string, which the caller knows to be valid UTF-8.
func appendStr(dst, s []byte) []byte {
	if n := len(s); n <= 31 {
		dst = append(dst, 0xa0|byte(n))
	} else {
		dst = appendHead(dst, 0xd9, n)
	}
	return append(dst, s...)
}

// bytes writes the bytes that the string at the position is in base64.
func (f *framer) bytes() bool {
	raw, ok := f.raw()
	if !ok {
		return false
	}
	raw = bytes.TrimRight(raw, "=")
	n := base64.RawStdEncoding.DecodedLen(len(raw))
	f.dst = appendHead(f.dst, 0xc4, n)
	start := len(f.dst)
	var err error
	f.dst, err = base64.RawStdEncoding.AppendDecode(f.dst, raw)
	return err == nil && len(f.dst)-start == n
}

// appendHead begins n bytes: op is what stands before a length of one byte, of which
// those of two and of four are the next ones.
func appendHead(dst []byte, op byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, op, byte(n))
	case n <= math.MaxUint16:
		return append(dst, op+1, byte(n>>8), byte(n))
	}
	return append(dst, op+2, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// list writes the list that begins at the position.
func (f *framer) list(depth int) bool {
	if depth > maxDepth {
		return false
	}
	start, n := len(f.dst), 0
	f.dst = append(f.dst, 0)
	f.d.pos++
	var ok bool
	for again := f.begun(']'); again; n++ {
		if !f.value(depth) {
			return false
		}
		if again, ok = f.more(']'); !ok {
			return false
		}
	}
	f.listHead(start, n)
	return true
}

// object writes the map that begins at the position, unless two of its keys are
// equal: then only values know which counts.
func (f *framer) object(depth int) bool {
	if depth > maxDepth {
		return false
	}
	start, n := len(f.dst), 0
	f.dst = append(f.dst, 0)
	f.d.pos++
	var keys [maxKeys][2]int // where they stand in dst
	var ok bool
	for again := f.begun('}'); again; n++ {
		at := len(f.dst)
		if n == maxKeys || f.d.next() != '"' || !f.str() {
			return false
		}
		key := f.dst[at:]
		for _, k := range keys[:n] {
			if bytes.Equal(f.dst[k[0]:k[1]], key) {
				return false
			}
		}
		keys[n] = [2]int{at, len(f.dst)}
		if f.d.next() != ':' {
			return false
		}
		f.d.pos++
		if !f.value(depth) {
			return false
		}
		if again, ok = f.more('}'); !ok {
			return false
		}
	}
	f.mapHead(start, n)
	return true
}

// listHead and mapHead put the head of a list or a map of n in place of the byte at
// start, and make room if it is longer.
func (f *framer) listHead(start, n int) {
	var room [5]byte
	f.head(start, frame.AppendArrayHeader(room[:0], n))
}

func (f *framer) mapHead(start, n int) {
	var room [5]byte
	f.head(start, frame.AppendMapHeader(room[:0], n))
}

func (f *framer) head(start int, h []byte) {
	end := len(f.dst)
	f.dst = append(f.dst, h[1:]...)
	copy(f.dst[start+len(h):], f.dst[start+1:end])
	copy(f.dst[start:], h)
}
