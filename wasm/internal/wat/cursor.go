package wat

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// cursor is a place in a list. A copy of it is another place, which moves on its own.
//
// Errors stick: the first is kept for all cursors of a text, and from then on every cursor is at the end of its list.
// So loops end, and a caller asks for the error once, at the end; what it has read until then means nothing.
type cursor struct {
	rest  []node
	end   int // offset of what closes the list, for errors about what is missing
	first *firstError
}

type firstError struct{ err error }

// fault keeps the error that something was found and another thing expected.
func (c *cursor) fault(at int, found, expected string) {
	if c.first.err == nil {
		c.first.err = fault(at, found, expected)
	}
}

// fail keeps the error that something else was expected here.
func (c *cursor) fail(expected string) {
	n := c.peek()
	c.fault(n.at, n.found(), expected)
}

func (c *cursor) failed() bool { return c.first.err != nil }

func (c *cursor) empty() bool { return len(c.rest) == 0 || c.failed() }

// peek returns the next node, a kindClose one at the end of the list.
func (c *cursor) peek() node {
	if c.empty() {
		return node{kind: kindClose, at: c.end}
	}
	return c.rest[0]
}

// next takes the next node; at the end of the list it stays there.
func (c *cursor) next() node {
	n := c.peek()
	if !c.empty() {
		c.rest = c.rest[1:]
	}
	return n
}

// done fails if something is left.
func (c *cursor) done(expected string) {
	if !c.empty() {
		c.fail(expected)
	}
}

// id takes a name if one is next; otherwise it returns a node without text.
func (c *cursor) id() node {
	if n := c.peek(); n.kind != kindID {
		return node{at: n.at}
	}
	return c.next()
}

// word takes the given word if it is next.
func (c *cursor) word(w string) bool {
	n := c.peek()
	ok := n.kind == kindWord && n.text == w
	if ok {
		c.next()
	}
	return ok
}

// list takes the list that starts with the given word if it is next, and returns what follows that word.
func (c *cursor) list(head string) (cursor, bool) {
	n := c.peek()
	if n.head() != head {
		return cursor{first: c.first}, false
	}
	c.next()
	return c.inside(n), true
}

// inside is the place after the first word of a list that has one.
func (c *cursor) inside(n node) cursor { return cursor{rest: n.kids[1:], end: n.end, first: c.first} }

// name takes a string that is UTF-8.
func (c *cursor) name(what string) string {
	n := c.peek()
	if n.kind != kindStr || !utf8.ValidString(n.text) {
		c.fail(what + ", a string in UTF-8")
	}
	return c.next().text
}

// hasNumber reports whether an unsigned number may be next, by its first digit.
func (c *cursor) hasNumber() bool {
	n := c.peek()
	return n.kind == kindWord && isDecimal(n.text[0])
}

// hasRef reports whether a name or a number is next, declared or not.
func (c *cursor) hasRef() bool { return c.peek().kind == kindID || c.hasNumber() }

func (c *cursor) u32(what string) uint32 {
	n := c.peek()
	v, ok := parseUint(n.text, 32)
	if n.kind != kindWord || !ok {
		c.fail(fmt.Sprintf("%s, at most %d", what, uint32(math.MaxUint32)))
	}
	c.next()
	return uint32(v)
}
