package host

import (
	"context"

	"github.com/vanth-io/vanth/host/frame"
)

// bytesRows is how many rows a step runs one by one.
const bytesRows = 64

// stepBytes runs rows one by one through the [Bytes] lane. A row that is odd is left to
// Exec.
func (u *use) stepBytes(ctx context.Context, c *Call, r *run) error {
	t := u.beginRows(min(r.left, bytesRows))
	rows, failed, end, err := u.eachBytes(ctx, c, r)
	r.done(rows, end)
	if err != nil && !u.binding.missed(err) { // it is of the row after them
		rows, failed = rows+1, failed+1
	}
	u.endRows(t, rows, failed)
	if rows == 0 && err == nil {
		return u.stepExec(ctx, c, r)
	}
	return err
}

// eachBytes returns how many rows it ran, how many of them failed, and how much of rest
// they take. An error is one that ends the batch, or that has the successor go on.
func (u *use) eachBytes(ctx context.Context, c *Call, r *run) (rows, failed, end int, err error) {
	b, lane := u.binding, u.bytes
	for rows < min(r.left, bytesRows) && len(r.out)-r.base <= frame.MaxBytes {
		rest, fit := r.rest[end:], fitsCall
		wide := b.signature.encoded(rest)
		row := rest[:wide] // as it is, without a copy
		if wide == 0 {
			r.chunk, wide, fit = b.signature.recode(r.chunk[:0], rest)
			row = r.chunk
		}
		switch fit {
		case fitsNot:
			return rows, failed, end, nil
		case fitsNull:
			r.out = append(r.out, 0xc0)
		case fitsCall:
			if err := b.callBytes(ctx, c, r, lane, row); err != nil {
				if b.missed(err) || b.ends(ctx, err) {
					return rows, failed, end, err
				}
				r.out = appendRowError(r.out, err)
				failed++
			}
		}
		rows++
		end += wide
	}
	return rows, failed, end, nil
}

// callBytes runs one row, and appends its result.
func (b *binding) callBytes(ctx context.Context, c *Call, r *run, lane Bytes, args []byte) error {
	before := len(r.out)
	out, err := lane.ExecBytes(ctx, c, r.out, args)
	if err != nil {
		return err
	}
	raw := out[before:]
	if err := r.fitting(raw); err != nil {
		return b.badResult(err)
	}
	if out, err = b.appendResult(out[:before], raw); err == nil {
		r.out = out
	}
	return err
}

// fitting returns nil for a frame that can be an item of the results.
func (r *run) fitting(raw []byte) error {
	if err := frame.Valid(raw); err != nil || len(raw) < frame.MaxDepth {
		return err
	}
	switch c := raw[0]; {
	case c >= 0x80 && c <= 0x9f, c >= 0xdc && c <= 0xdf: // it nests one deeper there
		r.chunk = append(append(r.chunk[:0], 0x91), raw...)
		return frame.Valid(r.chunk)
	}
	return nil
}
