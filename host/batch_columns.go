package host

import (
	"context"
	"encoding/binary"
)

// columnRows is how many rows become columns at once: few enough that what is
// written is still near when it is read.
const columnRows = 256

// stepColumns runs rows through the [Columns] lane. It reads numbers straight out of
// the rows; a row that is odd is left to Exec.
func (u *use) stepColumns(ctx context.Context, c *Call, r *run) error {
	s := u.binding.signature
	calls, end := r.gather(s)
	if len(r.marks) == 0 {
		return u.stepExec(ctx, c, r)
	}
	t := u.beginRows(len(r.marks))
	if calls > 0 {
		in, out := r.columns(s, calls)
		if err := u.execColumns(ctx, c, calls, in, out); err != nil {
			return u.settle(ctx, r, t, err, func(marks int) { r.results(s, marks, calls) })
		}
	}
	r.results(s, len(r.marks), calls)
	u.endRows(t, len(r.marks), 0)
	r.done(len(r.marks), end)
	return nil
}

// gather writes rows into columns of columnRows until one is odd, and marks them. It
// returns how many of them are calls and how much of rest they take.
func (r *run) gather(s *Signature) (calls, end int) {
	r.marks, r.at = r.marks[:0], r.at[:0]
	for i := range s.Args {
		r.at = append(r.at, s.Column(i, columnRows))
	}
	r.in = sized(r.in, s.Column(len(s.Args), columnRows))
	for range min(r.left, columnRows) {
		n, called := r.scatter(s, r.rest[end:], calls)
		if n == 0 {
			break
		}
		end += n
		if called {
			calls++
		}
		r.marks = append(r.marks, mark{end, called})
	}
	return calls, end
}

// scatter writes the row that b begins with into place k of the columns, and returns
// how long it is. called is false where an argument is null. n is 0 for a row that is
// odd: of another length than the signature's, or with an argument that is not of its
// declared type.
func (r *run) scatter(s *Signature, b []byte, k int) (n int, called bool) {
	if n = listHead(b, len(s.Args)); n == 0 {
		return 0, false
	}
	called = true
	for i, t := range s.Args {
		if len(b)-n >= 9 && b[n] == 0xcb && t == TypeF64 { // what rows are mostly made of
			binary.LittleEndian.PutUint64(r.in[r.at[i]+8*k:], binary.BigEndian.Uint64(b[n+1:]))
			n += 9
			continue
		}
		if n < len(b) && b[n] == 0xc0 {
			n, called = n+1, false
			continue
		}
		w, wide := scanWord(b[n:], t)
		if wide == 0 {
			return 0, false
		}
		n += wide
		switch at := r.in[r.at[i]:]; t.Width() {
		case 8:
			binary.LittleEndian.PutUint64(at[8*k:], w)
		case 4:
			binary.LittleEndian.PutUint32(at[4*k:], uint32(w))
		default:
			at[k] = byte(w)
		}
	}
	return n, called
}

// columns moves the columns together, for so many rows, and returns them with room
// for the results.
func (r *run) columns(s *Signature, rows int) (in, out []byte) {
	at := 0
	for i, t := range s.Args {
		n := columnSize(t, rows)
		copy(r.in[at:at+n], r.in[r.at[i]:])
		at += n
	}
	r.res = sized(r.res, columnSize(s.Returns, rows)+rows)
	return r.in[:at], r.res
}

// sized returns b with a length of n.
func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// results appends those of the first n rows that are marked; rows is how many the
// column of results is made for.
func (r *run) results(s *Signature, n, rows int) {
	k, out, column := 0, r.out, r.res
	var valid []byte
	if rows > 0 {
		valid = column[len(column)-rows:]
	}
	for _, m := range r.marks[:n] {
		switch {
		case !m.called:
			out = append(out, 0xc0)
			continue
		case valid[k] == 0:
			out = append(out, 0xc0)
		case s.Returns == TypeF64:
			out = binary.BigEndian.AppendUint64(append(out, 0xcb), binary.LittleEndian.Uint64(column[8*k:]))
		default:
			out = appendCell(out, s.Returns, column, k)
		}
		k++
	}
	r.out = out
}

// appendCell appends value k of a column.
func appendCell(dst []byte, t Type, column []byte, k int) []byte {
	var w uint64
	switch t.Width() {
	case 8:
		w = binary.LittleEndian.Uint64(column[8*k:])
	case 4:
		w = uint64(binary.LittleEndian.Uint32(column[4*k:]))
	default:
		w = uint64(column[k])
	}
	return appendWord(dst, t, w)
}
