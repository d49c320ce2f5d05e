package frame

import (
	"encoding/binary"
	"math"
)

func (r *reading) dict(start, n, depth int) (map[string]any, bool) {
	if depth > MaxDepth {
		r.fail(start, Depth)
		return nil, false
	}
	if !r.spend(start, mapCost(n)) {
		return nil, false
	}
	if r.decoder == nil {
		m := make(map[string]any, min(n, pairsAtOnce))
		return m, r.strange(m, n, depth)
	}
	if at := r.decoder.place(n, depth); at != nil {
		return r.known(at, n, depth)
	}
	m := make(map[string]any, min(n, pairsAtOnce))
	return m, r.row(m, n, depth)
}

// pairsAtOnce is for how many pairs a map has room before any was read. One that has more
// gets room as they come, and Stop is asked between.
const pairsAtOnce = 1 << 10

// mapCost is about what Go allocates for a map of n pairs: a header, and slots
// of a string and an interface in groups of eight that are at most 7/8 full.
func mapCost(n int) int64 {
	slots := 8
	for slots*7/8 < n && n > 8 {
		slots *= 2
	}
	return 48 + int64(slots)*36
}

// strange reads n pairs into m, for nobody who remembers any.
func (r *reading) strange(m map[string]any, n, depth int) bool {
	for range n {
		key, ok := r.stringKey()
		if !ok {
			return false
		}
		if m[key], ok = r.value(depth); !ok {
			return false
		}
	}
	return true
}

// row reads n pairs into m, and remembers them.
func (r *reading) row(m map[string]any, n, depth int) bool {
	if r.decoder.memo == nil {
		r.decoder.memo = new(memo)
	}
	var c *column // of the pair before; nil for none, or one that is not remembered
	for range n {
		var key string
		var v any
		var ok bool
		if c != nil && r.follows(c.next) {
			c = c.next
		} else {
			before := c
			if c, key, ok = r.key(); !ok {
				return false
			}
			if before != nil {
				before.next = c
			}
		}
		if c == nil {
			v, ok = r.value(depth)
		} else {
			key = c.key
			v, ok = r.columnValue(c, depth)
		}
		if !ok {
			return false
		}
		m[key] = v
	}
	return true
}

// follows reports whether the key of c comes next, under a head of one byte, and
// if so reads it.
func (r *reading) follows(c *column) bool {
	if c == nil {
		return false
	}
	b := r.b[r.at:]
	n := len(c.key)
	if n >= len(b) || b[0] != 0xa0|byte(n) || string(b[1:1+n]) != c.key {
		return false
	}
	r.at += 1 + n
	return true
}

// key reads a map's key: that of a column, or another.
func (r *reading) key() (c *column, key string, ok bool) {
	start := r.at
	n, ok := r.keyHead()
	if !ok {
		return nil, "", false
	}
	if n > 0 && n <= maxKey {
		c, ok = r.column(start, int(n))
		return c, "", ok
	}
	p, ok := r.text(start, n)
	return nil, string(p), ok
}

func (r *reading) stringKey() (string, bool) {
	start := r.at
	n, ok := r.keyHead()
	if !ok {
		return "", false
	}
	p, ok := r.text(start, n)
	return string(p), ok
}

func (r *reading) keyHead() (n uint64, ok bool) {
	start := r.at
	k, n := r.next()
	if k != kindStr && k != kindNone {
		r.fail(start, Key)
	}
	return n, k == kindStr
}

// columnValue reads the value of a column. Floats and short texts, of which rows
// are made, have a way of their own.
func (r *reading) columnValue(c *column, depth int) (any, bool) {
	start := r.at
	if b := r.b[start:]; len(b) >= 9 && b[0] == 0xcb {
		r.at += 9
		return c.float(binary.BigEndian.Uint64(b[1:])), true
	} else if len(b) > 0 && b[0]&0xe0 == 0xa0 && int(b[0]&0x1f) < len(b) {
		r.at++
		return r.columnText(c, start, int(b[0]&0x1f))
	}
	k, n := r.next()
	switch {
	case k == kindInt:
		return c.int(int64(n)), true
	case k == kindStr && n <= maxText:
		return r.columnText(c, start, int(n))
	}
	return r.made(k, n, start, depth)
}

// columnText reads a text of n bytes that is there, and whose head is at start.
func (r *reading) columnText(c *column, start, n int) (any, bool) {
	p := r.b[r.at : r.at+n]
	if s, ok := c.last.(string); ok && s == string(p) {
		r.at += n
		return c.last, true
	}
	p, ok := r.text(start, uint64(n))
	if ok {
		c.last = string(p)
	}
	return c.last, ok
}

// float returns the float of these bits.
func (c *column) float(bits uint64) any {
	if v, ok := c.last.(float64); !ok || math.Float64bits(v) != bits {
		c.last = math.Float64frombits(bits)
	}
	return c.last
}

func (c *column) int(n int64) any {
	if uint64(n) < 256 {
		return n // Go has these
	}
	if v, ok := c.last.(int64); !ok || v != n {
		c.last = n
	}
	return c.last
}
