package portable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/vanth-io/vanth/host/frame"
)

// The ops of the fast lane, see sdk/abi/lane.md.
const (
	opHello      = 1
	opWelcome    = 2
	opBye        = 3
	opCall       = 16
	opBatch      = 17
	opValidate   = 18
	opCancel     = 19
	opContext    = 20
	opForget     = 21
	opResult     = 32
	opOpenSource = 48
	opOpenSink   = 49
	opClose      = 50
	opCredit     = 51
	opMessage    = 52
	opFailure    = 53
	opEnd        = 54
	opWrite      = 55
	opGet        = 64
	opPut        = 65
	opDelete     = 66
	opAdd        = 67
	opCount      = 68
	opValue      = 79
)

// flagError says that a payload is an error value.
const flagError = 1

// headSize is the length of a frame's head.
const headSize = 16

// head is the head of a frame.
type head struct {
	op, flags byte
	symbol    uint16
	id        uint32
	context   uint32
}

// begin appends a head whose length end fills in.
func begin(dst []byte, h head) []byte {
	dst = append(dst, 0, 0, 0, 0, h.op, h.flags)
	dst = binary.LittleEndian.AppendUint16(dst, h.symbol)
	dst = binary.LittleEndian.AppendUint32(dst, h.id)
	return binary.LittleEndian.AppendUint32(dst, h.context)
}

// end fills in the length of the frame that began at start.
func end(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-headSize))
	return dst
}

var errProtocol = errors.New("broke the protocol of the lane")

// frameReader reads frames. A payload is valid until the next. After an error of its
// reader it can go on where it was.
type frameReader struct {
	r     io.Reader
	b     []byte // read and not yet taken: b[from:to]
	from  int
	to    int
	head  head   // of the frame whose payload is still to come
	size  int64  // of that payload; -1 while the head is to come
	large []byte // of a payload that does not fit b
}

const (
	readBuffer = 64 << 10
	// readStep is what an announced length may allocate before its bytes are here.
	readStep = 1 << 20
)

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: r, b: make([]byte, readBuffer), size: -1}
}

// fill makes at least n bytes available in b; n is at most readBuffer.
func (f *frameReader) fill(n int) error {
	if f.to-f.from >= n {
		return nil
	}
	if f.from == f.to {
		f.from, f.to = 0, 0 // where the processor has it at hand
	} else if len(f.b)-f.from < n {
		copy(f.b, f.b[f.from:f.to])
		f.from, f.to = 0, f.to-f.from
	}
	for f.to-f.from < n {
		m, err := f.r.Read(f.b[f.to:])
		f.to += m
		if err != nil && f.to-f.from < n {
			return err
		}
	}
	return nil
}

// buffered tells whether the next frame's head is here already.
func (f *frameReader) buffered() bool { return f.to-f.from >= headSize }

func (f *frameReader) next() (h head, payload []byte, err error) {
	if f.size < 0 {
		if err := f.open(); err != nil {
			return h, nil, err
		}
	}
	n := f.size
	if n <= readBuffer-headSize {
		if err := f.fill(int(n)); err != nil {
			return h, nil, err
		}
		payload = f.b[f.from : f.from+int(n) : f.from+int(n)]
		f.from += int(n)
		f.large = nil // one large message does not hold its memory
	} else {
		if err := f.gather(n); err != nil {
			return h, nil, err
		}
		payload = f.large
	}
	f.size = -1
	return f.head, payload, nil
}

// open reads the head of the next frame.
func (f *frameReader) open() error {
	if err := f.fill(headSize); err != nil {
		return err
	}
	b := f.b[f.from:]
	n := int64(binary.LittleEndian.Uint32(b))
	f.head = head{
		op: b[4], flags: b[5], symbol: binary.LittleEndian.Uint16(b[6:]),
		id: binary.LittleEndian.Uint32(b[8:]), context: binary.LittleEndian.Uint32(b[12:]),
	}
	f.from += headSize
	if n > frame.MaxBytes {
		return fmt.Errorf("%w: a payload of %d bytes: at most %d are allowed", errProtocol, n, frame.MaxBytes)
	}
	if f.size = n; n > readBuffer-headSize {
		f.large = append(f.large[:0], f.b[f.from:f.to]...)
		f.from, f.to = 0, 0
	}
	return nil
}

// gather reads a payload of n bytes that does not fit b.
func (f *frameReader) gather(n int64) error {
	for int64(len(f.large)) < n {
		have := len(f.large)
		f.large = slices.Grow(f.large, int(min(n-int64(have), readStep)))
		m, err := f.r.Read(f.large[have:min(int64(cap(f.large)), n)])
		f.large = f.large[:have+m]
		if err != nil && int64(len(f.large)) < n {
			return err
		}
	}
	return nil
}
