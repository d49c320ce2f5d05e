package api

// validArray reports whether b is a JSON array, as encoding/json judges it, several
// times as fast. It may say no to one that nests deep: then encoding/json decides,
// and says what is wrong.
func validArray(b []byte) bool {
	d := decoder{data: b}
	if d.next() != '[' || !d.valid(0) {
		return false
	}
	d.next()
	return d.pos == len(b)
}

// valid walks over the value at the position.
func (d *decoder) valid(depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch c := d.next(); {
	case c == '[':
		return d.validItems(depth, ']')
	case c == '{':
		return d.validItems(depth, '}')
	case c == '"':
		return d.validString()
	case c == '-' || '0' <= c && c <= '9':
		n := scanNumber(d.data[d.pos:])
		d.pos += len(n.text)
		return len(n.text) > 0
	case c == 't':
		return d.word("true")
	case c == 'f':
		return d.word("false")
	case c == 'n':
		return d.word("null")
	}
	return false
}

// validItems walks over the rest of a list or a map, of which end is the last byte.
func (d *decoder) validItems(depth int, end byte) bool {
	d.pos++
	if d.next() == end {
		d.pos++
		return true
	}
	for {
		if end == '}' {
			if d.next() != '"' || !d.validString() || d.next() != ':' {
				return false
			}
			d.pos++
		}
		if !d.valid(depth + 1) {
			return false
		}
		switch d.next() {
		case ',':
			d.pos++
		case end:
			d.pos++
			return true
		default:
			return false
		}
	}
}

// validString walks over a string, which may hold bytes that are no text.
func (d *decoder) validString() bool {
	for d.pos++; d.pos < len(d.data); d.pos++ {
		switch c := d.data[d.pos]; {
		case c == '"':
			d.pos++
			return true
		case c < ' ':
			return false
		case c != '\\':
		case d.pos+1 == len(d.data):
			return false
		default:
			d.pos++
			switch d.data[d.pos] {
			case 'b', 'f', 'n', 'r', 't', '"', '\\', '/':
			case 'u':
				if d.pos+4 >= len(d.data) {
					return false
				}
				for _, c := range d.data[d.pos+1 : d.pos+5] {
					if unhex(c) > 15 {
						return false
					}
				}
				d.pos += 4
			default:
				return false
			}
		}
	}
	return false
}
