package api

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// texter writes results that are frames as JSON: what appendResult writes of their
// values. Each step reports false where that is left to values: for what is no
// frame, or not of the declared type, and for what has no form in JSON. It is kept
// for its memory.
type texter struct {
	r     frame.Reader
	dst   []byte
	start int
	left  int    // of freeValues
	pairs []pair // of the maps that are open
	moved []byte // a map in the order of its keys
}

// pair is a key and its value in a map, as they were written to dst.
type pair struct {
	key     []byte // as it was in the frame
	at, end int
}

// freeValues is what lists and maps of one frame may take as values, in bytes, that
// no decoder refuses. A frame worth more is left to values, so that the bound is
// theirs.
const freeValues = frame.AmplificationSlack

// appendFrame appends the result of declared type t.
func (x *texter) appendFrame(dst []byte, t host.Type, result []byte) ([]byte, bool) {
	x.r, x.dst, x.start, x.left = frame.Read(result), dst, len(dst), freeValues
	x.pairs = x.pairs[:0]
	if !x.top(t) || len(x.r.Rest()) > 0 || x.full(0) {
		return dst, false
	}
	return x.dst, true
}

// forget lets go of what was written, and of memory that grew big.
func (x *texter) forget() {
	x.r, x.dst = frame.Reader{}, nil
	clear(x.pairs[:cap(x.pairs)])
	if cap(x.pairs) > 1<<10 {
		x.pairs = nil
	}
	if cap(x.moved) > keepBytes {
		x.moved = nil
	}
}

// full reports whether n more bytes are more than a result may have.
func (x *texter) full(n int) bool { return len(x.dst)-x.start+n > maxResult }

// top writes the result itself, if it is of type t without conversion.
func (x *texter) top(t host.Type) bool {
	k := x.r.Kind()
	if k == frame.KindNil || t == host.TypeAny && k != frame.KindError {
		return x.value(k)
	}
	switch t {
	case host.TypeI32, host.TypeU32, host.TypeI64:
		if k != frame.KindInt {
			return false
		}
		v, err := x.r.Int()
		x.dst = strconv.AppendInt(x.dst, v, 10)
		return err == nil && inRange(t, v)
	case host.TypeF64:
		return k == frame.KindFloat && x.value(k)
	case host.TypeBool:
		return k == frame.KindBool && x.value(k)
	case host.TypeString:
		return k == frame.KindStr && x.value(k)
	case host.TypeBytes:
		return k == frame.KindBytes && x.value(k)
	case host.TypeList:
		return k == frame.KindArray && x.value(k)
	case host.TypeMap:
		return k == frame.KindMap && x.value(k)
	}
	return false
}

// value writes the next value, which is of kind k.
func (x *texter) value(k frame.Kind) bool {
	switch k {
	case frame.KindNil:
		x.r.Nil()
		x.dst = append(x.dst, "null"...)
	case frame.KindBool:
		v, err := x.r.Bool()
		x.dst = strconv.AppendBool(x.dst, v)
		return err == nil
	case frame.KindInt:
		v, err := x.r.Int()
		x.dst = strconv.AppendInt(x.dst, v, 10)
		return err == nil
	case frame.KindUint:
		v, err := x.r.Uint()
		x.dst = strconv.AppendUint(x.dst, v, 10)
		return err == nil
	case frame.KindFloat:
		v, err := x.r.Float()
		if err == nil {
			x.dst, err = appendFloat(x.dst, v)
		}
		return err == nil
	case frame.KindStr:
		v, err := x.r.Str()
		x.dst = appendText(x.dst, v)
		return err == nil && !x.full(0)
	case frame.KindBytes:
		return x.bytes()
	case frame.KindArray:
		return x.list()
	case frame.KindMap:
		return x.dict()
	case frame.KindTime:
		return x.time()
	case frame.KindError:
		msg, _, err := x.r.Fault()
		x.dst = append(x.dst, `{"error":`...)
		x.dst = append(appendText(x.dst, msg), '}')
		return err == nil && !x.full(0)
	}
	return false
}

func (x *texter) bytes() bool {
	v, err := x.r.Bytes()
	if err != nil || x.full(base64.StdEncoding.EncodedLen(len(v))) {
		return false
	}
	x.dst = append(x.dst, '"')
	x.dst = base64.StdEncoding.AppendEncode(x.dst, v)
	x.dst = append(x.dst, '"')
	return true
}

func (x *texter) time() bool {
	v, err := x.r.Time()
	if y := v.Year(); err != nil || y < 0 || y > 9999 {
		return false
	}
	x.dst = append(x.dst, '"')
	x.dst = v.AppendFormat(x.dst, time.RFC3339Nano)
	x.dst = append(x.dst, '"')
	return true
}

// spend takes what a list or a map would take as a value.
func (x *texter) spend(n int) bool {
	x.left -= n
	return x.left >= 0
}

func (x *texter) list() bool {
	n, err := x.r.Array()
	if err != nil || !x.spend(24+16*n) {
		return false
	}
	x.dst = append(x.dst, '[')
	for i := range n {
		if i > 0 {
			x.dst = append(x.dst, ',')
		}
		if !x.value(x.r.Kind()) {
			return false
		}
	}
	x.dst = append(x.dst, ']')
	return !x.full(0)
}

// dict writes a map in the order of its keys; of equal ones the last counts.
func (x *texter) dict() bool {
	n, err := x.r.Map()
	if err != nil || !x.spend(48+36*max(8, 3*n)) { // above what Go allocates
		return false
	}
	start, first, sorted := len(x.dst), len(x.pairs), true
	x.dst = append(x.dst, '{')
	for i := range n {
		if i > 0 {
			x.dst = append(x.dst, ',')
		}
		key, err := x.r.Str()
		if err != nil {
			return false
		}
		if i > 0 && bytes.Compare(x.pairs[len(x.pairs)-1].key, key) >= 0 {
			sorted = false
		}
		at := len(x.dst)
		x.dst = append(appendText(x.dst, key), ':')
		if !x.value(x.r.Kind()) {
			return false
		}
		x.pairs = append(x.pairs, pair{key, at, len(x.dst)})
	}
	x.dst = append(x.dst, '}')
	if !sorted {
		if n > mostUnsorted {
			return false
		}
		x.sort(start, x.pairs[first:])
	}
	x.pairs = x.pairs[:first]
	return !x.full(0)
}

// mostUnsorted is how many pairs are sorted in place.
const mostUnsorted = 64

// sort puts the pairs of the map that was written at start in order; equal ones stay
// in theirs.
func (x *texter) sort(start int, pairs []pair) {
	for i := 1; i < len(pairs); i++ {
		for j := i; j > 0 && bytes.Compare(pairs[j].key, pairs[j-1].key) < 0; j-- {
			pairs[j], pairs[j-1] = pairs[j-1], pairs[j]
		}
	}
	b := append(x.moved[:0], '{')
	for i, p := range pairs {
		if i+1 < len(pairs) && bytes.Equal(p.key, pairs[i+1].key) {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, x.dst[p.at:p.end]...)
	}
	b = append(b, '}')
	x.dst = append(x.dst[:start], b...)
	x.moved = b
}

// appendText appends s, which is valid UTF-8, in quotes, as appendString does.
func appendText(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' || c >= utf8.RuneSelf {
			continue
		}
		dst = appendEscape(append(dst, s[start:i]...), c)
		start = i + 1
	}
	return append(append(dst, s[start:]...), '"')
}
