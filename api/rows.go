package api

import (
	"bytes"
	"io"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// The answer of a batch is written in parts: each goes out when it is this
// long or this old.
const (
	partBytes = 32 << 10
	partTime  = 100 * time.Millisecond
)

// longBatch is how long rows are together that make a pin and a timer worth their
// while, in bytes.
const longBatch = 256

// rows is a batch, and the body of its answer: filling it, and so reading it, runs
// the calls. As a body it owns its request until Close.
type rows struct {
	job
	conn    net.Conn
	rest    []byte // rows not yet called
	left    int    // how many they are; -1 where that is not known
	lines   bool   // rows are lines, else elements of a valid array
	array   bool   // the answer is an array
	streams bool   // the answer's header is written, or will be

	pin    *host.Pin   // nil for none
	timer  *time.Timer // says when the part is old; nil where each row looks at the clock
	old    atomic.Bool // the timer said so
	start  time.Time   // of the part
	before string      // what stands before each row of the answer but the first
	open   string      // and around a result
	close  string
	after  string // and after each row

	part  []byte // of the answer, not yet read
	whole []byte // the part up to the row that is being called
	begun bool   // a row was answered
	ended bool

	stride int // how many rows go together next
	flying int // that do so now
}

// Read runs on the connection's goroutine, after the handler returned.
func (b *rows) Read(p []byte) (int, error) {
	for len(b.part) == 0 {
		if b.ended {
			return 0, io.EOF
		}
		// Close gave up waiting: an answer cut short is not to look complete.
		if err := b.s.calls.Err(); err != nil {
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
		b.r, b.part, b.ended = nil, nil, true
		b.s.free(r)
	}
	return nil
}

// unpin ends the pin.
func (b *rows) unpin() {
	if b.pin != nil {
		b.pin.Close()
		b.pin = nil
	}
}

// fill makes the next part, and reports whether it is the last.
func (b *rows) fill() (last bool) {
	out := b.r.out[:0]
	if !b.begun {
		out = b.head(out)
	}
	b.start = time.Now()
	if b.timer != nil {
		b.old.Store(false)
		b.timer.Reset(partTime)
	}
	for !b.ended && len(out) < partBytes && !b.late() {
		out = b.some(out)
	}
	if b.timer != nil {
		b.timer.Stop()
	}
	if b.ended && b.out == wireJSON && b.array {
		out = append(out, ']')
	}
	b.r.out, b.part = out, out
	if !b.ended {
		// The next part has the time to itself.
		_ = b.conn.SetWriteDeadline(time.Now().Add(b.s.opts.WriteTimeout))
	}
	return b.ended
}

// late reports whether the part is to go out as it is.
func (b *rows) late() bool {
	if b.timer != nil {
		return b.old.Load()
	}
	return b.begun && time.Since(b.start) > partTime
}

// head appends what comes before the first row, and makes ready for many.
func (b *rows) head(dst []byte) []byte {
	if len(b.rest) > longBatch {
		if p := b.f.plan(b.s); p.scalar.Load() || p.framed.Load() && !b.together() {
			if pin, err := b.f.Pin(); err == nil { // else each row says why
				b.pin, b.on = pin, pin
			}
		}
		b.timer = time.AfterFunc(partTime, func() { b.old.Store(true) })
	}
	if b.out == wireFrame {
		return frame.AppendArrayHeader(dst, b.left)
	}
	b.open, b.close = `{"result":`, "}"
	if b.array {
		b.before = ","
		return append(dst, '[')
	}
	b.after = "\n"
	return dst
}

// some appends the results of rows, or their errors, until the part is long or old
// or a call panics.
func (b *rows) some(out []byte) (more []byte) {
	returned := false
	defer func() {
		if p := recover(); p != nil || !returned {
			b.begun = true
			more = append(b.fell(b.whole, p), b.after...)
		}
	}()
	p := b.f.plan(b.s)
	for many := b.together(); len(out) < partBytes && !b.late(); {
		if many {
			if out = b.chunk(out); b.ended {
				break
			}
			continue
		}
		at := len(out)
		if b.begun {
			out = append(out, b.before...)
		}
		b.whole = out
		var done bool
		var err error
		if out, done, err = b.short(append(out, b.open...), p); !done {
			row, ok := b.next()
			if !ok {
				b.ended = true
				out = out[:at]
				break
			}
			out, err = b.run(out, row)
			p, many = b.f.plan(b.s), b.together() // there may be no such lane, or another version
		}
		b.begun = true
		if err != nil {
			p := judge(err)
			out = b.out.appendFault(b.whole, p, explain(p, err), err)
		} else {
			out = append(out, b.close...)
		}
		out = append(out, b.after...)
	}
	returned = true
	return out
}

// short runs the next row if it can be taken off the rest as words. Unless it is
// done, it took nothing.
func (b *rows) short(dst []byte, p *plan) (out []byte, done bool, err error) {
	if !p.scalar.Load() {
		return dst, false, nil
	}
	row, rest := b.rest, []byte(nil)
	switch {
	case b.in == wireFrame:
	case b.lines:
		if i := bytes.IndexByte(row, '\n'); i >= 0 {
			row, rest = row[:i], row[i+1:]
		}
	default:
		for len(row) > 0 && (row[0] == ',' || row[0] <= ' ') {
			row = row[1:]
		}
	}
	tail, ok := b.in.words(&b.r.words, p.sig.Args, row)
	switch {
	case !ok:
		return dst, false, nil
	case !b.lines || b.in == wireFrame:
		rest = tail
	case len(tail) > 0 && !b.in.ends(tail, ""):
		return dst, false, nil
	}
	before := b.rest
	b.rest = rest
	if out, done, err = b.scalar(dst, p); !done {
		b.rest = before
	}
	return out, done, err
}

// run appends the result of one row, bare.
func (b *rows) run(dst, row []byte) ([]byte, error) {
	out, done, err := b.try(dst, row, "")
	if done {
		return out, err
	}
	if b.r.args, err = b.in.args(b.r.args[:0], row, b.f.Signature()); err != nil {
		return dst, err
	}
	out, _, err = b.values(dst)
	return out, err
}

// fell answers a row whose call panicked, with p, or ended its goroutine.
func (b *rows) fell(dst []byte, p any) []byte {
	if p == nil {
		if b.streams {
			// The answer has begun: an end that is too early is all that can be said.
			b.s.opts.Log.Error("call ended its goroutine", "function", b.f.Name())
			b.s.load.leave(b.r)
			_ = b.conn.Close()
		}
		return dst
	}
	b.s.opts.Log.Error("call panicked", "function", b.f.Name(), "panic", p, "stack", string(debug.Stack()))
	for range max(1, b.flying) {
		dst = b.out.appendFault(dst, problemInternal, "internal error: it was logged", nil)
	}
	b.flying = 0
	return dst
}
