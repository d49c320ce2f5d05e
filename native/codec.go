package native

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/vanth-io/vanth/host/frame"
)

// How a value of a plugin's state is encoded, so that it comes back with the
// type it had - an int as an int, which is what a plugin asserts:
//
//	first byte     then                  for
//	not 0xc1       a frame               what a frame gives back as it was
//	0xc1           tag, frame            one number of another Go type, by its tag
//	0xc1           'g', gob of an any    anything else that gob can encode
//
// 0xc1 begins no frame. gob knows Go's basic types, slices of them, the
// containers of values, and the types that a plugin registered by gob.Register,
// since the package is the plugin's and the host's together. Its cost is 290 kB of
// code; it does not use reflect.Value.MethodByName, which would keep every
// method of the host in the binary. A time comes back in UTC, nil lists, maps
// and bytes as empty ones.
const (
	otherForm = 0xc1
	gobTag    = 'g'
)

// errNoForm is the error of bytes that encodeState did not make.
var errNoForm = errors.New("not an encoded value")

// errEndless is the error of a value that gob could not end: Go cannot recover
// from the stack or the memory it would use up.
var errEndless = errors.New("value is too large, nests too deep, or in a circle")

// maxNest is how deep a value nests that is given to gob.
const maxNest = 1000

// envelope gives gob a value whose type it writes down.
type envelope struct{ V any }

func encodeState(v any) (_ []byte, err error) {
	if tag, plain := numberTag(v); tag != 0 {
		return frame.Append([]byte{otherForm, tag}, plain)
	}
	if left := newBudget(); exact(v, 0, &left) {
		if b, err := frame.Append(nil, v); err == nil {
			return b, nil
		}
	}
	if left := newBudget(); !finite(reflect.ValueOf(v), 0, &left) {
		return nil, errEndless
	}
	defer func() { // the plugin's own GobEncode
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	b := bytes.NewBuffer([]byte{otherForm, gobTag})
	if err := gobEncode(b, envelope{v}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func decodeState(b []byte) (v any, err error) {
	if len(b) == 0 || b[0] != otherForm {
		return frame.Decode(b)
	}
	if len(b) < 2 {
		return nil, errNoForm
	}
	if b[1] != gobTag {
		plain, err := frame.Decode(b[2:])
		if err != nil {
			return nil, err
		}
		return taggedNumber(b[1], plain)
	}
	defer func() { // the plugin's own GobDecode
		if p := recover(); p != nil {
			v, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	var e envelope
	if err := gobDecode(bytes.NewReader(b[2:]), &e); err != nil {
		return nil, err
	}
	return e.V, nil
}

// exact reports whether a frame gives v back with the types it has.
func exact(v any, depth int, left *budget) bool {
	switch v := v.(type) {
	case nil, bool, int64, float64, time.Time:
		return true
	case string:
		return left.take(0, len(v)) == nil
	case []byte:
		return left.take(0, len(v)) == nil
	case []any:
		if left.items(len(v), depth) != nil {
			return false
		}
		for _, item := range v {
			if !exact(item, depth+1, left) {
				return false
			}
		}
		return true
	case map[string]any:
		if left.items(len(v), depth) != nil {
			return false
		}
		for key, item := range v {
			if left.take(0, len(key)) != nil || !exact(item, depth+1, left) {
				return false
			}
		}
		return true
	}
	return false
}

// numberTag returns the tag of a number whose type a frame does not keep, and
// the number as one that it does.
func numberTag(v any) (byte, any) {
	switch n := v.(type) {
	case int:
		return 'i', int64(n)
	case int8:
		return 'j', int64(n)
	case int16:
		return 'k', int64(n)
	case int32:
		return 'l', int64(n)
	case uint:
		return 'u', uint64(n)
	case uint8:
		return 'v', uint64(n)
	case uint16:
		return 'w', uint64(n)
	case uint32:
		return 'x', uint64(n)
	case uint64:
		return 'y', n
	case uintptr:
		return 'z', uint64(n)
	case float32:
		return 'f', float64(n)
	}
	return 0, nil
}

// taggedNumber is the inverse of numberTag.
func taggedNumber(tag byte, plain any) (any, error) {
	switch n := plain.(type) {
	case float64:
		if tag == 'f' {
			return float32(n), nil
		}
	case int64:
		return taggedInteger(tag, uint64(n))
	case uint64:
		return taggedInteger(tag, n)
	}
	return nil, errNoForm
}

func taggedInteger(tag byte, n uint64) (any, error) {
	switch tag {
	case 'i':
		return int(n), nil
	case 'j':
		return int8(n), nil
	case 'k':
		return int16(n), nil
	case 'l':
		return int32(n), nil
	case 'u':
		return uint(n), nil
	case 'v':
		return uint8(n), nil
	case 'w':
		return uint16(n), nil
	case 'x':
		return uint32(n), nil
	case 'y':
		return n, nil
	case 'z':
		return uintptr(n), nil
	}
	return nil, errNoForm
}

// asInt converts any of Go's integers that fits.
func asInt(v any) (int64, bool) {
	if n, ok := v.(int64); ok {
		return n, true
	}
	_, plain := numberTag(v)
	switch n := plain.(type) {
	case int64:
		return n, true
	case uint64:
		return int64(n), int64(n) >= 0
	}
	return 0, false
}

// finite reports whether what gob would follow from v is within bounds.
func finite(v reflect.Value, depth int, left *budget) bool {
	if left.take(1, 0) != nil || depth > maxNest {
		return false
	}
	switch v.Kind() {
	case reflect.String:
		return left.take(0, v.Len()) == nil
	case reflect.Pointer, reflect.Interface:
		return v.IsNil() || finite(v.Elem(), depth+1, left)
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if !finite(it.Key(), depth+1, left) || !finite(it.Value(), depth+1, left) {
				return false
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() < reflect.Array { // numbers and bools
			return left.take(0, v.Len()*int(v.Type().Elem().Size())) == nil
		}
		for i := range v.Len() {
			if !finite(v.Index(i), depth+1, left) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && !finite(v.Field(i), depth+1, left) {
				return false
			}
		}
	}
	return true
}
