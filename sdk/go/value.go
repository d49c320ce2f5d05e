package vanth

import (
	"time"
	"unicode/utf8"
)

// kind names what a token begins. Its words are the ones authors see in errors.
type kind uint8

const (
	kNull kind = iota
	kBool
	kInt
	kUint // above math.MaxInt64 only
	kFloat
	kString
	kBytes
	kList
	kMap
	kTime
	kError
)

var kindNames = [...]string{"null", "bool", "int", "int", "float", "string", "bytes", "list", "map", "time", "error"}

// token is the head of a value. n is the integer, the bool (0 or 1), or the number of bytes, items
// or pairs that follow.
type token struct {
	kind kind
	n    int64
	f    float64
}

// Append appends the frame of v to dst. It takes what Value returns and, beyond that, all integer
// types, float32, the common slices and maps of one scalar type, and any error (see Error). A nil
// slice or map is null. A string that is not UTF-8 and a type not listed are errors of class Fatal,
// as is nesting beyond MaxDepth; dst is then returned as it was.
func Append(dst []byte, v any) ([]byte, error) {
	out, err := appendValue(dst, v, 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendValue(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, 0xc0), nil
	case bool:
		return appendBool(dst, v), nil
	case string:
		return appendText(dst, v)
	case []byte:
		return appendBytes(dst, v), nil
	case float32:
		return appendFloat(dst, float64(v)), nil
	case float64:
		return appendFloat(dst, v), nil
	case time.Time:
		return appendTime(dst, v), nil
	case []any:
		return appendList(dst, v, depth)
	case map[string]any:
		return appendMap(dst, v, depth)
	case *Error:
		if v == nil {
			return append(dst, 0xc0), nil
		}
		return appendError(dst, v), nil
	case error:
		return appendError(dst, asError(v)), nil
	}
	if out, ok := appendInteger(dst, v); ok {
		return out, nil
	}
	return appendTyped(dst, v, depth)
}

func appendInteger(dst []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case int64:
		return appendInt(dst, v), true
	case int:
		return appendInt(dst, int64(v)), true
	case int32:
		return appendInt(dst, int64(v)), true
	case int16:
		return appendInt(dst, int64(v)), true
	case int8:
		return appendInt(dst, int64(v)), true
	case uint64:
		return appendUint(dst, v), true
	case uint:
		return appendUint(dst, uint64(v)), true
	case uint32:
		return appendUint(dst, uint64(v)), true
	case uint16:
		return appendUint(dst, uint64(v)), true
	case uint8:
		return appendUint(dst, uint64(v)), true
	}
	return dst, false
}

// appendTyped writes the slices and maps of one type that are worth their code.
func appendTyped(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case []string:
		return appendList(dst, v, depth)
	case []int:
		return appendList(dst, v, depth)
	case []int64:
		return appendList(dst, v, depth)
	case []float64:
		return appendList(dst, v, depth)
	case []bool:
		return appendList(dst, v, depth)
	case []map[string]any:
		return appendList(dst, v, depth)
	case map[string]string:
		return appendMap(dst, v, depth)
	case map[string]int:
		return appendMap(dst, v, depth)
	case map[string]int64:
		return appendMap(dst, v, depth)
	case map[string]float64:
		return appendMap(dst, v, depth)
	}
	return dst, &Error{Msg: "a value of this Go type has no frame", Class: Fatal}
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 0xc3)
	}
	return append(dst, 0xc2)
}

func appendText(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return dst, &Error{Msg: "a string is not valid UTF-8 (return []byte for bytes)", Class: Fatal}
	}
	return appendString(dst, s), nil
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 0xc0)
	}
	return append(appendHead(dst, kBytes, len(b)), b...)
}

var errDeep = &Error{Msg: "a value is nested more than 64 deep", Class: Fatal}

func appendList[T any](dst []byte, list []T, depth int) (_ []byte, err error) {
	if list == nil {
		return append(dst, 0xc0), nil
	}
	if depth >= MaxDepth {
		return dst, errDeep
	}
	dst = appendHead(dst, kList, len(list))
	for _, v := range list {
		if dst, err = appendValue(dst, any(v), depth+1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// appendMap writes the keys in the order Go gives them, which differs from call to call.
func appendMap[T any](dst []byte, m map[string]T, depth int) (_ []byte, err error) {
	if m == nil {
		return append(dst, 0xc0), nil
	}
	if depth >= MaxDepth {
		return dst, errDeep
	}
	dst = appendHead(dst, kMap, len(m))
	for k, v := range m {
		if dst, err = appendText(dst, k); err != nil {
			return dst, err
		}
		if dst, err = appendValue(dst, any(v), depth+1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}
