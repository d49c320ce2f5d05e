package frame

import (
	"math"
)

// Decoder decodes frames and remembers the columns of maps, so that rows with the
// same columns share keys, and values that are what they were in the row before. Where
// columns stay, maps begin as a copy of what stays.
// The zero value is ready. It is for one goroutine. What it keeps is bounded, see
// [DecoderKeeps].
type Decoder struct {
	// Most bounds what the lists and maps of one frame may allocate, in bytes, beside
	// Amplification; 0 is no other bound.
	Most int
	// Stop is asked now and then while lists and maps are made, and ends the decoding;
	// nil for never.
	Stop func() bool

	memo *memo            // nil until a map is decoded
	rows *[maxKnown]place // nil until one of a few pairs is
}

// Decode returns the value of b, which is exactly one frame. The value shares no
// memory with b. Errors are *[Malformed].
func Decode(b []byte) (any, error) { return decode(b, nil) }

// DecodeArgs returns the arguments of b, the frame of a call.
func DecodeArgs(b []byte) ([]any, error) { return decodeArgs(b, nil) }

// Decode is the package's [Decode].
func (d *Decoder) Decode(b []byte) (any, error) { return decode(b, d) }

// DecodeArgs is the package's [DecodeArgs].
func (d *Decoder) DecodeArgs(b []byte) ([]any, error) { return decodeArgs(b, d) }

func decode(b []byte, d *Decoder) (any, error) {
	r := newReading(b, d)
	if len(b) > MaxBytes {
		return nil, tooLongFrame()
	}
	v, ok := r.value(0)
	if err := r.finish(ok); err != nil {
		return nil, err
	}
	return v, nil
}

func decodeArgs(b []byte, d *Decoder) ([]any, error) {
	r := newReading(b, d)
	if len(b) > MaxBytes {
		return nil, tooLongFrame()
	}
	k, n := r.next()
	if k != kindArray {
		if k != kindNone {
			r.fail(0, NoArgs)
		}
		return nil, r.malformed()
	}
	args, ok := r.list(0, int(n), 1)
	if err := r.finish(ok); err != nil {
		return nil, err
	}
	return args, nil
}

// others is the most that scalars and keys allocate, in bytes a byte of their
// frame: 24 for the two of an empty bin. The rest is for lists and maps.
const others = 12

// reading is a scanner that makes values.
type reading struct {
	scanner
	wide    int64 // bytes that lists and maps may still allocate
	stop    func() bool
	decoder *Decoder // nil for none
}

// newReading reads b for a Decoder, or for nil.
func newReading(b []byte, d *Decoder) reading {
	r := reading{scanner: scanner{b: b}, wide: (Amplification-others)*int64(len(b)) + AmplificationSlack, decoder: d}
	if d != nil {
		r.stop = d.Stop
		if d.Most > 0 {
			r.wide = min(r.wide, int64(d.Most))
		}
	}
	return r
}

func tooLongFrame() error { return &Malformed{Offset: MaxBytes, Reason: TooLong} }

// finish ends the reading of the one value of a frame.
func (r *reading) finish(ok bool) error {
	switch {
	case !ok:
		return r.malformed()
	case r.at < len(r.b):
		r.fail(r.at, Trailing)
		return r.malformed()
	}
	return nil
}

// value reads a value that lies inside depth lists and maps.
func (r *reading) value(depth int) (any, bool) {
	start := r.at
	k, n := r.next()
	return r.made(k, n, start, depth)
}

// made makes the value whose head was read, at start.
func (r *reading) made(k kind, n uint64, start, depth int) (any, bool) {
	switch k {
	case kindInt:
		return int64(n), true
	case kindFloat64:
		return math.Float64frombits(n), true
	case kindStr:
		p, ok := r.text(start, n)
		return string(p), ok
	case kindNil:
		return nil, true
	case kindFalse:
		return false, true
	case kindTrue:
		return true, true
	case kindBin:
		return append([]byte{}, r.take(n)...), true
	case kindArray:
		if list, ok := r.list(start, int(n), depth+1); ok {
			return list, true
		}
		return nil, false
	case kindMap:
		if m, ok := r.dict(start, int(n), depth+1); ok {
			return m, true
		}
		return nil, false
	case kindUint:
		return n, true
	case kindFloat32:
		return float64(math.Float32frombits(uint32(n))), true
	case kindExt:
		return r.extValue(start, n)
	}
	return nil, false
}

func (r *reading) list(start, n, depth int) ([]any, bool) {
	if depth > MaxDepth {
		r.fail(start, Depth)
		return nil, false
	}
	if !r.spend(start, 24+16*int64(n)) { // the slice and its items
		return nil, false
	}
	list := make([]any, n)
	for i := range list {
		var ok bool
		if list[i], ok = r.value(depth); !ok {
			return nil, false
		}
	}
	return list, true
}

// stopEvery is how many bytes are made between two questions whether to stop.
const stopEvery = 64 << 10

// spend takes from what lists and maps may allocate.
func (r *reading) spend(start int, n int64) bool {
	before := r.wide
	switch r.wide -= n; {
	case r.wide < 0:
		r.fail(start, TooWide)
		return false
	case r.stop != nil && before/stopEvery != r.wide/stopEvery && r.stop():
		r.fail(start, Stopped)
		return false
	}
	return true
}

func (r *reading) extValue(start int, n uint64) (any, bool) {
	typ, p := r.ext, r.take(n)
	switch typ {
	case extTime:
		t, ok := timestamp(p)
		if !ok {
			r.fail(start, Timestamp)
			return nil, false
		}
		return t, true
	case extError:
		msg, class, ok := errorValue(p)
		if !ok {
			r.fail(start, ErrorForm)
			return nil, false
		}
		return &Error{Msg: string(msg), Class: string(class)}, true
	}
	r.fail(start, Ext)
	return nil, false
}
