package frame

import (
	"encoding/binary"
	"math"
	"time"
)

// Reader reads frames piece by piece, in order, without boxing and without
// allocating, unless there is an error. [Read] makes one.
//
//	r := frame.Read(b)
//	n, err := r.Array()
//	for range n {
//		x, err := r.Float()
//	}
//	err = r.End()
//
// Array and Map read a head only, and the items come next: n of a list, n times
// a key and a value of a map, keys by Str. The Reader counts them, so that it
// knows how deep it is and where keys stand: what it reads is held to the
// profile as [Decode] holds it, at the same offsets and for the same reasons.
// After the last item come what follows the list, and after a whole frame the
// next one, if there is one.
//
// Each read returns a *[Mismatch] when the value is another, and a *[Malformed]
// when it is none; both leave the Reader before it. Slices point into b. A Reader
// is for one goroutine, and not to be copied once it is in use.
type Reader struct {
	s    scanner
	cut  int              // how many bytes follow the first MaxBytes
	deep int              // lists and maps begun, some of which may be at their end
	open [MaxDepth]uint32 // what each still has: values, or keys and values with mapBit
}

// mapBit marks a map's count; it is then even where a key stands.
const mapBit = 1 << 31

// Read returns a Reader that stands at the beginning of b. Of a b longer than
// [MaxBytes] it reads no more than that.
func Read(b []byte) Reader {
	n := min(len(b), MaxBytes)
	return Reader{s: scanner{b: b[:n]}, cut: len(b) - n}
}

// Rest returns what was not read yet.
func (r *Reader) Rest() []byte { return r.s.b[r.s.at : len(r.s.b)+r.cut] }

// head reads the head of the next value, which stands at start.
func (r *Reader) head() (k kind, n uint64, start int) {
	key := r.settle()
	start = r.s.at
	k, n = r.s.next()
	if key && k != kindStr && k != kindNone {
		k = r.s.fail(start, Key)
	}
	return k, n, start
}

// settle leaves the lists and maps that are at their end, and reports whether a
// key comes next.
func (r *Reader) settle() (key bool) {
	for r.deep > 0 {
		if left := r.open[r.deep-1]; left&^mapBit != 0 {
			return left&(mapBit|1) == mapBit
		}
		r.deep--
	}
	return false
}

// took counts a value that was read.
func (r *Reader) took() {
	if r.deep > 0 {
		r.open[r.deep-1]--
	}
}

// item reports whether the next value is one of a list, and how many there are.
func (r *Reader) item() (left uint32, ok bool) {
	if r.deep == 0 {
		return 0, false
	}
	left = r.open[r.deep-1]
	return left, left-1 < mapBit-1 // neither 0 nor a map's
}

// refuse goes back to start, where k was found in place of want.
func (r *Reader) refuse(start int, k kind, want Kind) error {
	r.s.at = start
	if k != kindNone {
		if found := k.public(r.s.ext); found != KindNone {
			return &Mismatch{Offset: start, Found: found, Want: want}
		}
		r.s.fail(start, Ext)
	}
	if r.cut > 0 && r.s.bad.Reason == Truncated {
		r.s.fail(MaxBytes, TooLong)
	}
	return r.s.malformed()
}

// Kind returns the kind of the next value, and KindNone where there is none.
func (r *Reader) Kind() Kind {
	k, _, start := r.head()
	r.s.at = start
	return k.public(r.s.ext)
}

// Nil reports whether the next value is nil, and if so reads it.
func (r *Reader) Nil() bool {
	if at := r.s.at; at >= len(r.s.b) || r.s.b[at] != 0xc0 || r.settle() {
		return false
	}
	r.s.at++
	r.took()
	return true
}

// Bool reads a bool.
func (r *Reader) Bool() (bool, error) {
	k, _, start := r.head()
	if k != kindTrue && k != kindFalse {
		return false, r.refuse(start, k, KindBool)
	}
	r.took()
	return k == kindTrue, nil
}

// Int reads an integer in the range of int64.
func (r *Reader) Int() (int64, error) {
	if at := r.s.at; at < len(r.s.b) && r.s.b[at] <= 0x7f {
		if left, ok := r.item(); ok { // the short way of most
			r.open[r.deep-1] = left - 1
			r.s.at++
			return int64(r.s.b[at]), nil
		}
	}
	k, n, start := r.head()
	if k != kindInt {
		return 0, r.refuse(start, k, KindInt)
	}
	r.took()
	return int64(n), nil
}

// Uint reads an integer that is not negative.
func (r *Reader) Uint() (uint64, error) {
	k, n, start := r.head()
	if k != kindUint && (k != kindInt || int64(n) < 0) {
		return 0, r.refuse(start, k, KindUint)
	}
	r.took()
	return n, nil
}

// Float reads a float, or an integer that a float is equal to.
func (r *Reader) Float() (v float64, err error) {
	if b := r.s.b[r.s.at:]; len(b) >= 9 && b[0] == 0xcb {
		if left, ok := r.item(); ok { // the short way of most
			r.open[r.deep-1] = left - 1
			r.s.at += 9
			return math.Float64frombits(binary.BigEndian.Uint64(b[1:])), nil
		}
	}
	k, n, start := r.head()
	ok := true
	switch k {
	case kindFloat64:
		v = math.Float64frombits(n)
	case kindFloat32:
		v = float64(math.Float32frombits(uint32(n)))
	case kindInt:
		v = float64(int64(n))
		ok = v < 1<<63 && int64(v) == int64(n)
	case kindUint:
		v = float64(n)
		ok = v < 1<<64 && uint64(v) == n
	default:
		ok = false
	}
	if !ok {
		return 0, r.refuse(start, k, KindFloat)
	}
	r.took()
	return v, nil
}

// Str reads a string, or a map's key.
func (r *Reader) Str() ([]byte, error) {
	k, n, start := r.head()
	if k != kindStr {
		return nil, r.refuse(start, k, KindStr)
	}
	p, ok := r.s.text(start, n)
	if !ok {
		return nil, r.refuse(start, kindNone, KindStr)
	}
	r.took()
	return p, nil
}

// Bytes reads bytes.
func (r *Reader) Bytes() ([]byte, error) {
	k, n, start := r.head()
	if k != kindBin {
		return nil, r.refuse(start, k, KindBytes)
	}
	r.took()
	return r.s.take(n), nil
}

// Time reads a time, in UTC.
func (r *Reader) Time() (time.Time, error) {
	k, n, start := r.head()
	if k != kindExt || r.s.ext != extTime {
		return time.Time{}, r.refuse(start, k, KindTime)
	}
	t, ok := timestamp(r.s.take(n))
	if !ok {
		return time.Time{}, r.refuse(start, r.s.fail(start, Timestamp), KindTime)
	}
	r.took()
	return t, nil
}

// Fault reads an error value.
func (r *Reader) Fault() (msg, class []byte, err error) {
	k, n, start := r.head()
	if k != kindExt || r.s.ext != extError {
		return nil, nil, r.refuse(start, k, KindError)
	}
	msg, class, ok := errorValue(r.s.take(n))
	if !ok {
		return nil, nil, r.refuse(start, r.s.fail(start, ErrorForm), KindError)
	}
	r.took()
	return msg, class, nil
}

// Array begins a list of n values.
func (r *Reader) Array() (n int, err error) { return r.begin(kindArray, KindArray, 0) }

// Map begins a map of n pairs.
func (r *Reader) Map() (n int, err error) { return r.begin(kindMap, KindMap, mapBit) }

func (r *Reader) begin(want kind, public Kind, bit uint32) (int, error) {
	k, n, start := r.head()
	if k != want {
		return 0, r.refuse(start, k, public)
	}
	if r.deep == MaxDepth {
		return 0, r.refuse(start, r.s.fail(start, Depth), public)
	}
	r.took()
	items := uint32(n)
	if bit != 0 {
		items *= 2
	}
	r.open[r.deep] = items | bit
	r.deep++
	return int(n), nil
}

// Skip reads the next value, or a map's key, whatever it is.
func (r *Reader) Skip() error {
	key := r.settle()
	start := r.s.at
	if key && !r.s.skipKey() || !key && !r.s.skip(r.deep) {
		return r.refuse(start, kindNone, KindNone)
	}
	r.took()
	return nil
}

// Raw reads the next value as Skip does and returns its bytes, a frame.
func (r *Reader) Raw() ([]byte, error) {
	start := r.s.at
	if err := r.Skip(); err != nil {
		return nil, err
	}
	return r.s.b[start:r.s.at], nil
}

// End reads what the lists and maps that were begun still have, and returns an
// error unless b ends with them. Where nothing was read it reads a frame.
func (r *Reader) End() error {
	for r.settle(); r.deep > 0 || r.s.at == 0; r.settle() {
		if err := r.Skip(); err != nil {
			return err
		}
	}
	if r.s.at < len(r.s.b) {
		r.s.fail(r.s.at, Trailing)
		return r.s.malformed()
	}
	if r.cut > 0 {
		r.s.fail(MaxBytes, TooLong)
		return r.s.malformed()
	}
	return nil
}
