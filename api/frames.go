package api

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// mostValues bounds what the lists and maps of one frame of arguments may
// allocate, in bytes; of one result, what they may by the guest's runtime.
const (
	mostValues = 64 << 20
	mostResult = 16 << 20
)

// maxMessage bounds an error that a guest returned, in bytes.
const maxMessage = 4 << 10

// decodeFrame appends the arguments that data, one frame, holds. what it is
// called in an error.
func decodeFrame(dst []any, data []byte, what string) ([]any, error) {
	d := frame.Decoder{Most: mostValues}
	args, err := d.DecodeArgs(data)
	if err != nil {
		return dst, failf(problemJSON, "%s: %v; expected one MessagePack array of arguments", what, err)
	}
	return append(dst, args...), nil
}

// scalarRows reports whether b is n short lists of nothing but null, bools and
// numbers: then each is a frame, which is seen faster than by looking at all that a
// frame may be. No says nothing.
func scalarRows(b []byte, n int) bool {
	// How many bytes follow the heads 0xc0 to 0xd3; more than there are for others.
	const widths = "\x00\xff\x00\x00\xff\xff\xff\xff\xff\xff\x04\x08\x01\x02\x04\x08\x01\x02\x04\x08"
	at := 0
	for range n {
		if at >= len(b) || b[at]&0xf0 != 0x90 {
			return false
		}
		items := int(b[at] & 0x0f)
		at++
		for range items {
			if at >= len(b) {
				return false
			}
			if head := int(b[at]) - 0xc0; head >= 0 && head < len(widths) {
				if widths[head] == 0xff {
					return false
				}
				at += int(widths[head])
			} else if head >= 0 && b[at] < 0xe0 || head < 0 && b[at] > 0x7f {
				return false
			}
			at++
		}
	}
	return at == len(b)
}

// frameWords is wire.words of frames. The head bytes of most numbers are looked at
// here; the others are for package frame.
func frameWords(words *[maxWords]uint64, types []host.Type, b []byte) (rest []byte, ok bool) {
	const float64Head, fixArray, most = 0xcb, 0x90, 15
	if len(b) == 0 || len(types) > most || b[0] != fixArray|byte(len(types)) {
		return nil, false
	}
	b = b[1:]
	for i, t := range types {
		if t == host.TypeF64 && len(b) >= 9 && b[0] == float64Head {
			words[i], b = binary.BigEndian.Uint64(b[1:]), b[9:]
			continue
		}
		if len(b) > 0 && b[0] <= 0x7f && t <= host.TypeI64 && t != host.TypeAny {
			words[i], b = uint64(b[0]), b[1:]
			continue
		}
		r := frame.Read(b)
		if words[i], ok = frameWord(&r, t); !ok {
			return nil, false
		}
		b = r.Rest()
	}
	return b, true
}

// frameWord reads a value that is of type t, or an integer where t is a float.
func frameWord(r *frame.Reader, t host.Type) (uint64, bool) {
	switch t {
	case host.TypeBool:
		if r.Kind() != frame.KindBool {
			return 0, false
		}
		v, err := r.Bool()
		if v {
			return 1, err == nil
		}
		return 0, err == nil
	case host.TypeF64:
		f, ok := floatOf(r)
		return math.Float64bits(f), ok
	case host.TypeF32:
		f, ok := floatOf(r)
		narrow := float32(f)
		return uint64(math.Float32bits(narrow)), ok && (math.IsInf(f, 0) || !math.IsInf(float64(narrow), 0))
	}
	if r.Kind() != frame.KindInt {
		return 0, false
	}
	v, err := r.Int()
	if t == host.TypeI32 {
		return uint64(uint32(v)), err == nil && inRange(t, v)
	}
	return uint64(v), err == nil && inRange(t, v)
}

// floatOf reads a number that is not above the range of int64.
func floatOf(r *frame.Reader) (float64, bool) {
	switch r.Kind() {
	case frame.KindFloat:
		f, err := r.Float()
		return f, err == nil
	case frame.KindInt:
		i, err := r.Int()
		return float64(i), err == nil
	}
	return 0, false
}

// appendFrameWord appends the result w of type t.
func appendFrameWord(dst []byte, t host.Type, w uint64) []byte {
	switch t {
	case host.TypeF64:
		return frame.AppendFloat(dst, math.Float64frombits(w))
	case host.TypeF32:
		return frame.AppendFloat(dst, float64(math.Float32frombits(uint32(w))))
	case host.TypeI32:
		return frame.AppendInt(dst, int64(int32(uint32(w))))
	case host.TypeU32:
		return frame.AppendUint(dst, uint64(uint32(w)))
	case host.TypeBool:
		return frame.AppendBool(dst, uint32(w) != 0)
	}
	return frame.AppendInt(dst, int64(w))
}

// frameArgs is wire.frame of frames: arguments that are of their declared types
// pass as they came.
func frameArgs(p *plan, b []byte) (args, rest []byte, ok bool) {
	r := frame.Read(b)
	n, err := r.Array()
	if err != nil || !p.sig.Variadic && n != len(p.sig.Args) {
		return nil, nil, false
	}
	for i := range n {
		t := host.TypeAny
		if !p.sig.Variadic {
			t = p.sig.Args[i]
		}
		k := r.Kind()
		if k == frame.KindNil && !p.sig.NullCall || k == frame.KindError {
			return nil, nil, false
		}
		if k == frame.KindNil {
			r.Nil()
		} else if !takes(&r, k, t) {
			return nil, nil, false
		}
	}
	rest = r.Rest()
	return b[:len(b)-len(rest)], rest, true
}

// takes reads a value of kind k if t is its type without conversion.
func takes(r *frame.Reader, k frame.Kind, t host.Type) bool {
	switch t {
	case host.TypeAny:
	case host.TypeF64:
		if k != frame.KindFloat {
			return false
		}
	case host.TypeI32, host.TypeU32, host.TypeI64:
		if k != frame.KindInt {
			return false
		}
		v, err := r.Int()
		return err == nil && inRange(t, v)
	case host.TypeBool:
		if k != frame.KindBool {
			return false
		}
	case host.TypeString:
		if k != frame.KindStr {
			return false
		}
	case host.TypeBytes:
		if k != frame.KindBytes {
			return false
		}
	case host.TypeList:
		if k != frame.KindArray {
			return false
		}
	case host.TypeMap:
		if k != frame.KindMap {
			return false
		}
	default:
		return false
	}
	return r.Skip() == nil
}

// passFrame appends a result that is of its declared type, or null, as it is.
func passFrame(dst []byte, t host.Type, result []byte) ([]byte, bool) {
	r := frame.Read(result)
	switch k := r.Kind(); {
	case k == frame.KindNil:
		r.Nil()
	case k == frame.KindError || !takes(&r, k, t):
		return dst, false
	}
	if len(r.Rest()) > 0 {
		return dst, false
	}
	return append(dst, result...), true
}

// unframe makes a value of a result that no shorter way takes, as the runtimes do,
// or the error that they would have made.
func (s *Server) unframe(f *callee, p *plan, result []byte) (any, error) {
	g := &host.GuestError{Symbol: f.Name(), Fault: host.FaultResult}
	if desc, err := s.host.FunctionNamed(f.Name()); err == nil {
		g.Plugin, g.Version = desc.Plugin, desc.Version
	}
	d := frame.Decoder{Most: mostResult}
	v, err := d.Decode(result)
	if e, ok := v.(*frame.Error); ok && p.converts {
		if len(e.Msg) > maxMessage {
			e.Msg = strings.ToValidUTF8(e.Msg[:maxMessage], "") + "..."
		}
		g.Fault, g.Class, err = host.FaultReturned, e.Class, e
	}
	if err == nil && v != nil {
		v, err = p.sig.Returns.Conform(v)
	}
	if err != nil {
		g.Err = err
		return nil, g
	}
	return v, nil
}

// classOf is the class of the error value that stands for a failed row.
func classOf(p problem, err error) string {
	if g, ok := errors.AsType[*host.GuestError](err); ok && g.Class != "" {
		return g.Class
	}
	switch p {
	case problemJSON, problemUnknown, problemArguments, problemBodySize:
		return frame.ClassUsage
	case problemBusy, problemFull, problemUnavailable, problemClosing, problemInterrupted, problemAbsent:
		return frame.ClassIO
	}
	return frame.ClassFatal
}
