package api

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/vanth-io/vanth/host"
)

// Bounds of one list of arguments: they keep a small body from becoming much
// memory.
const (
	maxDepth  = 64      // lists and maps within each other, the list of arguments included
	maxValues = 1 << 20 // values of all depths
)

// decoder reads JSON into the values that functions take: an integer literal
// is int64 (uint64 above its range), one with a fraction or an exponent
// float64. Nothing it returns shares memory with its input. It is stricter than
// encoding/json: strings must be valid UTF-8 without lone surrogates, since no
// other string can be given to a function.
type decoder struct {
	data []byte
	pos  int
	left int    // values that may still come
	what string // the data, in the words of an error
}

func newDecoder(data []byte, what string) decoder {
	return decoder{data: data, left: maxValues, what: what}
}

func (d *decoder) fail(at int, format string, a ...any) error {
	return failf(problemJSON, "%s: at byte %d: %s", d.what, at, fmt.Sprintf(format, a...))
}

// decodeCall reads {"args":[...]} and appends the arguments to dst.
func decodeCall(dst []any, data []byte, sig *host.Signature) ([]any, error) {
	const want = `expected {"args":[...]}`
	d := newDecoder(data, "body")
	if d.next() != '{' {
		return dst, d.bad(want)
	}
	d.pos++
	found := false
	for first := true; ; first = false {
		c := d.next()
		if c == '}' && (first || found) {
			break
		}
		if !first {
			if c != ',' {
				return dst, d.bad("expected , or }")
			}
			d.pos++
			d.next()
		}
		if found || !d.word(`"args"`) {
			return dst, d.bad(want + " and nothing else")
		}
		if d.next() != ':' {
			return dst, d.bad("expected :")
		}
		d.pos++
		var err error
		if dst, err = d.args(dst, sig); err != nil {
			return dst, err
		}
		found = true
	}
	d.pos++
	if !found {
		return dst, failf(problemJSON, "body: found no args, %s", want)
	}
	return dst, d.end()
}

// decodeRow reads [...] and appends the arguments to dst.
func decodeRow(dst []any, data []byte, sig *host.Signature) ([]any, error) {
	d := newDecoder(data, "row")
	dst, err := d.args(dst, sig)
	if err != nil {
		return dst, err
	}
	return dst, d.end()
}

// args reads one list of arguments, and bytes where the signature has them.
func (d *decoder) args(dst []any, sig *host.Signature) ([]any, error) {
	if d.next() != '[' {
		return dst, d.bad("expected a list of arguments")
	}
	start := len(dst)
	dst, err := d.list(dst, 1)
	if err != nil || sig.Variadic {
		return dst, err
	}
	args := dst[start:]
	for i, t := range sig.Args[:min(len(sig.Args), len(args))] {
		if t != host.TypeBytes {
			continue
		}
		if err := decodeBytes(args, i, sig); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// decodeBytes turns a base64 string into bytes; of an aggregate's argument,
// every string in the list.
func decodeBytes(args []any, i int, sig *host.Signature) error {
	fix := func(v *any) error {
		text, ok := (*v).(string)
		if !ok {
			return nil // the function judges it
		}
		b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil {
			return failf(problemArguments, "argument %d of %s: found %s, expected bytes in base64: %v", i+1, sig, host.Describe(text), err)
		}
		*v = b
		return nil
	}
	if rows, ok := args[i].([]any); ok && sig.Aggregate {
		for j := range rows {
			if err := fix(&rows[j]); err != nil {
				return err
			}
		}
		return nil
	}
	return fix(&args[i])
}

// next skips white space and returns the byte there, 0 at the end.
func (d *decoder) next() byte {
	for ; d.pos < len(d.data); d.pos++ {
		switch c := d.data[d.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// end fails when something follows the value.
func (d *decoder) end() error {
	if d.next(); d.pos < len(d.data) {
		return d.bad("expected the end")
	}
	return nil
}

// bad describes what stands at the position.
func (d *decoder) bad(expected string) error {
	if d.pos >= len(d.data) {
		return d.fail(d.pos, "found the end, %s", expected)
	}
	rest := d.data[d.pos:]
	return d.fail(d.pos, "found %q, %s", rest[:min(len(rest), 16)], expected)
}

func (d *decoder) value(depth int) (any, error) {
	if d.left--; d.left < 0 {
		return nil, failf(problemBodySize, "%s: found more than %d values, expected at most that", d.what, maxValues)
	}
	switch c := d.next(); {
	case c == '"':
		return d.str()
	case c == '-' || '0' <= c && c <= '9':
		return d.number()
	case c == '[':
		return d.list([]any{}, depth+1)
	case c == '{':
		return d.object(depth + 1)
	case d.word("true"):
		return true, nil
	case d.word("false"):
		return false, nil
	case d.word("null"):
		return nil, nil
	}
	return nil, d.bad("expected a JSON value")
}

func (d *decoder) word(w string) bool {
	if !strings.HasPrefix(string(d.data[d.pos:min(len(d.data), d.pos+len(w))]), w) {
		return false
	}
	d.pos += len(w)
	return true
}

func (d *decoder) deep(depth int) error {
	if depth > maxDepth {
		return d.fail(d.pos, "found nesting deeper than %d, expected at most that", maxDepth)
	}
	return nil
}

// list appends the elements of the list that begins at the position.
func (d *decoder) list(dst []any, depth int) ([]any, error) {
	if err := d.deep(depth); err != nil {
		return dst, err
	}
	d.pos++
	if d.next() == ']' {
		d.pos++
		return dst, nil
	}
	for {
		v, err := d.value(depth)
		if err != nil {
			return dst, err
		}
		dst = append(dst, v)
		switch d.next() {
		case ',':
			d.pos++
		case ']':
			d.pos++
			return dst, nil
		default:
			return dst, d.bad("expected , or ]")
		}
	}
}

// object reads the map that begins at the position; of equal keys the last one
// counts.
func (d *decoder) object(depth int) (map[string]any, error) {
	if err := d.deep(depth); err != nil {
		return nil, err
	}
	d.pos++
	m := map[string]any{}
	if d.next() == '}' {
		d.pos++
		return m, nil
	}
	for {
		if d.next() != '"' {
			return nil, d.bad("expected a key in quotes")
		}
		key, err := d.str()
		if err != nil {
			return nil, err
		}
		if d.next() != ':' {
			return nil, d.bad("expected :")
		}
		d.pos++
		if m[key], err = d.value(depth); err != nil {
			return nil, err
		}
		switch d.next() {
		case ',':
			d.pos++
		case '}':
			d.pos++
			return m, nil
		default:
			return nil, d.bad("expected , or }")
		}
	}
}

// str reads the string whose quote stands at the position.
func (d *decoder) str() (string, error) {
	d.pos++
	start := d.pos
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; {
		case c == '"':
			raw := d.data[start:d.pos]
			if !utf8.Valid(raw) {
				return "", d.fail(start, "found a string that is not valid UTF-8; bytes travel as base64")
			}
			d.pos++
			return string(raw), nil
		case c == '\\':
			return d.escaped(start)
		case c < ' ':
			return "", d.bad("expected no control character in a string; write it as an escape")
		}
		d.pos++
	}
	return "", d.bad(`expected the string's closing "`)
}
