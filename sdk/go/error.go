package vanth

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
)

// Class tells the host what to do about an error.
type Class string

const (
	// Usage: this call cannot be answered; another with other arguments can. The default.
	Usage Class = "usage"
	// IO: something outside did not answer; the same call may succeed later.
	IO Class = "io"
	// Fatal: the plugin itself is at fault.
	Fatal Class = "fatal"
)

func (c Class) known() bool { return c == Usage || c == IO || c == Fatal }

// Error is an error with a class, as it crosses to the host. A function may return any error: one
// that wraps an *Error keeps its class, a *HostError is IO when the host is closing or busy and Fatal
// otherwise, all others are Usage. An empty class is Usage, an unknown one is sent as Fatal.
type Error struct {
	Msg   string
	Class Class
}

func (e *Error) Error() string { return e.Msg }

// asError gives err the form in which it crosses. The text is that of err, wrapping included.
func asError(err error) *Error {
	e, ok := err.(*Error) //nolint:errorlint // one that is wrapped has another text
	switch {
	case ok && e != nil:
		return e
	case ok:
		return &Error{Msg: "a nil *vanth.Error was returned as an error", Class: Fatal}
	}
	class := Usage
	var h *HostError
	switch {
	case errors.As(err, &e) && e != nil:
		class = e.Class
	case errors.As(err, &h) && h != nil:
		class = h.class()
	}
	return &Error{Msg: err.Error(), Class: class}
}

// FrameError says why a frame is not a value: one of the reason words below.
type FrameError string

// The reasons a frame is refused. They are the same words in the test vectors of sdk/abi.
const (
	ErrTruncated FrameError = "truncated" // the frame ends inside a value
	ErrTrailing  FrameError = "trailing"  // bytes follow the value
	ErrDepth     FrameError = "depth"     // more than MaxDepth lists and maps in each other
	ErrCount     FrameError = "count"     // a list or map announces more than the rest can hold
	ErrUTF8      FrameError = "utf8"      // a string is not valid UTF-8
	ErrKey       FrameError = "key"       // a map key is not a string
	ErrExt       FrameError = "ext"       // an extension other than time (-1) and error (1)
	ErrTimestamp FrameError = "timestamp" // a time of a wrong length, or 1e9 nanoseconds and more
	ErrMalformed FrameError = "error"     // the payload of an error value is not {msg, class}
	ErrReserved  FrameError = "reserved"  // the byte 0xc1, which begins nothing
)

func (e FrameError) Error() string { return "frame: " + string(e) }

// failure reads the payload of an error value: one map of exactly the keys msg and class, in any
// order, both strings, class one of the three that exist. It never recurses.
func (d *decoder) failure(n int64) (*Error, error) {
	b, err := d.take(n)
	if err != nil {
		return nil, err
	}
	in := decoder{rest: b}
	t, err := in.head()
	if err != nil || t.kind != kMap || t.n != 2 {
		return nil, ErrMalformed
	}
	var text [4]string
	for i := range text {
		t, err := in.head()
		if err != nil || t.kind != kString {
			return nil, ErrMalformed
		}
		if text[i], err = in.str(t.n); err != nil {
			return nil, ErrMalformed
		}
	}
	if text[0] == "class" {
		text = [4]string{text[2], text[3], text[0], text[1]}
	}
	if text[0] != "msg" || text[2] != "class" || !Class(text[3]).known() || len(in.rest) > 0 {
		return nil, ErrMalformed
	}
	return &Error{Msg: text[1], Class: Class(text[3])}, nil
}

// appendError writes the error value: msg first, then class. Bytes of msg that are not UTF-8 become
// U+FFFD, and an unknown class Fatal, so that a report of a fault is never itself malformed.
func appendError(dst []byte, e *Error) []byte {
	class := e.Class
	switch {
	case class == "":
		class = Usage
	case !class.known():
		class = Fatal
	}
	body := appendString(append(make([]byte, 0, len(e.Msg)+24), 0x82), "msg")
	body = appendString(body, strings.ToValidUTF8(e.Msg, "\uFFFD"))
	body = appendString(appendString(body, "class"), string(class))
	n := len(body)
	switch {
	case n == 16: // the only body of a length with a head of its own
		dst = append(dst, 0xd8, 1)
	case n <= math.MaxUint8:
		dst = append(dst, 0xc7, byte(n), 1)
	case n <= math.MaxUint16:
		dst = append(binary.BigEndian.AppendUint16(append(dst, 0xc8), uint16(n)), 1)
	default:
		dst = append(binary.BigEndian.AppendUint32(append(dst, 0xc9), uint32(n)), 1)
	}
	return append(dst, body...)
}
