package wat

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Error is the error of Assemble: the first place where the text leaves the subset.
type Error struct {
	Line, Column int    // both count from 1; a column is one character
	Found        string // what stands there
	Expected     string // what may stand there
	at           int    // offset in bytes, from which Line and Column come
}

// Error returns "line:column: found this, expected that".
func (e *Error) Error() string {
	return fmt.Sprintf("%d:%d: found %s, expected %s", e.Line, e.Column, e.Found, e.Expected)
}

// locate fills in Line and Column from the offset.
func (e *Error) locate(src []byte) {
	before := src[:min(e.at, len(src))]
	e.Line = 1 + bytes.Count(before, []byte("\n"))
	e.Column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

func fault(at int, found, expected string) error {
	return &Error{at: at, Found: found, Expected: expected}
}

// quote shows a piece of the text, and only the start of a long one.
func quote(s string) string {
	const limit = 40
	if len(s) > limit {
		s = s[:limit] + "..."
	}
	return strconv.Quote(s)
}
