package frame

import "fmt"

// Error is an error as a value: what a guest answers in place of a result.
type Error struct {
	Msg   string
	Class string // "usage", "io" or "fatal"
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

// The classes of an [Error]. io may pass when retried.
const (
	ClassUsage = "usage"
	ClassIO    = "io"
	ClassFatal = "fatal"
)

// The reasons for which a frame is refused. The first ten are the words of
// sdk/abi; the others are this host's own bounds.
const (
	Truncated = "truncated" // the end comes inside a value
	Trailing  = "trailing"  // bytes after the value
	Depth     = "depth"     // nests deeper than MaxDepth
	Count     = "count"     // more items than there are bytes for
	UTF8      = "utf8"      // text that is not UTF-8
	Key       = "key"       // a key that is not a string
	Ext       = "ext"       // an extension that is not in the profile
	Timestamp = "timestamp" // a time of another length or too many nanoseconds
	ErrorForm = "error"     // an error value that is not made as it should be
	Reserved  = "reserved"  // the byte 0xc1
	TooLong   = "long"      // longer than MaxBytes
	Stopped   = "stopped"   // Decoder.Stop said so
	TooWide   = "wide"      // would allocate beyond Amplification, or Decoder.Most
	NoArgs    = "args"      // arguments that are not a list
)

// Malformed says that a frame is not in the profile: for which reason, and at
// which byte the value or the head stands that is at fault.
type Malformed struct {
	Offset int
	Reason string
}

// Error returns "frame: byte 7: truncated: the end comes inside a value".
func (m *Malformed) Error() string {
	return fmt.Sprintf("frame: byte %d: %s: %s", m.Offset, m.Reason, explain(m.Reason))
}

func explain(reason string) string {
	switch reason {
	case Truncated:
		return "the end comes inside a value"
	case Trailing:
		return "there are bytes after the value"
	case Depth:
		return fmt.Sprintf("lists and maps nest deeper than %d", MaxDepth)
	case Count:
		return "more items are announced than there are bytes for"
	case UTF8:
		return "text is not UTF-8"
	case Key:
		return "a map's key is not a string"
	case Ext:
		return "the extension is neither a time (-1) nor an error (1)"
	case Timestamp:
		return "a time has 4, 8 or 12 bytes and at most 999999999 nanoseconds"
	case ErrorForm:
		return `an error is a map of "msg" and "class" (usage, io or fatal), both strings`
	case Reserved:
		return "0xc1 means nothing"
	case TooLong:
		return fmt.Sprintf("a frame has at most %d bytes", MaxBytes)
	case TooWide:
		return "its lists and maps would take too much memory"
	case Stopped:
		return "whoever decodes it has no time left"
	case NoArgs:
		return "arguments are a list"
	}
	return "unknown"
}

// appendError says what cannot be in a frame and where it stands.
type appendError struct {
	path string
	what string
}

func (e *appendError) Error() string {
	if e.path == "" {
		return e.what
	}
	return e.path + ": " + e.what
}
