package gate

import (
	"fmt"
	"strconv"
)

// Error is the error of Walk: the first place where a module breaks a rule.
type Error struct {
	Offset  int    // in the module, in bytes
	Section string // name of the section, "" before the first and between them
	Found   string // what stands there
	Allowed string // the rule, a clause of its own: "at most 4 are allowed"
}

// Error returns "at byte 123, section code: found this, that is allowed".
func (e *Error) Error() string {
	section := ""
	if e.Section != "" {
		section = ", section " + e.Section
	}
	return fmt.Sprintf("at byte %s%s: found %s, %s", group(e.Offset), section, e.Found, e.Allowed)
}

// group writes n with a comma between thousands.
func group[T int | uint32 | uint64](n T) string {
	s := strconv.FormatUint(uint64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is "1 type" or "2 types".
func plural[T int | uint32 | uint64](n T, things string) string {
	if n == 1 {
		return "1 " + singular(things)
	}
	return group(n) + " " + things
}

func singular(things string) string {
	switch things {
	case "bodies":
		return "body"
	case "memories":
		return "memory"
	case "table entries":
		return "table entry"
	}
	return things[:len(things)-1]
}
