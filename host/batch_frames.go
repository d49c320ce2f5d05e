package host

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/vanth-io/vanth/host/frame"
)

// The bounds of what goes to a lane at once. A row that is larger goes alone.
const (
	batchRows  = 1024
	batchBytes = 64 << 10
)

// stepBatch runs rows through the [Batch] lane, in one crossing. A row that is odd is
// left to Exec.
func (u *use) stepBatch(ctx context.Context, c *Call, r *run) error {
	b := u.binding
	calls, end, rows := r.collect(b.signature)
	if len(r.marks) == 0 {
		return u.stepExec(ctx, c, r)
	}
	t := u.beginRows(len(r.marks))
	before, failed := r.out, 0
	var err error
	if calls > 0 {
		r.answer, err = b.batch.ExecBatch(ctx, c, r.answer[:0], rows)
	}
	if err == nil {
		failed, err = b.join(r, calls)
	}
	if err != nil {
		r.out = before
		if !b.missed(err) && !b.ends(ctx, err) {
			err = &RowsError{Count: calls, Err: err}
		}
		return u.settle(ctx, r, t, err, func(marks int) { r.nulls(marks) })
	}
	u.endRows(t, len(r.marks), failed)
	r.done(len(r.marks), end)
	return nil
}

// collect makes a frame of rows until one is odd, with arguments as Exec encodes them,
// and marks them. It returns how many of them are in the frame and how much of rest
// they all take.
func (r *run) collect(s *Signature) (calls, end int, rows []byte) {
	const head = 5 // the longest of a list
	r.marks = r.marks[:0]
	r.chunk = append(r.chunk[:0], 0xdd, 0, 0, 0, 0)
	for range min(r.left, batchRows) {
		chunk, n, fit := s.encode(r.chunk, r.rest[end:])
		if fit == fitsNot || len(chunk) > head+batchBytes && len(r.marks) > 0 {
			break
		}
		if fit == fitsCall {
			r.chunk = chunk
			calls++
		}
		end += n
		r.marks = append(r.marks, mark{end, fit == fitsCall})
	}
	binary.BigEndian.PutUint32(r.chunk[1:], uint32(calls))
	if calls <= 15 { // in its one form
		r.chunk[4] |= 0x90
		return calls, end, r.chunk[4:]
	}
	r.chunk[2] = 0xdc // batchRows is less than 1<<16
	return calls, end, r.chunk[2:]
}

// join appends the results of the rows that are marked. It returns how many of them
// are errors. Its own error says that the answer is not what it should be.
func (b *binding) join(r *run, calls int) (failed int, err error) {
	var read frame.Reader
	if calls > 0 {
		read = frame.Read(r.answer)
		n, err := read.Array()
		if err != nil {
			return 0, b.badResult(fmt.Errorf("%w (of %d results)", err, calls))
		}
		if n != calls {
			return 0, b.badResult(fmt.Errorf("found %d results, expected %d, one a row", n, calls))
		}
	}
	for _, m := range r.marks {
		if !m.called {
			r.out = append(r.out, 0xc0)
			continue
		}
		raw, err := read.Raw()
		if err != nil {
			return 0, b.badResult(err)
		}
		if out, err := b.appendResult(r.out, raw); err != nil {
			r.out = appendRowError(r.out, err)
			failed++
		} else {
			r.out = out
		}
	}
	if calls > 0 {
		if err := read.End(); err != nil {
			return 0, b.badResult(err)
		}
	}
	return failed, nil
}

// nulls appends the results of the first n rows that are marked, none of which is a
// call.
func (r *run) nulls(n int) {
	for range n {
		r.out = append(r.out, 0xc0)
	}
}

// appendWord appends the value of a word, in the form of [Type.Value].
func appendWord(dst []byte, t Type, w uint64) []byte {
	switch t {
	case TypeF64:
		return frame.AppendFloat(dst, math.Float64frombits(w))
	case TypeF32:
		return frame.AppendFloat(dst, float64(math.Float32frombits(uint32(w))))
	case TypeI32:
		return frame.AppendInt(dst, int64(int32(uint32(w))))
	case TypeU32:
		return frame.AppendInt(dst, int64(uint32(w)))
	case TypeBool:
		return frame.AppendBool(dst, uint32(w) != 0)
	}
	return frame.AppendInt(dst, int64(w))
}

// maxMessage bounds what is kept of an error that a guest answers, in bytes.
const maxMessage = 4 << 10

// appendResult appends the result of a row, a sound frame that may stand right behind
// dst, as Exec and [frame.Append] would. The error is what Exec would return.
func (b *binding) appendResult(dst, raw []byte) ([]byte, error) {
	t := b.signature.Returns
	switch c := raw[0]; {
	case c >= 0xc7 && c <= 0xc9, c >= 0xd4 && c <= 0xd8:
		read := frame.Read(raw)
		if msg, class, err := read.Fault(); err == nil {
			if len(msg) > maxMessage {
				msg = append(msg[:maxMessage:maxMessage], "..."...)
			}
			err = &frame.Error{Msg: strings.ToValidUTF8(string(msg), ""), Class: string(class)}
			p := &b.owner.plugin
			return dst, &GuestError{Plugin: p.ID, Version: p.Manifest.Version, Symbol: b.name, Fault: FaultReturned, Class: string(class), Err: err}
		}
	case t == TypeAny, c == 0xc0, c == 0xcb && t == TypeF64:
		return append(dst, raw...), nil
	}
	if t == TypeAny {
		return append(dst, raw...), nil
	}
	if w, wide := scanWord(raw, t); wide > 0 {
		return appendWord(dst, t, w), nil
	}
	v, err := frame.Decode(raw)
	if err == nil {
		v, err = t.Conform(v)
	}
	if err != nil {
		return dst, b.badResult(err)
	}
	return frame.Append(dst, v)
}
