//go:build !wasip1

package vanth

import (
	"encoding/binary"
	"fmt"
	"sync"
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

const (
	headSize   = 16
	maxPayload = 64 << 20
	flagError  = 1
	keepBuffer = 256 << 10 // a larger buffer is given back to the collector
)

// head is what stands before each payload.
type head struct {
	size        uint32
	op, flags   uint8
	symbol      uint16
	id, context uint32
}

// noHead is appended to make room for a head, which sealed fills. It is never written.
var noHead [headSize]byte

// sealed writes h over the first bytes of frame, of which the rest is the payload.
func sealed(frame []byte, h head) []byte {
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-headSize))
	frame[4], frame[5] = h.op, h.flags
	binary.LittleEndian.PutUint16(frame[6:], h.symbol)
	binary.LittleEndian.PutUint32(frame[8:], h.id)
	binary.LittleEndian.PutUint32(frame[12:], h.context)
	return frame
}

// alone is a frame without a payload.
func alone(h head) []byte { return sealed(make([]byte, headSize), h) }

func headOf(b []byte) head {
	return head{
		size: binary.LittleEndian.Uint32(b), op: b[4], flags: b[5], symbol: binary.LittleEndian.Uint16(b[6:]),
		id: binary.LittleEndian.Uint32(b[8:]), context: binary.LittleEndian.Uint32(b[12:]),
	}
}

// stream is what carries the frames: the socket or the ring.
type stream interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
}

// offerer is a stream with a way to write that does not wait: the ring.
type offerer interface {
	Offer(p []byte) (all, asleep bool)
	Rouse()
}

// frameReader cuts a stream into frames. A payload lies in its buffer until the next fill.
type frameReader struct {
	from     stream
	buf      []byte
	pos, end int
}

const readBuffer = 64 << 10

func newFrameReader(from stream) *frameReader {
	return &frameReader{from: from, buf: make([]byte, readBuffer)}
}

// next is the next frame that is wholly here, false if there is none.
func (r *frameReader) next() (h head, payload []byte, ok bool, err error) {
	if r.end-r.pos < headSize {
		return h, nil, false, nil
	}
	h = headOf(r.buf[r.pos:])
	if h.size > maxPayload {
		return h, nil, false, fmt.Errorf("lane: a payload of %d bytes: too large", h.size)
	}
	end := r.pos + headSize + int(h.size)
	if end > r.end {
		return h, nil, false, nil
	}
	payload = r.buf[r.pos+headSize : end : end]
	r.pos = end
	return h, payload, true, nil
}

// more reports whether a whole frame is waiting.
func (r *frameReader) more() bool {
	return r.end-r.pos >= headSize && r.end-r.pos-headSize >= int(headOf(r.buf[r.pos:]).size)
}

// fill waits for more bytes. The buffer grows for a large frame only as its bytes come.
func (r *frameReader) fill() error {
	switch {
	case r.pos == r.end:
		r.pos, r.end = 0, 0
		if len(r.buf) > keepBuffer {
			r.buf = make([]byte, readBuffer)
		}
	case r.pos > 0 && r.end == len(r.buf):
		r.end = copy(r.buf, r.buf[r.pos:r.end])
		r.pos = 0
	}
	if r.end == len(r.buf) {
		grown := make([]byte, min(2*len(r.buf), headSize+maxPayload))
		copy(grown, r.buf[:r.end])
		r.buf = grown
	}
	n, err := r.from.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	return err
}

// rest is a reader that goes on where this one is and leaves its buffer alone. It takes the buffer of
// spare if there is one.
func (r *frameReader) rest(spare *frameReader) *frameReader {
	n := spare
	if n == nil {
		n = newFrameReader(r.from)
	}
	if left := r.end - r.pos; left > len(n.buf) {
		n.buf = make([]byte, left)
	}
	n.pos, n.end = 0, copy(n.buf, r.buf[r.pos:r.end])
	return n
}

// sender puts frames onto a stream, whole and in order. Who finds nobody writing writes what has
// gathered; who finds somebody leaves the frame to them.
type sender struct {
	to    stream
	quick offerer // to, if it is one

	mu              sync.Mutex // guards what follows
	room            sync.Cond  // of mu: gathered has been taken
	writing         bool
	gathered, spare []byte
	err             error
}

const maxGathered = 1 << 20

func newSender(to stream) *sender {
	s := &sender{to: to}
	s.quick, _ = to.(offerer)
	s.room.L = &s.mu
	return s
}

// send copies frame. If hold it may stay until the next flush or send.
func (s *sender) send(frame []byte, hold bool) error {
	s.mu.Lock()
	if s.quick != nil && !hold && !s.writing && len(s.gathered) == 0 && s.err == nil {
		if all, asleep := s.quick.Offer(frame); all {
			s.mu.Unlock()
			if asleep {
				s.quick.Rouse()
			}
			return nil
		}
	}
	defer s.mu.Unlock()
	for s.writing && len(s.gathered) > maxGathered && s.err == nil {
		s.room.Wait()
	}
	if s.err != nil {
		return s.err
	}
	if !s.writing && !hold && len(s.gathered) == 0 {
		s.write(frame)
		return s.drain()
	}
	s.gathered = append(s.gathered, frame...)
	if s.writing || hold && len(s.gathered) < readBuffer {
		return nil
	}
	return s.drain()
}

func (s *sender) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing {
		return s.err
	}
	return s.drain()
}

// drain writes until nothing is left. The caller holds mu.
func (s *sender) drain() error {
	for len(s.gathered) > 0 && s.err == nil {
		out := s.gathered
		s.gathered, s.spare = s.spare[:0], nil
		s.write(out)
		if cap(out) <= 2*maxGathered {
			s.spare = out
		}
	}
	return s.err
}

// write writes with mu released. The caller holds mu, and writing is false.
func (s *sender) write(out []byte) {
	s.writing = true
	s.mu.Unlock()
	_, err := s.to.Write(out)
	s.mu.Lock()
	s.writing = false
	if s.err == nil {
		s.err = err
	}
	s.room.Broadcast()
}

// buffers are for frames that wait.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func borrowCopy(b []byte) *[]byte {
	p := buffers.Get().(*[]byte)
	*p = append((*p)[:0], b...)
	return p
}

func returnCopy(p *[]byte) {
	if cap(*p) <= keepBuffer {
		buffers.Put(p)
	}
}
