package host

import (
	"errors"
	"math/bits"
	"time"
)

// beginRows is begin for a call of so many rows. Each is a call to those who look at
// the figures, however it came.
func (u *use) beginRows(rows int) (t time.Time) {
	if t = u.begin(); t.IsZero() && u.calls.Load()%sampling+uint64(max(0, rows)) >= sampling {
		t = time.Now()
	}
	return t
}

// endRows counts calls that took about the same time each.
func (u *use) endRows(t time.Time, calls, failed int) {
	u.calls.Add(uint64(calls))
	if failed > 0 {
		u.usage.errors.Add(uint64(failed))
	}
	if !t.IsZero() && calls > 0 {
		each := max(0, time.Since(t)) / time.Duration(calls)
		u.usage.octave[bits.Len64(uint64(each))].Add(uint32(max(1, calls/sampling)))
	}
}

// begun is how many rows of a call that failed count as calls, and how many of
// them as errors. One that did not get as far as its rows counts as one.
func begun(err error) (calls, failed int) {
	if e, ok := errors.AsType[*RowsError](err); ok {
		return e.First + e.Count, e.Count
	}
	return 1, 1
}
