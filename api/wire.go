package api

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// wire is how arguments come or results go: as JSON, or in the binary form that
// guests have (package frame).
type wire uint8

const (
	wireJSON wire = iota
	wireFrame
)

// contentFrame is the content type of frames.
const contentFrame = "application/msgpack"

// framed reports whether a media type stands for frames. MessagePack was
// registered late, so there are three.
func framed(kind []byte) bool {
	kind, _, _ = bytes.Cut(kind, []byte(";"))
	kind = bytes.TrimRight(kind, " \t")
	for _, name := range [...]string{contentFrame, "application/vnd.msgpack", "application/x-msgpack"} {
		if len(kind) == len(name) && strings.EqualFold(string(kind), name) {
			return true
		}
	}
	return false
}

// wires tells the form of a request's body from its content type, and the form of
// its answer from what the client accepts: if that names one of the two it is
// that, else the form of the body.
func wires(r *request) (in, out wire) {
	h := &r.ctx.Request.Header
	if framed(h.ContentType()) {
		in = wireFrame
	}
	accept := h.Peek(fasthttp.HeaderAccept)
	if len(accept) == 0 {
		return in, in
	}
	binary := bytes.Contains(accept, []byte("msgpack"))
	text := bytes.Contains(accept, []byte(contentJSON)) || bytes.Contains(accept, []byte(contentLines))
	switch {
	case binary == text:
		return in, in
	case binary:
		return in, wireFrame
	}
	return in, wireJSON
}

// words reads the list of arguments that b begins with into words, and returns
// what follows it; false for anything but arguments that are of the types as they
// stand.
func (w wire) words(words *[maxWords]uint64, types []host.Type, b []byte) (rest []byte, ok bool) {
	if w == wireFrame {
		return frameWords(words, types, b)
	}
	return jsonWords(words, types, b)
}

// frame reads the list of arguments that b begins with as the frame that values
// would be encoded as, which may be part of b or is appended to dst.
func (w wire) frame(dst []byte, p *plan, b []byte) (args, rest []byte, ok bool) {
	if w == wireFrame {
		return frameArgs(p, b)
	}
	return jsonArgs(dst, p, b)
}

// args appends the values of a row.
func (w wire) args(dst []any, row []byte, sig *host.Signature) ([]any, error) {
	if w == wireFrame {
		return decodeFrame(dst, row, "row")
	}
	return decodeRow(dst, row, sig)
}

// appendWord appends the result w of type t.
func (w wire) appendWord(dst []byte, t host.Type, word uint64) ([]byte, error) {
	if w == wireFrame {
		return appendFrameWord(dst, t, word), nil
	}
	return appendJSONWord(dst, t, word)
}

// appendFrame appends the result in r.result, a frame of a guest; false where that
// is left to values.
func (w wire) appendFrame(dst []byte, t host.Type, r *request) ([]byte, bool) {
	if w == wireFrame {
		return passFrame(dst, t, r.result)
	}
	return r.texter.appendFrame(dst, t, r.result)
}

// appendValue appends a result.
func (w wire) appendValue(dst []byte, v any) ([]byte, error) {
	if w == wireJSON {
		return appendResult(dst, v)
	}
	out, err := frame.Append(dst, v)
	if err != nil {
		return dst, failf(problemResult, "result: %v", err)
	}
	return out, nil
}

// appendFault appends a row's error.
func (w wire) appendFault(dst []byte, p problem, text string, err error) []byte {
	if w == wireJSON {
		return appendError(dst, answers[p].code, text)
	}
	// What has no other class is fatal.
	out, bad := frame.Append(dst, &frame.Error{Msg: strings.ToValidUTF8(text, "\ufffd"), Class: classOf(p, err)})
	if bad != nil {
		return frame.AppendNil(dst)
	}
	return out
}

// appendFrameError appends what appendError does as a frame.
func appendFrameError(dst []byte, code int, message string) []byte {
	dst = frame.AppendString(frame.AppendMapHeader(dst, 2), "error")
	dst = frame.AppendString(frame.AppendInt(dst, int64(code)), "message")
	return frame.AppendString(dst, strings.ToValidUTF8(message, "\ufffd"))
}
