package wat

import "fmt"

// space is an index space: what has been declared of one class, by name and by number.
type space struct {
	what   string // for errors
	names  []string
	byName map[string]uint32
}

// declare takes the next index, under the name that is next if there is one.
func (s *space) declare(c *cursor) uint32 {
	index := uint32(len(s.names))
	id := c.id()
	if _, ok := s.byName[id.text]; ok {
		c.fault(id.at, "a second "+quote(id.text), fmt.Sprintf("a new name for the %s", s.what))
	}
	s.unnamed(1)
	if id.text != "" {
		if s.byName == nil {
			s.byName = map[string]uint32{}
		}
		s.names[index], s.byName[id.text] = id.text, index
	}
	return index
}

// unnamed takes the next n indices.
func (s *space) unnamed(n int) { s.names = append(s.names, make([]string, n)...) }

// ref reads a name or a number that is declared.
func (s *space) ref(c *cursor) uint32 {
	n := c.peek()
	index, ok := s.byName[n.text]
	if n.kind == kindWord {
		var v uint64
		v, ok = parseUint(n.text, 32)
		index, ok = uint32(v), ok && v < uint64(len(s.names))
	}
	if !ok || n.kind == kindStr {
		c.fail(fmt.Sprintf("the name or number of a %s, of which there are %d", s.what, len(s.names)))
	}
	c.next()
	return index
}

// only reads a list that holds nothing but a name or a number.
func (s *space) only(c cursor) uint32 {
	index := s.ref(&c)
	c.done(`")"`)
	return index
}
