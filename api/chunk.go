package api

import (
	"time"

	"github.com/vanth-io/vanth/host/frame"
)

// Rows that go together: as many as take about so long.
const (
	firstStride, mostStride = 16, 1024
	quickChunk, slowChunk   = 2 * time.Millisecond, 20 * time.Millisecond
)

// together reports whether rows go to the host many at once: as frames they need
// nothing done to them, and the host knows which lanes take several. Numbers go
// faster as words, and with a ceiling each row has to have the time to itself.
func (b *rows) together() bool {
	return b.in == wireFrame && b.out == wireFrame && b.s.opts.CallTimeout <= 0 && !b.f.plan(b.s).scalar.Load()
}

// chunk appends the results of some rows that go together.
func (b *rows) chunk(dst []byte) []byte {
	b.whole = dst
	n, end := 0, b.rest
	for n < b.stride && len(b.rest)-len(end) < partBytes {
		rest, err := frame.Skip(end)
		if err != nil || len(end) == 0 {
			break
		}
		n, end = n+1, rest
	}
	if n == 0 {
		b.ended = true
		return dst
	}
	r := b.r
	r.frame = append(frame.AppendArrayHeader(r.frame[:0], n), b.rest[:len(b.rest)-len(end)]...)
	b.rest, b.begun, b.flying = end, true, n
	start := time.Now()
	var err error
	r.result, err = b.f.ExecBatch(b.s.calls, nil, r.result[:0], r.frame)
	b.flying = 0
	b.pace(n, time.Since(start))
	if err == nil {
		results := frame.Read(r.result)
		if found, bad := results.Array(); bad == nil && found == n {
			return append(dst, results.Rest()...)
		}
		err = failf(problemInternal, "function %s: found other than %d results", b.f.Name(), n)
		b.s.opts.Log.Error("batch failed", "function", b.f.Name(), "err", err)
	}
	err = b.s.failed(b.f, err)
	p := judge(err)
	text := explain(p, err)
	for range n {
		dst = b.out.appendFault(dst, p, text, err)
	}
	return dst
}

// pace sets how many rows go together next by how long n took.
func (b *rows) pace(n int, took time.Duration) {
	switch {
	case took > slowChunk:
		b.stride = 1
	case took < quickChunk:
		b.stride = min(2*n, mostStride)
	}
}
