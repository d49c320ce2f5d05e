package frame

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// The extensions of the profile.
const (
	extTime  = -1
	extError = 1
)

// Append appends v as a frame. The types it takes are listed in the package's
// comment; nil slices and maps are empty ones, a nil *Error is nil, and an Error
// of no or an unknown class is fatal. The pairs of a map come in no order. On an
// error, which names what has no form and the path to it, dst is returned as it
// was. A frame that fits the capacity of dst is in dst.
func Append(dst []byte, v any) ([]byte, error) {
	out, err := appendValue(dst, v, 0, nil)
	return finish(dst, out, err)
}

// AppendArgs appends the frame of a call: one list with the arguments.
func AppendArgs(dst []byte, args []any) ([]byte, error) {
	out, err := appendList(dst, args, 1, nil)
	return finish(dst, out, err)
}

func finish(dst, out []byte, err *appendError) ([]byte, error) {
	if err == nil && len(out)-len(dst) > MaxBytes {
		err = &appendError{what: fmt.Sprintf("frame of %d bytes: at most %d are allowed", len(out)-len(dst), MaxBytes)}
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// appendValue appends a value that lies inside depth lists and maps, for an
// Encoder or for nil.
func appendValue(dst []byte, v any, depth int, e *Encoder) ([]byte, *appendError) {
	switch v := v.(type) {
	case nil:
		return AppendNil(dst), nil
	case bool:
		return AppendBool(dst, v), nil
	case int64:
		return AppendInt(dst, v), nil
	case float64:
		return AppendFloat(dst, v), nil
	case string:
		return appendText(dst, v)
	case []byte:
		if len(v) > MaxBytes {
			return dst, tooLong("[]byte", len(v))
		}
		return AppendBytes(dst, v), nil
	case []any:
		return appendList(dst, v, depth+1, e)
	case map[string]any:
		return appendMap(dst, v, depth+1, e)
	case time.Time:
		return appendTime(dst, v), nil
	case *Error:
		return appendErrorValue(dst, v)
	}
	return appendRare(dst, v)
}

// appendPair appends a key and its value. What rows are made of comes first, each
// compared with one type: a switch looks for a type among many.
func appendPair(dst []byte, key string, v any, depth int, e *Encoder) (_ []byte, err *appendError) {
	var ok bool
	if dst, ok = appendShort(dst, key); !ok {
		if dst, err = appendText(dst, key); err != nil {
			err.path, err.what = pathOf(key), "key: "+err.what
			return dst, err
		}
	}
	if text, is := v.(string); is {
		if dst, ok = appendShort(dst, text); ok {
			return dst, nil
		}
	} else if n, is := v.(float64); is {
		return AppendFloat(dst, n), nil
	} else if n, is := v.(int64); is {
		return AppendInt(dst, n), nil
	}
	if dst, err = appendValue(dst, v, depth, e); err != nil {
		err.path = pathOf(key) + err.path
	}
	return dst, err
}

// appendRare appends the types that decoding never yields.
func appendRare(dst []byte, v any) ([]byte, *appendError) {
	switch v := v.(type) {
	case int:
		return AppendInt(dst, int64(v)), nil
	case int8:
		return AppendInt(dst, int64(v)), nil
	case int16:
		return AppendInt(dst, int64(v)), nil
	case int32:
		return AppendInt(dst, int64(v)), nil
	case uint:
		return AppendUint(dst, uint64(v)), nil
	case uint8:
		return AppendUint(dst, uint64(v)), nil
	case uint16:
		return AppendUint(dst, uint64(v)), nil
	case uint32:
		return AppendUint(dst, uint64(v)), nil
	case uint64:
		return AppendUint(dst, v), nil
	case uintptr:
		return AppendUint(dst, uint64(v)), nil
	case float32:
		return AppendFloat(dst, float64(v)), nil
	}
	return dst, &appendError{what: fmt.Sprintf("%T has no form in a frame", v)}
}

func tooLong(what string, n int) *appendError {
	return &appendError{what: fmt.Sprintf("%s of %d bytes: a frame has at most %d", what, n, MaxBytes)}
}

func appendText(dst []byte, v string) ([]byte, *appendError) {
	if dst, ok := appendShort(dst, v); ok {
		return dst, nil
	}
	if !utf8.ValidString(v) {
		return dst, &appendError{what: "string is not valid UTF-8"}
	}
	if len(v) > MaxBytes {
		return dst, tooLong("string", len(v))
	}
	return AppendString(dst, v), nil
}

func tooDeep() *appendError {
	return &appendError{what: fmt.Sprintf("nests deeper than %d", MaxDepth)}
}

func appendList(dst []byte, v []any, depth int, e *Encoder) ([]byte, *appendError) {
	if depth > MaxDepth {
		return dst, tooDeep()
	}
	if len(v) > MaxBytes {
		return dst, &appendError{what: fmt.Sprintf("list of %d values: a frame has at most %d bytes", len(v), MaxBytes)}
	}
	dst = AppendArrayHeader(dst, len(v))
	for i, item := range v {
		var err *appendError
		if dst, err = appendValue(dst, item, depth, e); err != nil {
			err.path = "[" + strconv.Itoa(i) + "]" + err.path
			return dst, err
		}
	}
	return dst, nil
}

func appendMap(dst []byte, v map[string]any, depth int, e *Encoder) ([]byte, *appendError) {
	if depth > MaxDepth {
		return dst, tooDeep()
	}
	if len(v) > MaxBytes/2 {
		return dst, &appendError{what: fmt.Sprintf("map of %d pairs: a frame has at most %d bytes", len(v), MaxBytes)}
	}
	dst = AppendMapHeader(dst, len(v))
	var there []string // keys of pairs that were appended
	if e != nil && len(v) > 0 && len(v) <= shapeColumns {
		s := e.shape(len(v), depth)
		if keys := s.keys; len(keys) == len(v) { // what nests in v may take s
			n, err := 0, (*appendError)(nil)
			if dst, n, err = e.appendRow(dst, keys, v, depth); n == len(v) || err != nil {
				s.hit()
				return dst, err
			}
			// From here, not from the beginning: that would double with each
			// level of nesting.
			there = keys[:n]
		}
		s.miss(v)
	}
	for key, item := range v {
		if slices.Contains(there, key) {
			continue
		}
		var err *appendError
		if dst, err = appendPair(dst, key, item, depth, e); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// pathOf returns ".key", or ["a key"] for one that is not a plain word.
func pathOf(key string) string {
	for _, c := range []byte(key) {
		if c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return fmt.Sprintf("[%.64q]", key)
		}
	}
	if key == "" {
		return `[""]`
	}
	return "." + key
}

// appendTime appends the shortest of the three forms that holds t.
func appendTime(dst []byte, t time.Time) []byte {
	sec, nsec := t.Unix(), uint64(t.Nanosecond())
	switch {
	case uint64(sec) <= math.MaxUint32 && nsec == 0:
		return binary.BigEndian.AppendUint32(append(dst, 0xd6, 0xff), uint32(sec))
	case uint64(sec) < 1<<34:
		return binary.BigEndian.AppendUint64(append(dst, 0xd7, 0xff), nsec<<34|uint64(sec))
	}
	dst = binary.BigEndian.AppendUint32(append(dst, 0xc7, 12, 0xff), uint32(nsec))
	return binary.BigEndian.AppendUint64(dst, uint64(sec))
}

func appendErrorValue(dst []byte, e *Error) ([]byte, *appendError) {
	if e == nil {
		return AppendNil(dst), nil
	}
	if !utf8.ValidString(e.Msg) {
		return dst, &appendError{what: "error text is not valid UTF-8"}
	}
	if len(e.Msg) > MaxBytes {
		return dst, tooLong("error text", len(e.Msg))
	}
	class := e.Class
	if class != ClassUsage && class != ClassIO {
		class = ClassFatal
	}
	var head [5]byte
	n := len("\x82\xa3msg") + len(appendStringHeader(head[:0], len(e.Msg))) + len(e.Msg) + len("\xa5class\xa0") + len(class)
	dst = append(appendExtHeader(dst, extError, n), "\x82\xa3msg"...)
	dst = append(AppendString(dst, e.Msg), "\xa5class"...)
	return AppendString(dst, class), nil
}
