package api

import (
	"bytes"

	"github.com/vanth-io/vanth/host/frame"
)

// next cuts off the next row.
func (b *rows) next() (row []byte, ok bool) {
	switch {
	case b.in == wireFrame:
		return b.item()
	case !b.lines:
		return b.element()
	}
	for len(b.rest) > 0 {
		row, b.rest, _ = bytes.Cut(b.rest, []byte("\n"))
		if row = bytes.Trim(row, jsonSpace); len(row) > 0 {
			return row, true
		}
	}
	return nil, false
}

// item cuts the next item off the rest of an array that is a valid frame.
func (b *rows) item() (row []byte, ok bool) {
	rest, err := frame.Skip(b.rest)
	if err != nil || len(b.rest) == 0 {
		return nil, false
	}
	row, b.rest = b.rest[:len(b.rest)-len(rest)], rest
	return row, true
}

// element cuts the next element off the rest of an array that is valid JSON.
func (b *rows) element() (row []byte, ok bool) {
	rest := bytes.TrimLeft(b.rest, jsonSpace+",")
	depth, quoted := 0, false
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted:
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '[' || c == '{':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			b.rest = rest[i:]
			return rest[:i], i > 0
		case c == ']' || c == '}':
			depth--
		}
	}
	b.rest = nil
	return nil, false
}
