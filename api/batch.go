package api

import (
	"bytes"
	"encoding/json"
	"mime"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host/frame"
)

// batch calls a function once for each row. The rows are a JSON array of
// argument lists, one list a line, or a MessagePack array of them; the answers come
// in their order, one a line, as a JSON array for a client that accepts
// application/json, or as a MessagePack array. A row that fails is answered with its
// error and stops nothing.
//
// The rows are read whole before the first call, so that a client may send
// everything before it reads anything; the answers are not held: they leave
// while later rows run, unless all of them are ready soon and short.
func batch(s *Server, r *request) error {
	f, err := s.function(r.name)
	if err != nil {
		return err
	}
	in, out := wires(r)
	r.binary = out == wireFrame
	if err := s.readBody(r); err != nil {
		return err
	}
	if err := s.load.enter(r); err != nil {
		return err
	}
	b := &rows{job: job{s: s, f: f, r: r, on: f, in: in, out: out}, conn: r.ctx.Conn(), rest: r.in, left: -1, stride: firstStride}
	if err := b.find(); err != nil {
		return err
	}
	r.rows = b
	if !b.fill() {
		// A stream that fasthttp reads on the connection's own goroutine.
		r.kept, b.streams = true, true
		r.ctx.Response.SetStatusCode(fasthttp.StatusOK)
		r.ctx.Response.Header.SetContentType(b.kind())
		r.ctx.Response.SetBodyStream(b, -1)
		return nil
	}
	r.write(fasthttp.StatusOK, b.kind(), b.part)
	return nil
}

// find finds the rows in the body, and the form of the answer.
func (b *rows) find() error {
	h := &b.r.ctx.Request.Header
	b.array = bytes.Contains(h.Peek(fasthttp.HeaderAccept), []byte(contentJSON))
	if b.in == wireFrame {
		r := frame.Read(b.rest)
		n, err := r.Array()
		if err == nil && !scalarRows(r.Rest(), n) {
			err = frame.Valid(b.rest)
		}
		if err != nil {
			return failf(problemJSON, "body: %v; expected one MessagePack array of lists of arguments", err)
		}
		b.rest, b.left = r.Rest(), n
		return nil
	}
	kind := h.ContentType()
	if len(kind) == 0 || string(kind) != contentLines && string(kind) != contentJSON {
		word, _, _ := mime.ParseMediaType(string(kind))
		kind = []byte(word)
	}
	var err error
	if b.lines, err = framing(string(kind), b.r.in); err != nil {
		return err
	}
	if !b.lines {
		b.rest = bytes.TrimLeft(b.rest, jsonSpace)[1:] // the array's bracket
	}
	if b.out == wireFrame {
		ahead := rows{rest: b.rest, lines: b.lines, left: -1}
		for b.left = 0; ; b.left++ {
			if _, ok := ahead.next(); !ok {
				break
			}
		}
	}
	return nil
}

// kind is the content type of the answer.
func (b *rows) kind() string {
	switch {
	case b.out == wireFrame:
		return contentFrame
	case b.array:
		return contentJSON
	}
	return contentLines
}

const jsonSpace = " \t\r\n"

// framing tells one list a line from a JSON array of lists: by content type,
// else by the look of it. A first row whose first argument is a list looks like
// an array of lists; then the whole decides: one JSON value or several.
func framing(kind string, body []byte) (lines bool, err error) {
	switch kind {
	case contentLines, "application/ndjson", "application/jsonl", "application/jsonlines":
		return true, nil
	case contentJSON:
		if validArray(body) {
			return false, nil
		}
		var whole json.RawMessage
		if err := json.Unmarshal(body, &whole); err != nil {
			return false, failf(problemJSON, "body: %v, expected a JSON array of argument lists; one list a line needs Content-Type: %s", err, contentLines)
		}
		if trimmed := bytes.TrimLeft(body, jsonSpace); trimmed[0] != '[' {
			return false, failf(problemJSON, "body: found %.16q, expected a JSON array of argument lists", trimmed)
		}
		return false, nil
	}
	trimmed := bytes.TrimLeft(body, jsonSpace)
	if len(trimmed) == 0 || trimmed[0] != '[' {
		return true, nil
	}
	second := bytes.TrimLeft(trimmed[1:], jsonSpace)
	array := len(second) > 0 && (second[0] == '[' || second[0] == ']') && (validArray(body) || json.Valid(body))
	return !array, nil
}
