package api

import (
	"math"
	"strconv"

	"github.com/vanth-io/vanth/host"
)

// numeral is a number as JSON writes it, read without making a value of it.
type numeral struct {
	text     []byte
	digits   uint64 // the number without sign, point and exponent, if there are at most 18 of them
	count    int    // of them
	places   int    // of them after the point
	negative bool
	float    bool // it has a point or an exponent
	exponent bool
}

// mostDigits always fit into 64 bits.
const mostDigits = 18

// scanNumber reads the number that b begins with; n.text is empty when there is
// none.
func scanNumber(b []byte) (n numeral) {
	i := 0
	if n.negative = i < len(b) && b[i] == '-'; n.negative {
		i++
	}
	first := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		n.digits = n.digits*10 + uint64(b[i]-'0')
	}
	n.count = i - first
	if n.count == 0 || b[first] == '0' && n.count > 1 {
		return n
	}
	if i < len(b) && b[i] == '.' {
		i++
		point := i
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			n.digits = n.digits*10 + uint64(b[i]-'0')
		}
		if n.places = i - point; n.places == 0 {
			return n
		}
		n.count += n.places
		n.float = true
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		power := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		if i == power {
			return n
		}
		n.float, n.exponent = true, true
	}
	n.text = b[:i]
	return n
}

// asInt returns an integer literal; false for one that may not be an int64.
func (n *numeral) asInt() (int64, bool) {
	if n.float || n.count > mostDigits {
		return 0, false
	}
	if n.negative {
		return -int64(n.digits), true
	}
	return int64(n.digits), true
}

// asFloat returns the number as a float, as decoder reads it and Type.Word takes
// it; false where that fails, or may.
func (n *numeral) asFloat() (float64, bool) {
	if !n.float {
		i, ok := n.asInt()
		return float64(i), ok
	}
	if n.count <= mostDigits && !n.exponent && n.digits <= 1<<53 {
		// Both are exact, so that the quotient is rounded once.
		f := float64(n.digits) / tens[n.places]
		if n.negative {
			f = -f
		}
		return f, true
	}
	f, err := strconv.ParseFloat(string(n.text), 64)
	return f, err == nil
}

// word encodes a number as t; false where it does not fit, or only after a
// conversion.
func (n *numeral) word(t host.Type) (uint64, bool) {
	switch t {
	case host.TypeF64:
		f, ok := n.asFloat()
		return math.Float64bits(f), ok
	case host.TypeF32:
		f, ok := n.asFloat()
		return uint64(math.Float32bits(float32(f))), ok && !math.IsInf(float64(float32(f)), 0)
	}
	i, ok := n.asInt()
	if !ok || !inRange(t, i) {
		return 0, false
	}
	if t == host.TypeI32 {
		i = int64(uint32(i))
	}
	return uint64(i), true
}

// inRange reports whether t is an integer type that has i.
func inRange(t host.Type, i int64) bool {
	switch t {
	case host.TypeI64:
		return true
	case host.TypeI32:
		return i == int64(int32(i))
	case host.TypeU32:
		return i == int64(uint32(i))
	}
	return false
}

// jsonWords reads the JSON list that b begins with into words, and returns what
// follows it; false for anything but arguments that are of the types as they stand.
func jsonWords(words *[maxWords]uint64, types []host.Type, b []byte) (rest []byte, ok bool) {
	d := decoder{data: b}
	if d.next() != '[' {
		return nil, false
	}
	d.pos++
	for i, t := range types {
		c := d.next()
		if i > 0 {
			if c != ',' {
				return nil, false
			}
			d.pos++
			c = d.next()
		}
		if t == host.TypeBool {
			switch {
			case c == 't' && d.word("true"):
				words[i] = 1
			case c == 'f' && d.word("false"):
				words[i] = 0
			default:
				return nil, false
			}
			continue
		}
		n := scanNumber(b[d.pos:])
		if len(n.text) == 0 {
			return nil, false
		}
		if words[i], ok = n.word(t); !ok {
			return nil, false
		}
		d.pos += len(n.text)
	}
	if d.next() != ']' {
		return nil, false
	}
	return b[d.pos+1:], true
}

// appendJSONWord appends the result w of type t as appendResult does its value.
func appendJSONWord(dst []byte, t host.Type, w uint64) ([]byte, error) {
	switch t {
	case host.TypeF64:
		return appendFloat(dst, math.Float64frombits(w))
	case host.TypeF32:
		return appendFloat(dst, float64(math.Float32frombits(uint32(w))))
	case host.TypeI32:
		return strconv.AppendInt(dst, int64(int32(uint32(w))), 10), nil
	case host.TypeU32:
		return strconv.AppendUint(dst, uint64(uint32(w)), 10), nil
	case host.TypeBool:
		return strconv.AppendBool(dst, uint32(w) != 0), nil
	}
	return strconv.AppendInt(dst, int64(w), 10), nil
}

// appendFloat appends f; on an error dst is returned as it was.
func appendFloat(dst []byte, f float64) ([]byte, error) {
	// A whole number below 1e15 has no shorter form than its digits.
	if i := int64(f); float64(i) == f && -1e15 < f && f < 1e15 && (i != 0 || !math.Signbit(f)) {
		return append(strconv.AppendInt(dst, i, 10), '.', '0'), nil
	}
	e := encoder{dst: dst, start: len(dst)}
	if err := e.float(f, 64); err != nil {
		return dst, err
	}
	return e.dst, nil
}
