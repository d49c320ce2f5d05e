package host

import (
	"context"
	"fmt"
	"slices"

	"github.com/vanth-io/vanth/host/frame"
)

// This file is about rows that travel as columns: numbers and bools side by side,
// little endian, as the machine that runs the function has them.
//
// A column holds one value a row in the width of its type, and is padded with bytes
// that mean nothing to a multiple of 8. The arguments of so many rows are their
// columns one after another. The results are their column, then one byte a row:
// 1 where there is a result, 0 where it is null.

// Width is how many bytes a value of t takes in a column: 8 for i64 and f64, 4 for
// i32, u32 and f32, 1 for bool, which is 0 or 1; 0 for a type that has no columns.
func (t Type) Width() int {
	switch t {
	case TypeI64, TypeF64:
		return 8
	case TypeI32, TypeU32, TypeF32:
		return 4
	case TypeBool:
		return 1
	}
	return 0
}

// Scalar reports whether calls can be made in words: every argument and the result is declared as a number or a bool.
func (s *Signature) Scalar() bool {
	return !s.Variadic && !s.Aggregate && s.Returns.Numeric() &&
		!slices.ContainsFunc(s.Args, func(t Type) bool { return !t.Numeric() })
}

// Columnar returns nil if rows can travel as columns: every argument and the result
// is declared as a number or a bool, and a null argument makes the result null, since
// columns have no nulls. Else it says what stands against it (ErrUnsupported).
func (s *Signature) Columnar() error {
	switch {
	case s.Variadic:
		return Errorf(ErrUnsupported, "%s: the arguments are not declared, and columns have types", s)
	case s.Aggregate:
		return Errorf(ErrUnsupported, "%s: the arguments are lists, and columns are of numbers and bools", s)
	case s.NullCall:
		return Errorf(ErrUnsupported, `%s: "null": "call" has it called with nulls, and columns have none`, s)
	case s.Returns.Width() == 0:
		return Errorf(ErrUnsupported, "%s: the result is %s, and columns are of numbers and bools", s, s.Returns)
	}
	for i, t := range s.Args {
		if t.Width() == 0 {
			return Errorf(ErrUnsupported, "%s: argument %d is %s, and columns are of numbers and bools", s, i+1, t)
		}
	}
	return nil
}

// ColumnSizes returns how many bytes the arguments and the results of so many rows
// take, see [Columns]: at most [frame.MaxBytes] each. The error is ErrUnsupported
// for a function that [Signature.Columnar] refuses, else ErrInvalid.
func (s *Signature) ColumnSizes(rows int) (in, out int, err error) {
	if err := s.Columnar(); err != nil {
		return 0, 0, err
	}
	if rows < 0 || rows > frame.MaxBytes {
		return 0, 0, invalid("found %d rows, expected 0 to %d", rows, frame.MaxBytes)
	}
	wide := int64(0)
	for _, t := range s.Args {
		wide += int64(columnSize(t, rows))
	}
	if out = columnSize(s.Returns, rows) + rows; wide > frame.MaxBytes || out > frame.MaxBytes {
		return 0, 0, invalid("%d rows of %s take %d bytes and their results %d, at most %d are allowed: use several calls",
			rows, s, wide, out, frame.MaxBytes)
	}
	return int(wide), out, nil
}

// Column returns where the column of argument i begins among those of so many rows.
// That of argument number len(Args) would begin where they end.
func (s *Signature) Column(i, rows int) int {
	at := 0
	for _, t := range s.Args[:i] {
		at += columnSize(t, rows)
	}
	return at
}

// columnSize is what so many values of t take with their padding, in bytes.
func columnSize(t Type, rows int) int { return (rows*t.Width() + 7) &^ 7 }

// CheckColumns holds the buffers of a call of the [Columns] lane against what
// ColumnSizes says; its errors are those.
func (s *Signature) CheckColumns(rows int, in, out []byte) error {
	args, results, err := s.ColumnSizes(rows)
	if err == nil && (len(in) != args || len(out) != results) {
		err = invalid("%d rows of %s: found %d bytes of arguments and %d for results, expected %d and %d",
			rows, s, len(in), len(out), args, results)
	}
	return err
}

// RowsError is the error of a lane that takes many rows at once. The rows before
// First are done, and their results are there. The error is that of the next Count:
// of one, or of all that went together. What stands behind them was not begun.
type RowsError struct {
	First, Count int
	Err          error
}

// Error names the rows, counted from 1.
func (e *RowsError) Error() string {
	if e.Count == 1 {
		return fmt.Sprintf("row %d: %v", e.First+1, e.Err)
	}
	return fmt.Sprintf("rows %d to %d: %v", e.First+1, e.First+e.Count, e.Err)
}

// Unwrap returns Err.
func (e *RowsError) Unwrap() error { return e.Err }

// ExecColumns is the [Columns] lane; ErrUnsupported where the function has none.
// Each row counts as a call; rows that were not begun do not, but for one.
func (f *Handle) ExecColumns(ctx context.Context, c *Call, rows int, in, out []byte) error {
	b, err := f.bind()
	if err != nil {
		return err
	}
	if b.columns == nil {
		return b.noLane("columns")
	}
	k, at := b.owner.take()
	u := k.of(b)
	t := u.beginRows(rows)
	err = u.execColumns(ctx, c, rows, in, out)
	missed := !isRows(err) && b.missed(err)
	if !missed {
		calls, failed := rows, 0
		if err != nil {
			calls, failed = begun(err)
		}
		u.endRows(t, calls, failed)
	}
	b.owner.keeps.Put(at)
	if missed {
		return f.ExecColumns(ctx, c, rows, in, out)
	}
	return err
}

// execColumns runs rows in what is kept between calls, if that has the lane too.
func (u *use) execColumns(ctx context.Context, c *Call, rows int, in, out []byte) error {
	lane, ok := u.fn.(Columns)
	if !ok {
		lane = u.binding.columns
	}
	return lane.ExecColumns(ctx, c, rows, in, out)
}
