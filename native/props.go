package native

import (
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host"
)

// defaultInterval is how often a source is pulled that says nothing of it.
const defaultInterval = time.Second

// sourceProps returns what a source is provisioned with: a copy of the
// properties, which the plugin may change, and the nine keys that eKuiper always
// sets, with their zero values where they are not given.
func sourceProps(p host.Props) map[string]any {
	m := sinkProps(p)
	format, _ := m["format"].(string)
	if format == "" {
		format = "json"
	}
	m["format"] = strings.ToLower(format)
	for _, key := range []string{"key", "datasource", "schemaId", "delimiter", "timestamp", "timestampFormat"} {
		if m[key] == nil {
			m[key] = ""
		}
	}
	if m["retainSize"] == nil {
		m["retainSize"] = 0
	}
	if m["strictValidation"] == nil {
		m["strictValidation"] = false
	}
	return m
}

// sinkProps returns a copy of the properties, which the plugin may change. The
// values keep their types.
func sinkProps(p host.Props) map[string]any {
	m := maps.Clone(map[string]any(p))
	if m == nil {
		m = map[string]any{}
	}
	for key, v := range m {
		m[key] = cloneProp(v)
	}
	return m
}

func cloneProp(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return sinkProps(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = cloneProp(item)
		}
		return out
	}
	return v
}

// intervalOf returns how often a source is to be pulled: "interval" in
// milliseconds, or as a duration like "1s" or "500ms". 0 or less is once.
func intervalOf(p host.Props) (time.Duration, error) {
	v, ok := p["interval"]
	if !ok || v == nil {
		return defaultInterval, nil
	}
	switch s := v.(type) {
	case time.Duration:
		return s, nil
	case json.Number:
		v = string(s)
	}
	if s, ok := v.(string); ok {
		if d, err := time.ParseDuration(s); err == nil {
			return d, nil
		}
		ms, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return 0, badInterval(v)
		}
		v = ms
	}
	if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		v = int64(f)
	}
	ms, ok := asInt(v)
	if !ok || ms > math.MaxInt64/int64(time.Millisecond) {
		return 0, badInterval(v)
	}
	return time.Duration(max(ms, 0)) * time.Millisecond, nil
}

func badInterval(v any) error {
	return host.Errorf(host.ErrInvalid, "interval: found %s, expected milliseconds or a duration like 1s", host.Describe(v))
}
