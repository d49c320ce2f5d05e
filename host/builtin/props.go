package builtin

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host"
)

// reader takes properties apart. Keys are matched whatever their case; the first
// that is wrong is kept as err. Numbers and bools may come as text, since
// eKuiper's SQL has options of text only, and an empty text is an absent value.
type reader struct {
	what  string // "source file"
	props map[string]any
	err   error
}

func read(what string, p host.Props) *reader {
	r := &reader{what: what, props: make(map[string]any, len(p))}
	for k, v := range p {
		low := strings.ToLower(k)
		if _, ok := r.props[low]; !ok || k == low {
			r.props[low] = v
		}
	}
	return r
}

// value returns what is there.
func (r *reader) value(key string) (any, bool) {
	v, ok := r.props[strings.ToLower(key)]
	return v, ok && v != nil && v != ""
}

// fail keeps the first fault.
func (r *reader) fail(sentinel error, key, format string, a ...any) {
	if r.err == nil {
		r.err = host.Errorf(sentinel, "%s: property %s: %s", r.what, key, fmt.Sprintf(format, a...))
	}
}

func (r *reader) wrong(key string, v any, expected string) {
	found := fmt.Sprintf("%T", v)
	switch v.(type) {
	case string, bool, int, int64, uint64, float64, json.Number:
		if !strings.EqualFold(key, "password") {
			if found = fmt.Sprintf("%T %v", v, v); len(found) > 80 {
				found = found[:80] + "..."
			}
		}
	}
	r.fail(host.ErrInvalid, key, "found %s, expected %s", found, expected)
}

// refuse reports a property of eKuiper's that asks for what is not done here.
func (r *reader) refuse(keys ...string) {
	for _, key := range keys {
		v, ok := r.value(key)
		if !ok || v == false || v == "false" || v == "0" {
			continue
		}
		if n, ok := number(v); ok && n == 0 {
			continue
		}
		r.fail(host.ErrUnsupported, key, "not supported; remove it")
	}
}

func (r *reader) text(key, def string) string {
	v, ok := r.value(key)
	if !ok {
		return def
	}
	switch t := v.(type) {
	case string:
		return t
	case json.Number:
		return t.String()
	case int, int64, uint64, float64:
		return fmt.Sprint(t)
	}
	r.wrong(key, v, "text")
	return def
}

// constant is a text that must be there, and the same for every message.
func (r *reader) constant(key string) string {
	s := r.text(key, "")
	if s == "" && r.err == nil {
		r.fail(host.ErrInvalid, key, "missing: it is required")
	}
	r.noTemplate(key, s)
	return s
}

func (r *reader) noTemplate(key, s string) {
	if strings.Contains(s, "{{") {
		r.fail(host.ErrUnsupported, key, "found the template %q, expected a constant: templates are not supported", s)
	}
}

func number(v any) (float64, bool) {
	switch t := v.(type) {
	case int:
		return float64(t), true
	case int64:
		return float64(t), true
	case uint64:
		return float64(t), true
	case float64:
		return t, true
	case json.Number:
		f, err := t.Float64()
		return f, err == nil
	case string:
		f, err := strconv.ParseFloat(t, 64)
		return f, err == nil
	}
	return 0, false
}

// integer returns a whole number between low and high.
func (r *reader) integer(key string, def, low, high int64) int64 {
	v, ok := r.value(key)
	if !ok {
		return def
	}
	f, ok := number(v)
	if !ok || f != math.Trunc(f) || f < float64(low) || f > float64(high) {
		r.wrong(key, v, fmt.Sprintf("a whole number from %d to %d", low, high))
		return def
	}
	return int64(f)
}

// millis returns a duration: a number of milliseconds, or text such as 10s.
func (r *reader) millis(key string, def time.Duration) time.Duration {
	v, ok := r.value(key)
	if !ok {
		return def
	}
	if f, ok := number(v); ok && f >= 0 && f < 1e12 {
		return time.Duration(f * float64(time.Millisecond))
	}
	if s, ok := v.(string); ok {
		if d, err := time.ParseDuration(s); err == nil && d >= 0 {
			return d
		}
	}
	r.wrong(key, v, "milliseconds, or a duration such as 10s")
	return def
}

// limit is a duration that is not zero.
func (r *reader) limit(key string, def time.Duration) time.Duration {
	if d := r.millis(key, def); d > 0 {
		return d
	}
	return def
}

func (r *reader) boolean(key string, def bool) bool {
	v, ok := r.value(key)
	if !ok {
		return def
	}
	switch t := v.(type) {
	case bool:
		return t
	case string:
		if b, err := strconv.ParseBool(strings.ToLower(t)); err == nil {
			return b
		}
	}
	r.wrong(key, v, "true or false")
	return def
}

// choice returns one of the words, in lower case.
func (r *reader) choice(key, def string, words ...string) string {
	s := strings.ToLower(r.text(key, def))
	if !slices.Contains(words, s) {
		r.wrong(key, s, "one of "+strings.Join(words, ", "))
	}
	return s
}

// names returns a list of texts, also from a text with commas.
func (r *reader) names(key string) []string {
	v, ok := r.value(key)
	if !ok {
		return nil
	}
	var list []string
	switch t := v.(type) {
	case []string:
		return t
	case string:
		for s := range strings.SplitSeq(t, ",") {
			list = append(list, strings.TrimSpace(s))
		}
		return list
	case []any:
		for _, x := range t {
			s, ok := x.(string)
			if !ok {
				r.wrong(key, x, "a list of texts")
			}
			list = append(list, s)
		}
		return list
	}
	r.wrong(key, v, "a list of texts")
	return nil
}

// pairs returns texts by name, also from a text with a JSON object.
func (r *reader) pairs(key string) map[string]string {
	v, ok := r.value(key)
	if !ok {
		return nil
	}
	if s, ok := v.(string); ok {
		var m map[string]any
		if json.Unmarshal([]byte(s), &m) != nil {
			r.wrong(key, v, "an object of texts")
			return nil
		}
		v = m
	}
	pairs := map[string]string{}
	switch m := v.(type) {
	case map[string]string:
		return m
	case map[string]any:
		for name, x := range m {
			switch x.(type) {
			case string, bool, int, int64, uint64, float64, json.Number:
				pairs[name] = fmt.Sprint(x)
			default:
				r.wrong(key+"."+name, x, "text")
			}
			r.noTemplate(key+"."+name, pairs[name])
		}
		return pairs
	}
	r.wrong(key, v, "an object of texts")
	return nil
}

// delimiter returns the character between columns.
func (r *reader) delimiter(def rune) rune {
	s := r.text("delimiter", string(def))
	if s == `\t` {
		return '\t'
	}
	list := []rune(s)
	if len(list) != 1 || strings.ContainsRune("\"\r\n\uFFFD\x00", list[0]) {
		r.wrong("delimiter", s, "one character")
		return def
	}
	return list[0]
}
