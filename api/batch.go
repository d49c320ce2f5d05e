package api

import (
	"bytes"
	"encoding/json"
	"mime"

	"github.com/valyala/fasthttp"
)

// batch calls a function once for each row. The rows are a JSON array of
// argument lists, or one list a line; the answers come in their order, one a
// line, or as a JSON array for a client that accepts application/json. A row
// that fails is answered with its error and stops nothing.
//
// The rows are read whole before the first call, so that a client may send
// everything before it reads anything; the answers are not held: they leave
// while later rows run.
func batch(s *Server, r *request) error {
	f, err := s.function(r.name)
	if err != nil {
		return err
	}
	if err := r.readBody(s.opts.MaxBody); err != nil {
		return err
	}
	kind, _, _ := mime.ParseMediaType(string(r.ctx.Request.Header.ContentType()))
	lines, err := framing(kind, r.in)
	if err != nil {
		return err
	}
	b := &rows{server: s, f: f, r: r, conn: r.ctx.Conn(), rest: r.in, lines: lines}
	b.array = bytes.Contains(r.ctx.Request.Header.Peek(fasthttp.HeaderAccept), []byte(contentJSON))
	if !lines {
		b.rest = bytes.TrimLeft(b.rest, jsonSpace)[1:] // the array's bracket
	}
	r.ctx.Response.SetStatusCode(fasthttp.StatusOK)
	r.ctx.Response.Header.SetContentType(contentLines)
	if b.array {
		r.ctx.Response.Header.SetContentType(contentJSON)
	}
	r.kept = true
	// A stream that fasthttp reads on the connection's own goroutine.
	r.ctx.Response.SetBodyStream(b, -1)
	return nil
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
	array := len(second) > 0 && (second[0] == '[' || second[0] == ']') && json.Valid(body)
	return !array, nil
}
