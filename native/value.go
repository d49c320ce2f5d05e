package native

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/vanth-io/vanth/host/frame"
)

// toValue brings what a plugin made into the host's domain of values, see
// host.Function. Lists, maps and bytes are copied, so that nothing is shared
// with the plugin, which may go on using them:
//
//	nil, bool, int64, float64, string, time.Time   as they are, nothing is allocated
//	other numbers, and types made of numbers       int64, uint64 above its range, float64
//	json.Number                                    int64 or float64
//	other types made of strings and bools          string, bool
//	[]byte                                         []byte
//	other slices and arrays                        []any
//	maps whose keys are strings                    map[string]any
//	pointers                                       what they point to, or nil
//	errors                                         their text
//	structs, json.Marshalers, other maps           what their JSON decodes to
//
// Channels, functions, complex numbers, and what is beyond the bounds, see
// budget, are an error that names them.
func toValue(v any) (any, error) {
	b := newBudget()
	return b.convert(v, 0)
}

// convert makes a value that lies inside depth others, whose place has been paid.
func (b *budget) convert(v any, depth int) (any, error) {
	if text, ok := v.(string); ok {
		return v, b.take(0, len(text)) // v, and not text: it is boxed already
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, time.Time:
		return v, nil
	case int:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case []byte:
		return b.bytesOf(v)
	case []any:
		return list(b, v, depth)
	case map[string]any:
		return b.dict(v, depth)
	case []map[string]any:
		return list(b, v, depth)
	case []string:
		return list(b, v, depth)
	case json.Number:
		return fromNumber(v)
	}
	if _, plain := numberTag(v); plain != nil {
		return fromPlain(plain), nil
	}
	return b.convertRare(v, depth)
}

// fromPlain returns an int64 where the number fits.
func fromPlain(plain any) any {
	if n, ok := plain.(uint64); ok && n <= math.MaxInt64 {
		return int64(n)
	}
	return plain
}

func fromNumber(n json.Number) (any, error) {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i, nil
	}
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil {
		return nil, fmt.Errorf("json.Number %q is not a number", string(n))
	}
	return f, nil
}

func (b *budget) bytesOf(v []byte) (any, error) {
	if err := b.take(0, len(v)); err != nil {
		return nil, err
	}
	return append([]byte{}, v...), nil
}

func list[T any](b *budget, v []T, depth int) (any, error) {
	if err := b.items(len(v), depth); err != nil {
		return nil, err
	}
	out := make([]any, len(v))
	for i, item := range v {
		var err error
		if out[i], err = b.convert(item, depth+1); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return out, nil
}

func (b *budget) dict(v map[string]any, depth int) (any, error) {
	if err := b.items(len(v), depth); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(v))
	for key, item := range v {
		if err := b.take(0, len(key)); err != nil {
			return nil, err
		}
		var err error
		if out[key], err = b.convert(item, depth+1); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return out, nil
}

// convertRare converts by reflection.
func (b *budget) convertRare(v any, depth int) (any, error) {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer && r.IsNil() {
		return nil, nil
	}
	switch v := v.(type) {
	case json.Marshaler:
		return b.throughJSON(v, depth)
	case error:
		text := v.Error()
		return text, b.take(0, len(text))
	}
	switch r.Kind() {
	case reflect.Bool:
		return r.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return fromPlain(r.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return r.Float(), nil
	case reflect.String:
		return r.String(), b.take(0, r.Len())
	case reflect.Pointer:
		if depth >= frame.MaxDepth { // a circle of pointers
			return nil, errDepth()
		}
		return b.convert(r.Elem().Interface(), depth+1)
	case reflect.Slice, reflect.Array:
		return b.reflectList(r, depth)
	case reflect.Map:
		if r.Type().Key().Kind() == reflect.String {
			return b.reflectDict(r, depth)
		}
		return b.throughJSON(v, depth)
	case reflect.Struct:
		return b.throughJSON(v, depth)
	}
	return nil, fmt.Errorf("found %T, which is no value: nil, bool, number, string, bytes, list, map, time or a struct", v)
}

func (b *budget) reflectList(r reflect.Value, depth int) (any, error) {
	if r.Kind() == reflect.Slice && r.Type().Elem().Kind() == reflect.Uint8 {
		return b.bytesOf(r.Bytes())
	}
	if err := b.items(r.Len(), depth); err != nil {
		return nil, err
	}
	out := make([]any, r.Len())
	for i := range out {
		var err error
		if out[i], err = b.convert(r.Index(i).Interface(), depth+1); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return out, nil
}

func (b *budget) reflectDict(r reflect.Value, depth int) (any, error) {
	if err := b.items(r.Len(), depth); err != nil {
		return nil, err
	}
	out := make(map[string]any, r.Len())
	for it := r.MapRange(); it.Next(); {
		if err := b.take(0, it.Key().Len()); err != nil {
			return nil, err
		}
		v, err := b.convert(it.Value().Interface(), depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", it.Key().String(), err)
		}
		out[it.Key().String()] = v
	}
	return out, nil
}

// throughJSON is what eKuiper's sinks make of such a value.
func (b *budget) throughJSON(v any, depth int) (any, error) {
	left := *b // what follows is no part of the result
	if err := left.json(reflect.ValueOf(v), depth); err != nil {
		return nil, fmt.Errorf("%T: %w", v, err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%T: %w", v, err)
	}
	plain, err := b.parseJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%T: %w", v, err)
	}
	return b.convert(plain, depth)
}

// parseJSON decodes with json.Number for numbers. It spends nothing: its result
// is for convert.
func (b *budget) parseJSON(text []byte) (any, error) {
	left := *b
	if err := left.text(text); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("bytes after the JSON value")
	}
	return v, nil
}
