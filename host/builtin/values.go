package builtin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strconv"
	"time"

	"github.com/vanth-io/vanth/host"
)

// eachRow calls f with every row of a message: map[string]any or []byte.
func eachRow(name string, v any, f func(row any) error) error {
	switch t := v.(type) {
	case map[string]any, []byte:
		return f(t)
	case []map[string]any:
		for _, m := range t {
			if err := f(m); err != nil {
				return err
			}
		}
		return nil
	case []any:
		for i, x := range t {
			if _, ok := x.(map[string]any); !ok {
				return host.Errorf(host.ErrInvalid, "%s: row %d of the message: found %T, expected an object", name, i, x)
			}
			if err := f(x); err != nil {
				return err
			}
		}
		return nil
	}
	return host.Errorf(host.ErrInvalid, "%s: message: found %T, expected an object, a list of objects or bytes", name, v)
}

// appendJSON appends a value, or bytes as they are, without a line feed.
func appendJSON(name string, dst []byte, v any) ([]byte, error) {
	if raw, ok := v.([]byte); ok {
		return append(dst, raw...), nil
	}
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return dst, host.Errorf(host.ErrInvalid, "%s: message as JSON: %v", name, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decoder reads JSON values one after the other.
func decoder(r io.Reader) *json.Decoder {
	d := json.NewDecoder(r)
	d.UseNumber()
	return d
}

// plain turns the numbers of a decoded value into int64, uint64 and float64.
func plain(v any) any {
	switch t := v.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(t.String(), 10, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(t.String(), 10, 64); err == nil {
			return n
		}
		f, _ := t.Float64()
		return f
	case map[string]any:
		for k, x := range t {
			t[k] = plain(x)
		}
	case []any:
		for i, x := range t {
			t[i] = plain(x)
		}
	}
	return v
}

// cell is a value as a column of CSV.
func cell(name string, v any) (string, error) {
	switch t := v.(type) {
	case nil:
		return "", nil
	case string:
		return t, nil
	case float64:
		return strconv.FormatFloat(t, 'g', -1, 64), nil
	case bool, int, int64, uint64:
		return fmt.Sprint(t), nil
	case time.Time:
		return t.Format(time.RFC3339Nano), nil
	}
	b, err := appendJSON(name, nil, v)
	if _, raw := v.([]byte); raw {
		b, err = json.Marshal(v)
	}
	return string(bytes.Trim(b, `"`)), err
}

// copyRow is a row of its own: its reader may add and replace fields.
func copyRow(v any) any {
	if m, ok := v.(map[string]any); ok {
		return maps.Clone(m)
	}
	return v
}
