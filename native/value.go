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
// Channels, functions, complex numbers, and what nests deeper than 64 are an
// error that names them.
func toValue(v any) (any, error) { return convert(v, 0) }

func convert(v any, depth int) (any, error) {
	if depth > frame.MaxDepth {
		return nil, fmt.Errorf("value nests deeper than %d", frame.MaxDepth)
	}
	switch v := v.(type) {
	case nil, bool, int64, float64, string, time.Time:
		return v, nil
	case int:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case []byte:
		return append([]byte{}, v...), nil
	case []any:
		return list(v, depth)
	case map[string]any:
		return dict(v, depth)
	case []map[string]any:
		return list(v, depth)
	case []string:
		return list(v, depth)
	case json.Number:
		return fromNumber(v)
	}
	if _, plain := numberTag(v); plain != nil {
		return fromPlain(plain), nil
	}
	return convertRare(v, depth)
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

func list[T any](v []T, depth int) (any, error) {
	out := make([]any, len(v))
	for i, item := range v {
		var err error
		if out[i], err = convert(item, depth+1); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return out, nil
}

func dict(v map[string]any, depth int) (any, error) {
	out := make(map[string]any, len(v))
	for key, item := range v {
		var err error
		if out[key], err = convert(item, depth+1); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	return out, nil
}

// convertRare converts by reflection.
func convertRare(v any, depth int) (any, error) {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer && r.IsNil() {
		return nil, nil
	}
	switch v := v.(type) {
	case json.Marshaler:
		return throughJSON(v, depth)
	case error:
		return v.Error(), nil
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
		return r.String(), nil
	case reflect.Pointer:
		return convert(r.Elem().Interface(), depth+1)
	case reflect.Slice, reflect.Array:
		return reflectList(r, depth)
	case reflect.Map:
		if r.Type().Key().Kind() == reflect.String {
			return reflectDict(r, depth)
		}
		return throughJSON(v, depth)
	case reflect.Struct:
		return throughJSON(v, depth)
	}
	return nil, fmt.Errorf("found %T, which is no value: nil, bool, number, string, bytes, list, map, time or a struct", v)
}

func reflectList(r reflect.Value, depth int) (any, error) {
	if r.Kind() == reflect.Slice && r.Type().Elem().Kind() == reflect.Uint8 {
		return append([]byte{}, r.Bytes()...), nil
	}
	out := make([]any, r.Len())
	for i := range out {
		var err error
		if out[i], err = convert(r.Index(i).Interface(), depth+1); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return out, nil
}

func reflectDict(r reflect.Value, depth int) (any, error) {
	out := make(map[string]any, r.Len())
	for it := r.MapRange(); it.Next(); {
		v, err := convert(it.Value().Interface(), depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", it.Key().String(), err)
		}
		out[it.Key().String()] = v
	}
	return out, nil
}

// throughJSON is what eKuiper's sinks make of such a value.
func throughJSON(v any, depth int) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%T: %w", v, err)
	}
	plain, err := parseJSON(b)
	if err != nil {
		return nil, fmt.Errorf("%T: %w", v, err)
	}
	return convert(plain, depth)
}

// parseJSON decodes with json.Number for numbers.
func parseJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
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
