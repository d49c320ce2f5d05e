package gate

import (
	"fmt"
	"unicode/utf8"
)

// cursor is a place in the module. Errors stick: the first is kept, and from then on the cursor is at the end of what it
// reads, so that loops end. What is read after an error means nothing.
type cursor struct {
	b       []byte
	at      int // the next byte
	end     int // of the section, the body or the subsection that is read
	section string
	err     *Error
}

// fault keeps the error that something breaks a rule at an offset.
func (c *cursor) fault(at int, found, allowed string) {
	if c.err == nil {
		c.err = &Error{Offset: at, Section: c.section, Found: found, Allowed: allowed}
	}
	c.at = c.end
}

func (c *cursor) failed() bool { return c.err != nil }

// missing is the error that nothing is left to read.
func (c *cursor) missing(what string) { c.fault(c.end, "the end", "expected "+what) }

func (c *cursor) byte(what string) byte {
	if c.at >= c.end {
		c.missing(what)
		return 0
	}
	c.at++
	return c.b[c.at-1]
}

// u32 reads an unsigned LEB128 number of 32 bits.
func (c *cursor) u32(what string) uint32 { return c.number("", what) }

// number is u32 for something with a name of two parts, which are put together for an error only.
func (c *cursor) number(role, what string) uint32 {
	if c.at < c.end && c.b[c.at] < 0x80 {
		c.at++
		return uint32(c.b[c.at-1])
	}
	return c.longNumber(role, what)
}

func (c *cursor) longNumber(role, what string) uint32 {
	start, v := c.at, uint32(0)
	for shift := 0; shift < 35; shift += 7 {
		if c.at >= c.end {
			c.missing(role + what)
			return 0
		}
		x := c.b[c.at]
		c.at++
		v |= uint32(x&0x7f) << shift
		if x < 0x80 {
			if shift == 28 && x > 0x0f {
				break
			}
			return v
		}
	}
	c.fault(start, "a number of more than 32 bits or 5 bytes", "expected "+role+what)
	return 0
}

// signed reads past a signed LEB128 number of 32, 33 or 64 bits and returns its low bits.
func (c *cursor) signed(bits int, what string) int64 {
	start, v, shift := c.at, int64(0), 0
	for shift < bits {
		if c.at >= c.end {
			c.missing(what)
			return 0
		}
		x := c.b[c.at]
		c.at++
		v |= int64(x&0x7f) << shift
		shift += 7
		if x >= 0x80 {
			continue
		}
		if shift > bits { // the bits that are left over repeat the sign
			used := bits - (shift - 7)
			if rest := int8(x<<1) >> used; rest != 0 && rest != -1 {
				break
			}
		}
		if shift < 64 && x&0x40 != 0 {
			v |= -1 << shift
		}
		return v
	}
	c.fault(start, fmt.Sprintf("a number of more than %d bits or %d bytes", bits, (bits+6)/7), "expected "+what)
	return 0
}

// skip reads past n bytes.
func (c *cursor) skip(n int, what string) {
	if n > c.end-c.at {
		c.missing(what)
		return
	}
	c.at += n
}

// count reads how many things follow. Each takes at least so many bytes.
func (c *cursor) count(things string, smallest, most int) int {
	start := c.at
	n := c.number("the number of ", things)
	switch fit := (c.end - c.at) / smallest; {
	case c.failed():
		return 0
	case uint64(n) > uint64(most):
		c.tooMany(start, plural(n, things), most)
		return 0
	case uint64(n) > uint64(fit):
		c.fault(start, plural(n, things), atMost(fit, "fit into the bytes that are left", "fits into the bytes that are left"))
		return 0
	}
	return int(n)
}

// tooMany is the error that there are more than most.
func (c *cursor) tooMany(at int, found string, most int) {
	c.fault(at, found, atMost(most, "are allowed", "is allowed"))
}

func atMost(n int, many, one string) string {
	switch n {
	case 0:
		return "none " + one
	case 1:
		return "at most 1 " + one
	}
	return "at most " + group(n) + " " + many
}

// name reads a name and returns where it stands.
func (c *cursor) name(what string, most int) Span {
	start := c.at
	n := c.number("the length of ", what)
	switch {
	case c.failed():
	case uint64(n) > uint64(c.end-c.at):
		c.fault(start, plural(n, "bytes")+" for "+what, atMost(c.end-c.at, "are left", "is left"))
	case uint64(n) > uint64(most):
		c.tooMany(start, plural(n, "bytes")+" for "+what, most)
	case !utf8.Valid(c.b[c.at : c.at+int(n)]):
		c.fault(c.at, what+" that is not UTF-8", "names are UTF-8")
	default:
		c.at += int(n)
		return Span{uint32(c.at) - n, uint32(c.at)}
	}
	return Span{}
}

// index reads an index below the number of things that there are.
func (c *cursor) index(things string, n int) uint32 {
	start := c.at
	v := c.number("an index of ", things)
	if uint64(v) >= uint64(n) && !c.failed() {
		c.noSuch(start, things, v, n)
	}
	return v
}

func (c *cursor) noSuch(at int, things string, v uint32, n int) {
	verb := "there are "
	if n == 1 {
		verb = "there is "
	}
	c.fault(at, singular(things)+" "+group(v), verb+plural(n, things))
}
