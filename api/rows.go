package api

import (
	"bytes"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/vanth-io/vanth/host"
)

// The answer of a batch is written in parts: each goes out when it is this
// long or this old.
const (
	partBytes = 4 << 10
	partTime  = 100 * time.Millisecond
)

// rows is the body of a batch's answer: reading it runs the calls. It owns its
// request until Close.
type rows struct {
	server *Server
	f      *host.Handle
	r      *request
	conn   net.Conn
	rest   []byte // rows not yet called
	lines  bool   // rows are lines, else elements of a valid array
	array  bool   // the answer is an array

	part  []byte // of the answer, not yet read
	begun bool   // a row was answered
	ended bool
}

// Read runs on the connection's goroutine, after the handler returned.
func (b *rows) Read(p []byte) (int, error) {
	for len(b.part) == 0 {
		if b.ended {
			return 0, io.EOF
		}
		// Close gave up waiting: an answer cut short is not to look complete.
		if err := b.server.calls.Err(); err != nil {
			return 0, err
		}
		b.fill()
	}
	n := copy(p, b.part)
	b.part = b.part[n:]
	return n, nil
}

// Close gives the request back.
func (b *rows) Close() error {
	if r := b.r; r != nil {
		b.r, b.rest, b.part, b.ended = nil, nil, nil, true
		r.reset()
		b.server.requests.Put(r)
	}
	return nil
}

// fill makes the next part.
func (b *rows) fill() {
	out := b.r.out[:0]
	if !b.begun && b.array {
		out = append(out, '[')
	}
	for start := time.Now(); len(out) < partBytes; {
		row, ok := b.next()
		if !ok {
			b.ended = true
			if b.array {
				out = append(out, ']')
			}
			break
		}
		if b.begun && b.array {
			out = append(out, ',')
		}
		b.begun = true
		out = b.answer(out, row)
		if !b.array {
			out = append(out, '\n')
		}
		if time.Since(start) > partTime {
			break
		}
	}
	b.r.out, b.part = out, out
	if !b.ended {
		// The next part has the time to itself.
		_ = b.conn.SetWriteDeadline(time.Now().Add(b.server.opts.WriteTimeout))
	}
}

// answer appends the result of one row, or its error.
func (b *rows) answer(dst, row []byte) (out []byte) {
	mark, returned := len(dst), false
	defer func() {
		p := recover()
		if p == nil && !returned {
			// The answer has begun: an end that is too early is all that can be said.
			b.server.opts.Log.Error("call ended its goroutine", "function", b.f.Name())
			_ = b.conn.Close()
			return
		}
		if p != nil {
			b.server.opts.Log.Error("call panicked", "function", b.f.Name(), "panic", p, "stack", string(debug.Stack()))
			out = appendError(dst[:mark], answers[problemInternal].code, "internal error: it was logged")
		}
	}()
	var err error
	b.r.args, err = decodeRow(b.r.args[:0], row, b.f.Signature())
	if err == nil {
		out, _, err = b.server.appendCall(dst, b.f, b.r.args)
	}
	returned = true
	if err == nil {
		return out
	}
	p := judge(err)
	return appendError(dst, answers[p].code, explain(p, err))
}

// next cuts off the next row.
func (b *rows) next() (row []byte, ok bool) {
	if !b.lines {
		return b.element()
	}
	for len(b.rest) > 0 {
		row, b.rest, _ = bytes.Cut(b.rest, []byte("\n"))
		if row = bytes.Trim(row, jsonSpace); len(row) > 0 {
			return row, true
		}
	}
	return nil, false
}

// element cuts the next element off the rest of an array that is valid JSON.
func (b *rows) element() (row []byte, ok bool) {
	rest := bytes.TrimLeft(b.rest, jsonSpace+",")
	depth, quoted := 0, false
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted:
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
		case c == '"':
			quoted = true
		case c == '[' || c == '{':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			b.rest = rest[i:]
			return rest[:i], i > 0
		case c == ']' || c == '}':
			depth--
		}
	}
	b.rest = nil
	return nil, false
}
