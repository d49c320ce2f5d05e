package api

import (
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// escaped reads the rest of a string whose first escape stands at the position
// and whose first byte stands at start.
func (d *decoder) escaped(start int) (string, error) {
	b := append([]byte(nil), d.data[start:d.pos]...)
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; {
		case c == '"':
			d.pos++
			if !utf8.Valid(b) {
				return "", d.fail(start, "found a string that is not valid UTF-8; bytes travel as base64")
			}
			return string(b), nil
		case c == '\\':
			r, err := d.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
		case c < ' ':
			return "", d.bad("expected no control character in a string; write it as an escape")
		default:
			b = append(b, c)
			d.pos++
		}
	}
	return "", d.bad(`expected the string's closing "`)
}

// escape reads the escape at the position.
func (d *decoder) escape() (rune, error) {
	if d.pos+1 < len(d.data) {
		c := d.data[d.pos+1]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case '"', '\\', '/':
		case 'u':
			return d.unicode()
		default:
			return 0, d.bad(`expected one of \" \\ \/ \b \f \n \r \t \u`)
		}
		d.pos += 2
		return rune(c), nil
	}
	return 0, d.bad(`expected the string's closing "`)
}

// unicode reads \uXXXX, or the two of a surrogate pair.
func (d *decoder) unicode() (rune, error) {
	r, ok := d.hex4(d.pos)
	if !ok {
		return 0, d.bad(`expected \u and four hexadecimal digits`)
	}
	if !utf16.IsSurrogate(r) {
		d.pos += 6
		return r, nil
	}
	low, ok := d.hex4(d.pos + 6)
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, d.bad("expected a surrogate pair, as a lone one is no character")
	}
	d.pos += 12
	return r, nil
}

func (d *decoder) hex4(at int) (rune, bool) {
	if at+6 > len(d.data) || d.data[at] != '\\' || d.data[at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range d.data[at+2 : at+6] {
		digit := unhex(c)
		if digit > 15 {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	return r, true
}

// number reads the number at the position.
func (d *decoder) number() (any, error) {
	start := d.pos
	negative := d.data[d.pos] == '-'
	if negative {
		d.pos++
	}
	first := d.pos
	if d.digits(); d.pos == first || d.data[first] == '0' && d.pos > first+1 {
		d.pos = start
		return nil, d.bad("expected a number as JSON writes it")
	}
	whole := d.data[first:d.pos]
	float := false
	if d.pos < len(d.data) && d.data[d.pos] == '.' {
		float = true
		d.pos++
		if !d.digits() {
			return nil, d.bad("expected a digit after the point")
		}
	}
	if d.pos < len(d.data) && d.data[d.pos]|0x20 == 'e' {
		float = true
		d.pos++
		if d.pos < len(d.data) && (d.data[d.pos] == '+' || d.data[d.pos] == '-') {
			d.pos++
		}
		if !d.digits() {
			return nil, d.bad("expected a digit in the exponent")
		}
	}
	text := d.data[start:d.pos]
	if float {
		return d.float(text)
	}
	return d.integer(text, whole, negative)
}

// digits skips digits; false when there are none.
func (d *decoder) digits() bool {
	start := d.pos
	for d.pos < len(d.data) && '0' <= d.data[d.pos] && d.data[d.pos] <= '9' {
		d.pos++
	}
	return d.pos > start
}

func (d *decoder) integer(text, whole []byte, negative bool) (any, error) {
	const most = 20 // digits of 1<<64
	var n uint64
	fits := len(whole) <= most
	if fits {
		for _, c := range whole {
			digit := uint64(c - '0')
			if n > (math.MaxUint64-digit)/10 {
				fits = false
				break
			}
			n = n*10 + digit
		}
	}
	switch {
	case fits && negative && n <= 1<<63:
		return -int64(n), nil // also of 1<<63, which wraps to itself
	case fits && !negative && n <= math.MaxInt64:
		return int64(n), nil
	case fits && !negative:
		return n, nil
	}
	return nil, d.fail(d.pos-len(text), "found the integer %.24s..., expected at most 64 bits; write it with an exponent or as a string", text)
}

func (d *decoder) float(text []byte) (any, error) {
	if f, ok := exactFloat(text); ok {
		return f, nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return nil, d.fail(d.pos-len(text), "found the number %.24s, expected one in the range of a 64-bit float", text)
	}
	return f, nil
}

// exactFloat converts what has up to 15 digits and a small exponent, which is
// nearly every number there is, without allocating: both factors are exact, so
// their product or quotient is rounded once.
func exactFloat(text []byte) (float64, bool) {
	i, negative := 0, text[0] == '-'
	if negative {
		i++
	}
	var mantissa uint64
	digits, exponent := 0, 0
	for point := false; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.':
			point = true
			continue
		case c|0x20 == 'e':
			return 0, false
		default:
			mantissa = mantissa*10 + uint64(c-'0')
			if digits++; digits > 15 {
				return 0, false
			}
			if point {
				exponent++
			}
		}
	}
	f := float64(mantissa) / tens[exponent]
	if negative {
		f = -f
	}
	return f, true
}

// tens are the powers of ten that are divided by: all those that are exact, up to as
// many as a number has digits.
var tens = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
}
