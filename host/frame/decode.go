package frame

import (
	"math"
)

// internSlots is how many keys a Decoder remembers, internMax how long they may
// be, internTries in how many places one is looked for.
const (
	internSlots = 64
	internMax   = 32
	internTries = 4
)

// Decoder decodes frames and remembers short keys, so that rows with the same
// columns share the strings. The zero value is ready. It is for one goroutine;
// what it remembers is bounded: 64 keys of at most 32 bytes.
type Decoder struct {
	// Most bounds what the lists and maps of one frame may allocate, in bytes, beside
	// Amplification; 0 is no other bound.
	Most int
	// Stop is asked now and then while lists and maps are made, and ends the decoding;
	// nil for never.
	Stop func() bool

	keys [internSlots]string
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
	r := newReader(b, d)
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
	r := newReader(b, d)
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

// newReader reads b for a Decoder, or for nil.
func newReader(b []byte, d *Decoder) reader {
	r := reader{b: b, wide: (Amplification-others)*len(b) + AmplificationSlack}
	if d != nil {
		r.keys, r.stop = &d.keys, d.Stop
		if d.Most > 0 {
			r.wide = min(r.wide, d.Most)
		}
	}
	return r
}

func tooLongFrame() error { return &Malformed{Offset: MaxBytes, Reason: TooLong} }

// finish ends the reading of the one value of a frame.
func (r *reader) finish(ok bool) error {
	switch {
	case !ok:
		return r.malformed()
	case r.at < len(r.b):
		r.fail(r.at, Trailing)
		return r.malformed()
	}
	return nil
}

func (r *reader) malformed() error {
	m := r.bad
	return &m
}

// value reads a value that lies inside depth lists and maps.
func (r *reader) value(depth int) (any, bool) {
	start := r.at
	k, n := r.next()
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
		return r.dict(start, int(n), depth+1)
	case kindUint:
		return n, true
	case kindFloat32:
		return float64(math.Float32frombits(uint32(n))), true
	case kindExt:
		return r.extValue(start, n)
	}
	return nil, false
}

func (r *reader) list(start, n, depth int) ([]any, bool) {
	if depth > MaxDepth {
		r.fail(start, Depth)
		return nil, false
	}
	if !r.spend(start, 24+16*n) { // the slice and its items
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
func (r *reader) spend(start, n int) bool {
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

func (r *reader) dict(start, n, depth int) (any, bool) {
	if depth > MaxDepth {
		r.fail(start, Depth)
		return nil, false
	}
	if !r.spend(start, mapCost(n)) {
		return nil, false
	}
	m := make(map[string]any, n)
	for range n {
		key, ok := r.key()
		if !ok {
			return nil, false
		}
		v, ok := r.value(depth)
		if !ok {
			return nil, false
		}
		m[key] = v
	}
	return m, true
}

// mapCost is about what Go allocates for a map of n pairs: a header, and slots
// of a string and an interface in groups of eight that are at most 7/8 full.
func mapCost(n int) int {
	slots := 8
	for slots*7/8 < n && n > 8 {
		slots *= 2
	}
	return 48 + slots*36
}

// key reads a map's key.
func (r *reader) key() (string, bool) {
	start := r.at
	k, n := r.next()
	switch {
	case k == kindNone:
		return "", false
	case k != kindStr:
		r.fail(start, Key)
		return "", false
	case r.keys == nil || n == 0 || n > internMax:
		p, ok := r.text(start, n)
		return string(p), ok
	}
	return r.knownKey(start, n)
}

// knownKey reads a key that may be remembered.
func (r *reader) knownKey(start int, n uint64) (string, bool) {
	p := r.b[r.at : r.at+int(n)]
	first := internSlot(p)
	place := first
	for i := range uint32(internTries) {
		slot := (first + i) % internSlots
		// What is remembered is known to be UTF-8. Not a switch: there the
		// compiler makes a string of p.
		if key := r.keys[slot]; key == string(p) {
			r.at += int(n)
			return key, true
		} else if key == "" {
			place = slot
		}
	}
	p, ok := r.text(start, n)
	if !ok {
		return "", false
	}
	key := string(p)
	r.keys[place] = key
	return key, true
}

// internSlot is the first place for p, which is not empty: cheap, and different
// for the columns of one row more often than not.
func internSlot(p []byte) uint32 {
	h := uint32(len(p))*0x9e3779b1 ^ uint32(p[0])<<16 ^ uint32(p[len(p)/2])<<8 ^ uint32(p[len(p)-1])
	return h * 0x85ebca6b >> (32 - 6)
}

func (r *reader) extValue(start int, n uint64) (any, bool) {
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
