package sp

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	headLen   = 9         // 01 and the length
	firstSize = 16 << 10  // what a connection reads into at first
	keepSize  = 256 << 10 // what it may read into for longer than one message
)

// frames cuts what a connection says into payloads. Its buffer is doubled when it is full of one unfinished frame, so
// it is never more than twice what has come.
type frames struct {
	src  io.Reader
	buf  []byte
	r, w int // buf[r:w] has come and is not yet handed out
	max  int
}

// next returns the next payload, which is valid until the following call. The error is io.EOF only between frames.
func (f *frames) next() ([]byte, error) {
	f.settle()
	for {
		need := headLen
		if have := f.buf[f.r:f.w]; len(have) >= headLen {
			size := binary.BigEndian.Uint64(have[1:])
			if have[0] != 1 {
				return nil, fmt.Errorf("%w: type %#02x", ErrFrame, have[0])
			}
			if size > uint64(f.max) {
				return nil, fmt.Errorf("%w: %d bytes announced, %d allowed", ErrFrame, size, f.max)
			}
			if need += int(size); len(have) >= need {
				f.r += need
				return have[headLen:need:need], nil
			}
		}
		f.room(need)
		n, err := f.src.Read(f.buf[f.w:])
		f.w += n
		if n == 0 && err != nil {
			if err == io.EOF && f.w > f.r {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// room makes the buffer able to take at least one byte of a frame of need bytes that begins at r.
func (f *frames) room(need int) {
	if f.w < len(f.buf) {
		return
	}
	if f.r > 0 {
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
	}
	if f.w == len(f.buf) {
		grown := make([]byte, max(firstSize, min(2*len(f.buf), need)))
		f.w = copy(grown, f.buf[:f.w])
		f.buf = grown
	}
}

// settle gives back the room of one large message once it has been dealt with.
func (f *frames) settle() {
	left := f.w - f.r
	switch {
	case len(f.buf) > keepSize && left <= keepSize:
		small := make([]byte, max(firstSize, left))
		copy(small, f.buf[f.r:f.w])
		f.buf, f.r, f.w = small, 0, left
	case left == 0:
		f.r, f.w = 0, 0
	}
}
