package api

import (
	"encoding/base64"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxResult bounds one result as JSON, in bytes.
const maxResult = 64 << 20

// appendResult appends v as JSON. It is the inverse of decoder: integers are
// exact, and a float64 always shows a fraction or an exponent, so what one
// function returned can be given to another without changing its type. Bytes
// become base64, times RFC 3339 with nanoseconds, error values {"error":...}.
// On an error dst is returned as it was.
func appendResult(dst []byte, v any) ([]byte, error) {
	e := encoder{dst: dst, start: len(dst)}
	if err := e.value(v, 0); err != nil {
		return dst, err
	}
	return e.dst, nil
}

type encoder struct {
	dst   []byte
	start int
}

//nolint:gocyclo // one case a type
func (e *encoder) value(v any, depth int) error {
	switch x := v.(type) {
	case nil:
		e.dst = append(e.dst, "null"...)
	case bool:
		e.dst = strconv.AppendBool(e.dst, x)
	case int64:
		e.dst = strconv.AppendInt(e.dst, x, 10)
	case uint64:
		e.dst = strconv.AppendUint(e.dst, x, 10)
	case float64:
		return e.float(x, 64)
	case string:
		if err := e.room(len(x)); err != nil {
			return err
		}
		e.dst = appendString(e.dst, x)
		return e.room(0) // escapes make it longer
	case []byte:
		if err := e.room(base64.StdEncoding.EncodedLen(len(x))); err != nil {
			return err
		}
		e.dst = append(e.dst, '"')
		e.dst = base64.StdEncoding.AppendEncode(e.dst, x)
		e.dst = append(e.dst, '"')
	case []any:
		return e.list(x, depth+1)
	case map[string]any:
		return e.object(x, depth+1)
	case time.Time:
		if y := x.Year(); y < 0 || y > 9999 {
			return failf(problemResult, "result: found a time in year %d, expected 0 to 9999, as RFC 3339 has no others", y)
		}
		e.dst = append(e.dst, '"')
		e.dst = x.AppendFormat(e.dst, time.RFC3339Nano)
		e.dst = append(e.dst, '"')
	case error:
		e.dst = append(e.dst, `{"error":`...)
		e.dst = append(appendString(e.dst, x.Error()), '}')
	default:
		return e.other(v)
	}
	return nil
}

// other appends Go's remaining numbers, which a native plugin may return.
func (e *encoder) other(v any) error {
	switch x := v.(type) {
	case int:
		e.dst = strconv.AppendInt(e.dst, int64(x), 10)
	case int32:
		e.dst = strconv.AppendInt(e.dst, int64(x), 10)
	case int16:
		e.dst = strconv.AppendInt(e.dst, int64(x), 10)
	case int8:
		e.dst = strconv.AppendInt(e.dst, int64(x), 10)
	case uint:
		e.dst = strconv.AppendUint(e.dst, uint64(x), 10)
	case uint32:
		e.dst = strconv.AppendUint(e.dst, uint64(x), 10)
	case uint16:
		e.dst = strconv.AppendUint(e.dst, uint64(x), 10)
	case uint8:
		e.dst = strconv.AppendUint(e.dst, uint64(x), 10)
	case float32:
		return e.float(float64(x), 32)
	default:
		return failf(problemResult, "result: found a value of Go type %T, which has no form in JSON", v)
	}
	return nil
}

func (e *encoder) float(f float64, bits int) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return failf(problemResult, "result: found %v, which has no form in JSON", f)
	}
	start := len(e.dst)
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	e.dst = strconv.AppendFloat(e.dst, f, format, -1, bits)
	if format == 'f' && !slices.Contains(e.dst[start:], '.') {
		e.dst = append(e.dst, '.', '0')
	}
	return nil
}

// bound keeps a value that contains itself from going on for ever.
func (e *encoder) bound(depth int) error {
	if depth > maxDepth {
		return failf(problemResult, "result: found nesting deeper than %d, expected at most that", maxDepth)
	}
	return e.room(0)
}

// room fails when n more bytes are more than a result may have.
func (e *encoder) room(n int) error {
	if len(e.dst)-e.start+n > maxResult {
		return failf(problemResult, "result: found more than %d bytes, expected at most that", maxResult)
	}
	return nil
}

func (e *encoder) list(list []any, depth int) error {
	if err := e.bound(depth); err != nil {
		return err
	}
	e.dst = append(e.dst, '[')
	for i, v := range list {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		if err := e.value(v, depth); err != nil {
			return err
		}
	}
	e.dst = append(e.dst, ']')
	return e.bound(depth)
}

// object sorts the keys, so that equal results are equal bytes.
func (e *encoder) object(m map[string]any, depth int) error {
	if err := e.bound(depth); err != nil {
		return err
	}
	e.dst = append(e.dst, '{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		e.dst = append(appendString(e.dst, k), ':')
		if err := e.value(m[k], depth); err != nil {
			return err
		}
	}
	e.dst = append(e.dst, '}')
	return e.bound(depth)
}

// appendString appends s in quotes. Bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0 // of what is to be copied as it is
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		dst = appendEscape(append(dst, s[start:i]...), c)
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// appendEscape appends the escape of a byte that cannot stand in a string.
func appendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}
