package api

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// drainBytes is how much of a body that nobody wanted is read for the sake of
// the connection. Beyond that the connection ends with the answer.
const drainBytes = 256 << 10

// body reads a request's body once. It mends what fasthttp's stream leaves to
// its reader: a body that breaks off is an error and not an end, reading goes
// no further than the end, and there is a limit.
type body struct {
	stream   io.Reader // nil: no body
	declared int       // bytes; -1 when chunked
	read     int64
	max      int64 // 0: no limit yet
	err      error // once it is set, Read returns nothing else
}

func (b *body) begin(ctx *fasthttp.RequestCtx) {
	b.stream = ctx.RequestBodyStream()
	b.declared = ctx.Request.Header.ContentLength()
	if b.stream == nil || b.declared == 0 {
		b.err = io.EOF
	}
}

// limit says how long the body may be, in bytes; a length above it that was
// declared, or read already, fails at once.
func (b *body) limit(limit int64) error {
	b.max = limit
	if found := max(int64(b.declared), b.read); found > limit {
		b.err = b.tooLong(found)
		return b.err
	}
	return nil
}

func (b *body) tooLong(found int64) error {
	return failf(problemBodySize, "body: found at least %d bytes, expected at most %d; the setting is under limits", found, b.max)
}

// Read returns a *failure for everything but io.EOF.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.stream.Read(p)
	b.read += int64(n)
	switch {
	case b.max > 0 && b.read > b.max:
		b.err = b.tooLong(b.read)
		return 0, b.err
	case errors.Is(err, io.EOF) && b.declared >= 0 && b.read < int64(b.declared):
		err = failf(problemMalformed, "body: found %d bytes, expected %d by Content-Length", b.read, b.declared)
	case err != nil && !errors.Is(err, io.EOF):
		err = b.fault(err)
	case err == nil && b.declared >= 0 && b.read == int64(b.declared):
		err = io.EOF
	}
	b.err = err
	return n, err
}

func (b *body) fault(err error) error {
	// What fasthttp says of a chunk names its cause without wrapping it.
	if errors.Is(err, os.ErrDeadlineExceeded) || strings.HasSuffix(err.Error(), os.ErrDeadlineExceeded.Error()) {
		return failf(problemSlow, "body: found %d bytes before the time was up", b.read)
	}
	return failf(problemMalformed, "body: broke off after %d bytes: %v", b.read, err)
}

// appendTo appends the whole body to dst. Memory grows with what arrives and not
// with what was declared; hold is told how long it is, and may refuse.
func (b *body) appendTo(dst []byte, hold func(int) error) ([]byte, error) {
	for {
		dst = slices.Grow(dst, 512)
		n, err := b.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if len(dst) > freeBytes {
			if err := hold(len(dst)); err != nil {
				return dst, err
			}
		}
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// drain reads what was left over, within a bound. It reports whether the
// connection stands at the beginning of the next request.
func (b *body) drain() bool {
	if errors.Is(b.err, io.EOF) {
		return true
	}
	if _, own := errors.AsType[*failure](b.err); own && b.declared >= 0 && int64(b.declared) > b.max+drainBytes {
		return false // far too long
	}
	// A client that is still sending reads no answer, and would lose it to the
	// reset of a connection closed under it: hear it out a while.
	if f, own := errors.AsType[*failure](b.err); own && f.problem != problemBodySize {
		return false
	}
	end := b.read + drainBytes
	b.err, b.max = nil, 0
	var scrap [4 << 10]byte
	for b.read < end {
		if _, err := b.Read(scrap[:]); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
	return false
}
