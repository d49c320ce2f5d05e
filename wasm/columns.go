package wasm

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// lookEvery is after how many short calls in a row somebody looks whether they are
// still wanted.
const lookEvery = 256

var _ host.Columns = (*direct)(nil)

// ExecColumns implements host.Columns: by the export that takes columns, else by many
// calls of the one that takes numbers.
func (f *direct) ExecColumns(ctx context.Context, c *host.Call, rows int, in, out []byte) error {
	if f.columns != nil {
		return f.cross(ctx, c, rows, in, out)
	}
	if err := f.signature.CheckColumns(rows, in, out); err != nil {
		return f.wrap(err)
	}
	valid := out[len(out)-rows:]
	for i := range valid {
		valid[i] = 1
	}
	lot := rows
	if f.module.resets() {
		lot = 1
	}
	return f.inLots(ctx, c, rows, lot, func(guest *instance, first, n int) error {
		return f.each(guest, span{in, rows, first, n}, out)
	})
}

// inLots has do run all rows, so many at once: in one instance, which is another one
// for each lot where calls are to find nothing that others left.
func (d door) inLots(ctx context.Context, c *host.Call, rows, lot int, do func(in *instance, first, n int) error) error {
	in, err := d.enter(ctx, c)
	if err != nil {
		return d.wrap(err)
	}
	for first := 0; first < rows; first += lot {
		n := min(lot, rows-first)
		switch {
		case first == 0:
		case d.module.resets():
			d.leave(in, nil)
			if in, err = d.enter(ctx, c); err != nil {
				return &host.RowsError{First: first, Count: n, Err: d.wrap(err)}
			}
		default:
			if err = in.nextRow(0); err != nil {
				err = d.module.fault(d.name, in, err)
			}
		}
		if err == nil {
			err = do(in, first, n)
		}
		if err != nil {
			d.leave(in, err)
			if _, ok := err.(*host.RowsError); !ok { //nolint:errorlint // made here, or not at all
				err = &host.RowsError{First: first, Count: n, Err: err}
			}
			return err
		}
	}
	d.leave(in, nil)
	return nil
}

// span is n of the rows of a call, from first on.
type span struct {
	args           []byte
	rows, first, n int
}

// each calls the function for each row.
func (f *direct) each(in *instance, c span, out []byte) error {
	s, fn := &f.signature, in.entry(f.function)
	var from [maxWords]cells
	for i, t := range s.Args {
		from[i] = cells{c.args[s.Column(i, c.rows):], t.Width()}
	}
	columns, to := from[:len(s.Args)], cells{out, s.Returns.Width()}
	stack, ctx := in.stack[:max(1, len(columns))], context.Context(in.ctx)
	for row := c.first; row < c.first+c.n; row++ {
		if row > c.first {
			if err := in.nextRow(row); err != nil {
				return &host.RowsError{First: row, Count: 1, Err: f.module.fault(f.name, in, err)}
			}
		}
		for i := range columns {
			stack[i] = columns[i].load(row)
		}
		if err := fn.CallWithStack(ctx, stack); err != nil || in.seated > 0 {
			if err = in.after(err); err != nil {
				return &host.RowsError{First: row, Count: 1, Err: f.module.fault(f.name, in, err)}
			}
		}
		to.store(row, stack[0])
	}
	return nil
}

// nextRow makes ready for another call on behalf of the same caller, as renew does.
func (in *instance) nextRow(row int) error {
	in.out.n, in.handed, in.began = 0, 0, 0
	if row%lookEvery == 0 || in.most > 0 {
		return in.nextRowLimited(row)
	}
	return nil
}

// nextRowLimited is apart so that nextRow is inlined.
func (in *instance) nextRowLimited(row int) error {
	in.begin(in.module.grant.fuel)
	if row%lookEvery == 0 {
		return in.stillWanted()
	}
	return nil
}

// stillWanted is wanted between two calls of an instance.
func (in *instance) stillWanted() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = p.(*ended).error
		}
	}()
	in.wanted()
	return nil
}

// cells are the values of a column of one width.
type cells struct {
	b     []byte
	width int
}

func (c *cells) load(row int) uint64 {
	switch c.width {
	case 8:
		return binary.LittleEndian.Uint64(c.b[8*row:])
	case 4:
		return uint64(binary.LittleEndian.Uint32(c.b[4*row:]))
	}
	if c.b[row] != 0 {
		return 1
	}
	return 0
}

func (c *cells) store(row int, w uint64) {
	switch c.width {
	case 8:
		binary.LittleEndian.PutUint64(c.b[8*row:], w)
	case 4:
		binary.LittleEndian.PutUint32(c.b[4*row:], uint32(w))
	default:
		c.b[row] = 0
		if uint32(w) != 0 {
			c.b[row] = 1
		}
	}
}

// crossBytes is how many bytes of columns cross at once: so many that a crossing costs
// nothing a row, and so few that its work is small, any guest has room for them, and
// what is written is still near when it is read.
const crossBytes = 16 << 10

// crossRows is how many rows cross at once: a multiple of 8.
func (f *function) crossRows() int {
	s := &f.signature
	each := s.Returns.Width() + 1
	most := f.module.grant.output / each
	for _, t := range s.Args {
		each += t.Width()
	}
	return max(8, min(crossBytes/each, most)&^7)
}

// cross runs the export that takes columns, in crossings of crossRows.
func (d door) cross(ctx context.Context, c *host.Call, rows int, args, out []byte) error {
	s := &d.signature
	if err := s.CheckColumns(rows, args, out); err != nil {
		return d.wrap(err)
	}
	return d.inLots(ctx, c, rows, d.crossRows(), func(in *instance, first, n int) error {
		return d.crossing(ctx, in, span{args, rows, first, n}, out)
	})
}

// crossing runs the export once.
func (d door) crossing(ctx context.Context, in *instance, c span, out []byte) error {
	s := &d.signature
	inBytes, outBytes := s.Column(len(s.Args), c.n), columnSize(s.Returns, c.n)+c.n
	area, err := in.room(ctx, 7+inBytes+outBytes)
	if err != nil {
		return d.module.fault(d.name, in, err)
	}
	skip := int(-in.argPtr & 7) // to where 8 divides the address
	c.copyTo(area[skip:], s)
	valid := area[skip+inBytes+outBytes-c.n:][:c.n]
	for i := range valid {
		valid[i] = 1
	}
	at := in.argPtr + uint32(skip)
	stack := in.stack[:3]
	stack[0], stack[1], stack[2] = uint64(c.n), uint64(at), uint64(at)+uint64(inBytes)
	if err := in.invoke(in.entry(d.columns), stack); err != nil {
		return d.module.fault(d.name, in, err)
	}
	if code := int32(uint32(stack[0])); code != 0 {
		return d.refused(in, code, c.n)
	}
	b, fault, err := in.resultBytes(at+uint32(inBytes), uint32(outBytes))
	if err == nil {
		fault = host.FaultResult
		if err = c.copyFrom(b, out, s.Returns); err == nil {
			return nil
		}
	}
	return d.module.badResult(d.name, in, fault, err)
}

// copyTo writes the arguments to where the guest reads them.
func (c span) copyTo(to []byte, s *host.Signature) {
	from, at := 0, 0
	for _, t := range s.Args {
		w := t.Width()
		copy(to[at:], c.args[from+c.first*w:][:c.n*w])
		at += columnSize(t, c.n)
		from += columnSize(t, c.rows)
	}
}

// copyFrom takes what the guest wrote: bytes that say yes or no must be 1 or 0.
func (c span) copyFrom(b, out []byte, t host.Type) error {
	valid := b[len(b)-c.n:]
	if i := firstOdd(valid); i >= 0 {
		return fmt.Errorf("row %d of %d: found validity %d, expected 0 or 1", i+1, c.n, valid[i])
	}
	values := b[:c.n*t.Width()]
	if t == host.TypeBool {
		if i := firstOdd(values); i >= 0 {
			return fmt.Errorf("row %d of %d: found bool %d, expected 0 or 1", i+1, c.n, values[i])
		}
	}
	copy(out[c.first*t.Width():], values)
	copy(out[len(out)-c.rows+c.first:], valid)
	return nil
}

// firstOdd is the place of the first byte that is neither 0 nor 1; -1 if there is none.
func firstOdd(b []byte) int {
	i := 0
	for len(b)-i >= 8 && binary.LittleEndian.Uint64(b[i:])&^0x0101010101010101 == 0 {
		i += 8
	}
	for ; i < len(b); i++ {
		if b[i] > 1 {
			return i
		}
	}
	return -1
}

// refused is the error of an export that answered a code.
func (d door) refused(in *instance, code int32, rows int) error {
	class := ""
	switch code {
	case -1:
		class = frame.ClassUsage
	case -2:
		class = frame.ClassIO
	case -3:
		class = frame.ClassFatal
	default:
		return d.module.badResult(d.name, in, host.FaultResult,
			fmt.Errorf("found code %d, expected 0, or -1 (usage), -2 (io) or -3 (fatal)", code))
	}
	return d.module.badResult(d.name, in, host.FaultReturned,
		&frame.Error{Msg: fmt.Sprintf("%s refused %d rows by code %d (%s)", d.columns.export, rows, code, class), Class: class})
}

// columnSize is what so many values of t take with their padding, in bytes.
func columnSize(t host.Type, rows int) int { return (rows*t.Width() + 7) &^ 7 }
