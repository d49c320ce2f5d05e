package rule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vanth-io/vanth/host"
)

// decoder makes rows of a payload.
type decoder func(payload []byte) ([]map[string]any, error)

// decoderOf finds the decoder of a stream's FORMAT.
func decoderOf(o map[string]string) (decoder, error) {
	switch format := strings.ToLower(valueOr(o["FORMAT"], "json")); format {
	case "json":
		return decodeJSON, nil
	case "binary":
		return func(b []byte) ([]map[string]any, error) {
			return []map[string]any{{"self": bytes.Clone(b)}}, nil
		}, nil
	case "delimited":
		delimiter := valueOr(o["DELIMITER"], ",")
		return func(b []byte) ([]map[string]any, error) {
			row := map[string]any{}
			for i, v := range strings.Split(string(b), delimiter) {
				row[fmt.Sprintf("col%d", i)] = v
			}
			return []map[string]any{row}, nil
		}, nil
	default:
		return nil, host.Errorf(host.ErrUnsupported, "FORMAT: found %s, expected json, binary or delimited", format)
	}
}

func decodeJSON(b []byte) ([]map[string]any, error) {
	b = bytes.TrimSpace(b)
	if len(b) > 0 && b[0] == '[' {
		var rows []map[string]any
		if err := json.Unmarshal(b, &rows); err != nil {
			return nil, undecoded(b, err)
		}
		return rows, nil
	}
	row, err := decodeObject(b)
	if err != nil {
		return nil, undecoded(b, err)
	}
	return []map[string]any{row}, nil
}

func decodeObject(b []byte) (map[string]any, error) {
	var row map[string]any
	err := json.Unmarshal(b, &row)
	if err == nil && row == nil {
		err = errNoObject
	}
	return row, err
}

func undecoded(b []byte, err error) error {
	return host.Errorf(host.ErrInvalid, "Invalid data format, cannot decode %.256s to json format with error %v", b, err)
}

// rows are those of a message.
func (s *sourceNode) rows(m host.Message) ([]map[string]any, error) {
	switch v := m.Value.(type) {
	case map[string]any:
		return []map[string]any{v}, nil
	case []map[string]any:
		return v, nil
	case []byte:
		return s.decode(v)
	case []any:
		rows := make([]map[string]any, len(v))
		for i, e := range v {
			row, ok := e.(map[string]any)
			if !ok {
				return nil, host.Errorf(host.ErrInvalid, "found a list with %s, expected rows", host.Describe(e))
			}
			rows[i] = row
		}
		return rows, nil
	}
	return nil, host.Errorf(host.ErrInvalid, "found %s, expected a row", host.Describe(m.Value))
}
