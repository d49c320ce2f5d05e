package portable

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/vanth-io/vanth/host"
)

// How values look on eKuiper's wire: as its encoding/json writes them - bytes as
// base64, times as RFC 3339, integral floats without a fraction - but without
// reflection, since every call passes here.

// maxNest is how deep lists and maps nest.
const maxNest = 1000

// appendJSON appends a value. The error is ErrInvalid, and says which has no form.
func appendJSON(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendText(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v, 64)
	case float32:
		return appendFloat(dst, float64(v), 32)
	case []byte:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v)
		return append(dst, '"'), nil
	case time.Time:
		if y := v.Year(); y < 0 || y > 9999 {
			return dst, host.Errorf(host.ErrInvalid, "a time in year %d has no form in JSON", y)
		}
		dst = append(dst, '"')
		dst = v.AppendFormat(dst, time.RFC3339Nano)
		return append(dst, '"'), nil
	case []any:
		return appendItems(dst, v, depth)
	case map[string]any:
		return appendObject(dst, v, depth)
	case []map[string]any:
		dst = append(dst, '[')
		for i, m := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendObject(dst, m, depth+1); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	return appendInteger(dst, v)
}

// appendInteger appends Go's other integers.
func appendInteger(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case int8:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int16:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int32:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case uint:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint8:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint16:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint32:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	}
	return dst, host.Errorf(host.ErrInvalid, "a value of Go type %T has no form in JSON", v)
}

func appendItems(dst []byte, list []any, depth int) (_ []byte, err error) {
	if depth >= maxNest {
		return dst, errNest()
	}
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, v, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, m map[string]any, depth int) (_ []byte, err error) {
	if depth >= maxNest {
		return dst, errNest()
	}
	dst = append(dst, '{')
	first := true
	for k, v := range m {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendText(dst, k), ':')
		if dst, err = appendJSON(dst, v, depth+1); err != nil {
			return dst, fmt.Errorf("%s: %w", k, err)
		}
	}
	return append(dst, '}'), nil
}

func errNest() error {
	return host.Errorf(host.ErrInvalid, "found nesting deeper than %d, expected at most that", maxNest)
}

func appendFloat(dst []byte, f float64, bits int) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, host.Errorf(host.ErrInvalid, "%v has no form in JSON", f)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits), nil
}

// appendText appends a string with the escapes that JSON needs. What is not
// UTF-8 becomes U+FFFD.
func appendText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			start = i + n
		}
		i += n
	}
	return append(append(dst, s[start:]...), '"')
}

// appendArguments appends arguments as a JSON list. In a call the context
// follows them: a string that is JSON itself.
func appendArguments(dst []byte, args []any, exec bool, c *host.Call) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, v := range args {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, v, 0); err != nil {
			return dst, host.Errorf(host.ErrInvalid, "argument %d: %v", i+1, err)
		}
	}
	if exec {
		if len(args) > 0 {
			dst = append(dst, ',')
		}
		dst = appendContext(dst, c)
	}
	return append(dst, ']'), nil
}

// noRule and noOp stand for a call from outside any rule: SDKs refuse empty ones.
const (
	noRule = "$$call"
	noOp   = "call"
)

func appendContext(dst []byte, c *host.Call) []byte {
	if c == nil {
		return append(dst, `"{\"ruleId\":\"`+noRule+`\",\"opId\":\"`+noOp+`\",\"instanceId\":0,\"funcId\":0}"`...)
	}
	rule, op := c.Rule, c.Op
	if rule == "" {
		rule = noRule
	}
	if op == "" {
		op = noOp
	}
	dst = appendInner(append(dst, `"{\"ruleId\":`...), rule)
	dst = appendInner(append(dst, `,\"opId\":`...), op)
	dst = strconv.AppendInt(append(dst, `,\"instanceId\":`...), c.Instance, 10)
	dst = strconv.AppendInt(append(dst, `,\"funcId\":`...), c.Func, 10)
	return append(dst, `}"`...)
}

// appendInner appends a string of JSON that stands in a string of JSON.
func appendInner(dst []byte, s string) []byte {
	if isClean(s) {
		return append(append(append(dst, `\"`...), s...), `\"`...)
	}
	outer := appendText(nil, string(appendText(nil, s)))
	return append(dst, outer[1:len(outer)-1]...)
}
