package frame

import (
	"encoding/binary"
	"time"
)

// kind says what a head begins.
type kind uint8

const (
	kindNone kind = iota // malformed: see scanner.bad
	kindNil
	kindFalse
	kindTrue
	kindInt // n is an int64
	kindUint
	kindFloat32
	kindFloat64
	kindStr // n is the length, for the next three too
	kindBin
	kindExt
	kindArray // n is the count
	kindMap
)

// scanner walks a frame. It is the one place that knows the heads.
type scanner struct {
	b   []byte
	at  int
	ext int8      // type of the last kindExt
	bad Malformed // valid once kindNone or false was returned
}

// fail notes the first fault.
func (s *scanner) fail(at int, reason string) kind {
	s.bad = Malformed{Offset: at, Reason: reason}
	return kindNone
}

func (s *scanner) malformed() error {
	m := s.bad
	return &m
}

// next reads a head. What it announces - a payload's bytes, a byte for each
// item, two for each pair - is there.
func (s *scanner) next() (k kind, n uint64) {
	if s.at >= len(s.b) {
		return s.fail(s.at, Truncated), 0
	}
	c := s.b[s.at]
	s.at++
	switch {
	case c <= 0x7f:
		return kindInt, uint64(c)
	case c <= 0x8f:
		return s.counted(kindMap, s.at-1, uint64(c&0x0f))
	case c <= 0x9f:
		return s.counted(kindArray, s.at-1, uint64(c&0x0f))
	case c <= 0xbf:
		return s.sized(kindStr, s.at-1, uint64(c&0x1f))
	case c >= 0xe0:
		return kindInt, uint64(int64(int8(c)))
	}
	return s.wideHead(c)
}

// wideHead reads the heads 0xc0 to 0xdf.
func (s *scanner) wideHead(c byte) (k kind, n uint64) {
	start := s.at - 1
	width := headWidth(c)
	if len(s.b)-s.at < width {
		return s.fail(start, Truncated), 0
	}
	switch p := s.b[s.at:]; width {
	case 1:
		n = uint64(p[0])
	case 2:
		n = uint64(binary.BigEndian.Uint16(p))
	case 4:
		n = uint64(binary.BigEndian.Uint32(p))
	case 8:
		n = binary.BigEndian.Uint64(p)
	}
	s.at += width
	switch c {
	case 0xc0:
		return kindNil, 0
	case 0xc2:
		return kindFalse, 0
	case 0xc3:
		return kindTrue, 0
	case 0xc4, 0xc5, 0xc6:
		return s.sized(kindBin, start, n)
	case 0xc7, 0xc8, 0xc9:
		return s.extension(start, n)
	case 0xca:
		return kindFloat32, n
	case 0xcb:
		return kindFloat64, n
	case 0xcc, 0xcd, 0xce:
		return kindInt, n
	case 0xcf:
		if n > 1<<63-1 {
			return kindUint, n
		}
		return kindInt, n
	case 0xd0:
		return kindInt, uint64(int64(int8(n)))
	case 0xd1:
		return kindInt, uint64(int64(int16(n)))
	case 0xd2:
		return kindInt, uint64(int64(int32(n)))
	case 0xd3:
		return kindInt, n
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		return s.extension(start, 1<<(c-0xd4))
	case 0xd9, 0xda, 0xdb:
		return s.sized(kindStr, start, n)
	case 0xdc, 0xdd:
		return s.counted(kindArray, start, n)
	case 0xde, 0xdf:
		return s.counted(kindMap, start, n)
	}
	return s.fail(start, Reserved), 0
}

// headWidth is how many bytes follow the first of a head in 0xc0 to 0xdf.
func headWidth(c byte) int {
	const widths = "\x00\x00\x00\x00\x01\x02\x04\x01\x02\x04\x04\x08\x01\x02\x04\x08" +
		"\x01\x02\x04\x08\x00\x00\x00\x00\x00\x01\x02\x04\x02\x04\x02\x04"
	return int(widths[c&0x1f])
}

func (s *scanner) sized(k kind, start int, n uint64) (kind, uint64) {
	if n > uint64(len(s.b)-s.at) {
		return s.fail(start, Truncated), 0
	}
	return k, n
}

func (s *scanner) extension(start int, n uint64) (kind, uint64) {
	if n >= uint64(len(s.b)-s.at) { // the type is a byte more
		return s.fail(start, Truncated), 0
	}
	s.ext = int8(s.b[s.at])
	s.at++
	return kindExt, n
}

func (s *scanner) counted(k kind, start int, n uint64) (kind, uint64) {
	left := uint64(len(s.b) - s.at)
	if k == kindMap {
		left /= 2
	}
	if n > left {
		return s.fail(start, Count), 0
	}
	return k, n
}

// take returns the payload that next announced.
func (s *scanner) take(n uint64) []byte {
	p := s.b[s.at : s.at+int(n)]
	s.at += int(n)
	return p
}

// text returns the payload of a string, nil if it is not UTF-8.
func (s *scanner) text(start int, n uint64) (p []byte, ok bool) {
	p = s.take(n)
	if !validText(p) {
		s.fail(start, UTF8)
		return nil, false
	}
	return p, true
}

// timestamp reads the payload of ext -1.
func timestamp(p []byte) (t time.Time, ok bool) {
	var sec int64
	var nsec uint32
	switch len(p) {
	case 4:
		sec = int64(binary.BigEndian.Uint32(p))
	case 8:
		v := binary.BigEndian.Uint64(p)
		sec, nsec = int64(v&(1<<34-1)), uint32(v>>34)
	case 12:
		nsec, sec = binary.BigEndian.Uint32(p), int64(binary.BigEndian.Uint64(p[4:]))
	default:
		return t, false
	}
	return time.Unix(sec, int64(nsec)).UTC(), nsec < 1e9
}

// errorValue reads the payload of ext 1, which its results point into.
func errorValue(p []byte) (msg, class []byte, ok bool) {
	s := scanner{b: p}
	if k, n := s.next(); k != kindMap || n != 2 {
		return nil, nil, false
	}
	for range 2 {
		key, ok1 := s.stringOnly()
		value, ok2 := s.stringOnly()
		if !ok1 || !ok2 {
			return nil, nil, false
		}
		switch {
		case string(key) == "msg" && msg == nil:
			msg = value
		case string(key) == "class" && class == nil:
			class = value
		default:
			return nil, nil, false
		}
	}
	known := string(class) == ClassUsage || string(class) == ClassIO || string(class) == ClassFatal
	return msg, class, known && s.at == len(p)
}

// stringOnly returns the payload of a string, never nil if ok.
func (s *scanner) stringOnly() (p []byte, ok bool) {
	start := s.at
	k, n := s.next()
	if k != kindStr {
		return nil, false
	}
	return s.text(start, n)
}
