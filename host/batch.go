package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host/frame"
)

// ExecBatch runs the function once for each row of a batch, an encoded list of
// argument lists, and appends the encoded list of results to dst: one item a row, an
// error value where the row failed. It works for every function, and takes the
// cheapest lane that the function has: columns, batch, bytes, or none.
//
// A row fares as it would alone by [Handle.Exec], and counts as a call of its own. A
// lane that takes many rows in one crossing can fail as a whole; then so does the
// batch, by a *[RowsError], unless the function is pure: its rows are then run one by
// one. A batch also fails when ctx ends, when the function cannot be called at all
// (ErrBusy, ErrUnavailable, ErrNotFound, ErrClosed), and when rows is no list, is
// malformed, or has results of more than [frame.MaxBytes] (ErrInvalid); rows before
// that may have run. dst is then returned as it was.
//
// Lists and maps nest one deeper in a batch than alone. An update between two rows, or
// two crossings, has the rest run on the new module.
func (f *Handle) ExecBatch(ctx context.Context, c *Call, dst, rows []byte) ([]byte, error) {
	r, ok := f.runs.Get().(*run)
	if !ok {
		r = &run{}
	}
	defer f.runs.Put(r)
	out, err := f.batch(ctx, c, r, dst, rows)
	r.rows, r.rest, r.out = nil, nil, nil
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (f *Handle) batch(ctx context.Context, c *Call, r *run, dst, rows []byte) ([]byte, error) {
	if err := r.begin(dst, rows); err != nil {
		return dst, fmt.Errorf("%s: %w", f.name, err)
	}
	for r.left > 0 {
		if err := ctx.Err(); err != nil {
			return dst, fmt.Errorf("%s: given up after %d rows of %d: %w", f.name, r.all-r.left, r.all, err)
		}
		b, err := f.bind()
		if err != nil {
			return dst, err
		}
		if err := b.step(ctx, c, r); err != nil && (isRows(err) || !b.missed(err)) {
			return dst, err
		}
		if n := len(r.out) - r.base; n > frame.MaxBytes {
			return dst, invalid("%s: the results of %d rows of %d have %d bytes, at most %d are allowed: send fewer rows at once",
				f.name, r.all-r.left, r.all, n, frame.MaxBytes)
		}
	}
	if len(r.rest) > 0 {
		return dst, fmt.Errorf("%s: %w", f.name, r.malformed())
	}
	return r.out, nil
}

// run is a batch under way, with the buffers that the next one uses again.
type run struct {
	rows  []byte // as they came
	rest  []byte // rows that are not done, and what follows them
	all   int    // how many rows there are
	left  int    // how many are not done
	alone int    // how many of those are to be run one by one
	sound bool   // rows is known to be a frame
	out   []byte // the results so far, behind what stood before them
	base  int    // how long that is

	marks   []mark // of the rows of a step
	at      []int  // where the columns begin
	in, res []byte // columns
	chunk   []byte // rows for a lane
	answer  []byte // of a lane
	decoder frame.Decoder
}

// mark is a row of a step.
type mark struct {
	end    int  // how many bytes of rest the rows take up to here
	called bool // else its result is null
}

// begin makes ready for rows.
func (r *run) begin(dst, rows []byte) error {
	read := frame.Read(rows)
	n, err := read.Array()
	if err != nil {
		return invalid("the rows: %v, expected a list of argument lists", err)
	}
	r.rows, r.rest, r.all, r.left, r.alone, r.sound = rows, read.Rest(), n, n, 0, false
	r.out, r.base = frame.AppendArrayHeader(dst, n), len(dst)
	return nil
}

// malformed is what is wrong with the rows as a whole.
func (r *run) malformed() error {
	if err := frame.Valid(r.rows); err != nil {
		return invalid("the rows: %v", err)
	}
	return invalid("the rows: one of them is malformed")
}

// done takes n rows off, up to a place in rest.
func (r *run) done(n, end int) {
	r.left -= n
	r.rest = r.rest[end:]
}

// step runs some rows. Rows that it did not run, for whatever error, are left.
func (b *binding) step(ctx context.Context, c *Call, r *run) error {
	k, at := b.owner.take()
	err := k.of(b).step(ctx, c, r)
	b.owner.keeps.Put(at)
	return err
}

func (u *use) step(ctx context.Context, c *Call, r *run) error {
	b := u.binding
	switch {
	case r.alone > 0:
		r.alone--
		return u.stepExec(ctx, c, r)
	case b.columns != nil:
		return u.stepColumns(ctx, c, r)
	}
	if !r.sound {
		// Those who get the rows as they are get no others.
		if err := frame.Valid(r.rows); err != nil {
			return fmt.Errorf("%s: %w", b.name, r.malformed())
		}
		r.sound = true
	}
	switch {
	case b.batch != nil:
		return u.stepBatch(ctx, c, r)
	case u.bytes != nil:
		return u.stepBytes(ctx, c, r)
	}
	return u.stepExec(ctx, c, r)
}

// stepExec runs the next row alone, through Exec: what it says of a row that is odd
// is what it says of such a call.
func (u *use) stepExec(ctx context.Context, c *Call, r *run) error {
	b := u.binding
	next, err := frame.Skip(r.rest)
	if err != nil {
		return fmt.Errorf("%s: %w", b.name, r.malformed())
	}
	end := len(r.rest) - len(next)
	t := u.begin()
	var v any
	args, err := r.decoder.DecodeArgs(r.rest[:end])
	if err != nil {
		err = invalid("%s: a row: %v", b.name, err)
	} else {
		v, err = u.fn.Exec(ctx, c, args)
		if b.missed(err) {
			return err
		}
	}
	if err == nil {
		before := len(r.out)
		if r.out, err = frame.Append(r.out, v); err == nil {
			err = r.fitting(r.out[before:])
		}
		if err != nil {
			r.out, err = r.out[:before], b.badResult(err)
		}
	}
	u.end(t, err)
	if err != nil {
		if b.ends(ctx, err) {
			return err
		}
		r.out = appendRowError(r.out, err)
	}
	r.done(1, end)
	return nil
}

// ends reports whether an error is not of its row but of the batch.
func (b *binding) ends(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, ErrBusy) || errors.Is(err, ErrUnavailable) ||
		errors.Is(err, ErrNotFound) || errors.Is(err, ErrClosed)
}

// badResult is the fault of a function whose result is not what it should be.
func (b *binding) badResult(err error) error {
	p := &b.owner.plugin
	return &GuestError{Plugin: p.ID, Version: p.Manifest.Version, Symbol: b.name, Fault: FaultResult, Err: err}
}

// settle ends a step of many rows after an error of its lane. results appends those of
// the first so many marks. An error of one row becomes its result; one of several that
// went together has them run one by one if the function is pure, else it is that of
// the batch.
func (u *use) settle(ctx context.Context, r *run, t time.Time, err error, results func(marks int)) error {
	b := u.binding
	e, many := errors.AsType[*RowsError](err)
	if !many { // it did not get as far as its rows
		if b.missed(err) {
			return err
		}
		e = &RowsError{Count: 1, Err: err}
	}
	first, last := r.place(e.First), r.place(e.First+e.Count-1)
	rows := last - first + 1
	if e.Count == 1 && b.ends(ctx, e.Err) {
		u.endRows(t, first+1, 1)
		return e.Err
	}
	if e.Count > 1 && !b.repeats(ctx, e.Err) {
		u.endRows(t, first+rows, rows)
		return &RowsError{First: r.all - r.left + first, Count: rows, Err: e.Err}
	}
	results(first)
	if e.Count > 1 {
		u.endRows(t, first, 0)
		r.alone, rows = rows, 0
	} else {
		r.out = appendRowError(r.out, e.Err)
		u.endRows(t, first+1, 1)
	}
	if first+rows > 0 {
		r.done(first+rows, r.marks[first+rows-1].end)
	}
	return nil
}

// place is the place among the marks of called row number k.
func (r *run) place(k int) int {
	for i, m := range r.marks {
		if m.called {
			if k == 0 {
				return i
			}
			k--
		}
	}
	return len(r.marks) - 1
}

// repeats reports whether rows that failed together with err may be run again.
func (b *binding) repeats(ctx context.Context, err error) bool {
	g, ok := errors.AsType[*GuestError](err)
	return ok && b.signature.Pure && g.Fault != FaultDeadline && ctx.Err() == nil
}

func isRows(err error) bool {
	_, ok := errors.AsType[*RowsError](err)
	return ok
}

// appendRowError appends err as the result of a row.
func appendRowError(dst []byte, err error) []byte {
	e := &frame.Error{Msg: strings.ToValidUTF8(err.Error(), "\uFFFD"), Class: classOf(err)}
	out, _ := frame.Append(dst, e) // text has a form
	return out
}

// classOf is the class of an error in a guest's words: what the guest said, usage for
// wrong arguments, io for what may pass.
func classOf(err error) string {
	if g, ok := errors.AsType[*GuestError](err); ok && g.Class != "" {
		return g.Class
	}
	switch {
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrUnsupported):
		return frame.ClassUsage
	case errors.Is(err, ErrInterrupted), errors.Is(err, context.DeadlineExceeded):
		return frame.ClassIO
	}
	return frame.ClassFatal
}
