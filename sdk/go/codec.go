package vanth

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"
)

// MaxDepth is how many lists and maps may be nested in each other in a frame.
const MaxDepth = 64

// Value decodes one frame and demands that nothing follows it. The Go types are nil, bool, int64,
// uint64 (above math.MaxInt64 only), float64, string, []byte, []any, map[string]any, time.Time
// (UTC) and *Error. What it returns shares no memory with frame.
func Value(frame []byte) (any, error) {
	d := decoder{rest: frame}
	v, err := d.value(0)
	if err == nil && len(d.rest) > 0 {
		err = ErrTrailing
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// decoder reads values off the front of rest. After an error it is spent.
type decoder struct {
	rest  []byte
	outer int // lists around the arguments that into reads
}

// take cuts n bytes off.
func (d *decoder) take(n int64) ([]byte, error) {
	if n > int64(len(d.rest)) {
		return nil, ErrTruncated
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b, nil
}

// uint reads a big-endian number of 1, 2, 4 or 8 bytes.
func (d *decoder) uint(width int64) (uint64, error) {
	b, err := d.take(width)
	if err != nil {
		return 0, err
	}
	switch width {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), nil
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), nil
	}
	return binary.BigEndian.Uint64(b), nil
}

// head reads the next token. It promises that the bytes a string, bytes, time or error announces
// are there, and that a list or map announces no more than the rest could hold.
func (d *decoder) head() (token, error) {
	if len(d.rest) == 0 {
		return token{}, ErrTruncated
	}
	c := uint64(d.rest[0])
	d.rest = d.rest[1:]
	switch {
	case c <= 0x7f:
		return token{kind: kInt, n: int64(c)}, nil
	case c <= 0x8f:
		return d.counted(kMap, c&0x0f)
	case c <= 0x9f:
		return d.counted(kList, c&0x0f)
	case c <= 0xbf:
		return d.counted(kString, c&0x1f)
	case c >= 0xe0:
		return token{kind: kInt, n: int64(int8(c))}, nil
	}
	return d.longHead(c)
}

// longHead reads the heads 0xc0 to 0xdf, whose low bits say how wide the number behind them is.
func (d *decoder) longHead(c uint64) (token, error) {
	switch {
	case c == 0xc0:
		return token{kind: kNull}, nil
	case c == 0xc1:
		return token{}, ErrReserved
	case c <= 0xc3:
		return token{kind: kBool, n: int64(c & 1)}, nil
	case c <= 0xc6:
		return d.sized(kBytes, 1<<(c-0xc4))
	case c <= 0xc9:
		n, err := d.uint(1 << (c - 0xc7))
		if err != nil {
			return token{}, err
		}
		return d.ext(n)
	case c >= 0xd4 && c <= 0xd8:
		return d.ext(1 << (c - 0xd4))
	case c >= 0xd9 && c <= 0xdb:
		return d.sized(kString, 1<<(c-0xd9))
	case c == 0xdc || c == 0xdd:
		return d.sized(kList, 2<<(c-0xdc))
	case c >= 0xde:
		return d.sized(kMap, 2<<(c-0xde))
	}
	return d.number(c)
}

// number reads the body of the heads 0xca to 0xd3: float32, float64, uint8..64, int8..64.
func (d *decoder) number(c uint64) (token, error) {
	width := int64(1) << (c & 3) // 0xcc..0xcf and 0xd0..0xd3
	if c <= 0xcb {
		width = 4 << (c - 0xca)
	}
	u, err := d.uint(width)
	if err != nil {
		return token{}, err
	}
	switch {
	case c == 0xca:
		return token{kind: kFloat, f: float64(math.Float32frombits(uint32(u)))}, nil
	case c == 0xcb:
		return token{kind: kFloat, f: math.Float64frombits(u)}, nil
	case c <= 0xcf && u > math.MaxInt64:
		return token{kind: kUint, n: int64(u)}, nil
	case c <= 0xcf:
		return token{kind: kInt, n: int64(u)}, nil
	}
	shift := uint(64 - 8*width) // sign-extend
	return token{kind: kInt, n: int64(u<<shift) >> shift}, nil
}

// sized reads a length of the given width and then checks it.
func (d *decoder) sized(k kind, width int64) (token, error) {
	n, err := d.uint(width)
	if err != nil {
		return token{}, err
	}
	return d.counted(k, n)
}

// counted holds n, which is at most 32 bits wide, against what is left.
func (d *decoder) counted(k kind, n uint64) (token, error) {
	left := uint64(len(d.rest))
	switch {
	case k == kList && n > left, k == kMap && n > left/2:
		return token{}, ErrCount
	case (k == kString || k == kBytes) && n > left:
		return token{}, ErrTruncated
	}
	return token{kind: k, n: int64(n)}, nil
}

// ext reads the type byte behind a length of n.
func (d *decoder) ext(n uint64) (token, error) {
	typ, err := d.uint(1)
	if err != nil {
		return token{}, err
	}
	if n > uint64(len(d.rest)) {
		return token{}, ErrTruncated
	}
	switch typ {
	case 0xff:
		return token{kind: kTime, n: int64(n)}, nil
	case 1:
		return token{kind: kError, n: int64(n)}, nil
	}
	return token{}, ErrExt
}

// value reads one value that lies inside depth lists and maps.
func (d *decoder) value(depth int) (any, error) {
	t, err := d.head()
	if err != nil {
		return nil, err
	}
	return d.body(t, depth)
}

// body reads what follows the head t.
func (d *decoder) body(t token, depth int) (any, error) {
	switch t.kind {
	case kBool:
		return t.n == 1, nil
	case kInt:
		return t.n, nil
	case kUint:
		return uint64(t.n), nil
	case kFloat:
		return t.f, nil
	case kString:
		return d.str(t.n)
	case kBytes:
		return d.bytes(t.n)
	case kList:
		return d.list(t.n, depth+1)
	case kMap:
		return d.dict(t.n, depth+1)
	case kTime:
		return d.time(t.n)
	case kError:
		return d.failure(t.n)
	}
	return nil, nil
}

func (d *decoder) str(n int64) (string, error) {
	b, err := d.take(n)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", ErrUTF8
	}
	return string(b), nil
}

func (d *decoder) bytes(n int64) ([]byte, error) {
	b, err := d.take(n)
	if err != nil {
		return nil, err
	}
	return append(make([]byte, 0, n), b...), nil
}

// room bounds what is allocated on the word of a count: nested counts may each claim the whole rest.
const room = 256

func (d *decoder) list(n int64, depth int) ([]any, error) {
	if depth > MaxDepth {
		return nil, ErrDepth
	}
	list := make([]any, 0, min(n, room))
	for range n {
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func (d *decoder) dict(n int64, depth int) (map[string]any, error) {
	if depth > MaxDepth {
		return nil, ErrDepth
	}
	m := make(map[string]any, min(n, room))
	for range n {
		t, err := d.head()
		if err != nil {
			return nil, err
		}
		if t.kind != kString {
			return nil, ErrKey
		}
		key, err := d.str(t.n)
		if err != nil {
			return nil, err
		}
		if m[key], err = d.value(depth); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// time reads the three timestamp layouts: seconds; 30 bits of nanoseconds over 34 of seconds;
// nanoseconds, then signed seconds.
func (d *decoder) time(n int64) (time.Time, error) {
	b, err := d.take(n)
	if err != nil {
		return time.Time{}, err
	}
	var sec int64
	var nsec uint64
	switch n {
	case 4:
		sec = int64(binary.BigEndian.Uint32(b))
	case 8:
		u := binary.BigEndian.Uint64(b)
		sec, nsec = int64(u&(1<<34-1)), u>>34
	case 12:
		sec, nsec = int64(binary.BigEndian.Uint64(b[4:])), uint64(binary.BigEndian.Uint32(b))
	default:
		return time.Time{}, ErrTimestamp
	}
	if nsec > 999_999_999 {
		return time.Time{}, ErrTimestamp
	}
	return time.Unix(sec, int64(nsec)).UTC(), nil
}

// appendInt writes the shortest form; numbers from 0 up take the unsigned heads.
func appendInt(dst []byte, i int64) []byte {
	switch {
	case i >= 0:
		return appendUint(dst, uint64(i))
	case i >= -32:
		return append(dst, byte(i))
	case i >= math.MinInt8:
		return append(dst, 0xd0, byte(i))
	case i >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(i))
	case i >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(i))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(i))
}

func appendUint(dst []byte, u uint64) []byte {
	switch {
	case u <= 0x7f:
		return append(dst, byte(u))
	case u <= math.MaxUint8:
		return append(dst, 0xcc, byte(u))
	case u <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(u))
	case u <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(u))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), u)
}

// appendFloat always writes float64: a float32 keeps its value and the frame one form.
func appendFloat(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(f))
}

// appendHead writes the shortest head of a string, bytes, list or map of n. Below limit the number
// is part of the first byte, fix; else it follows, and wide is the head for 16 bits.
func appendHead(dst []byte, k kind, n int) []byte {
	var fix, wide byte
	limit := 16
	switch k {
	case kString:
		fix, limit, wide = 0xa0, 32, 0xda
	case kBytes:
		limit, wide = 0, 0xc5
	case kList:
		fix, wide = 0x90, 0xdc
	case kMap:
		fix, wide = 0x80, 0xde
	}
	switch {
	case n < limit:
		return append(dst, fix|byte(n))
	case n <= math.MaxUint8 && (k == kString || k == kBytes):
		return append(dst, wide-1, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, wide), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, wide+1), uint32(n))
}

// appendString writes s, which the caller knows to be valid UTF-8.
func appendString(dst []byte, s string) []byte {
	return append(appendHead(dst, kString, len(s)), s...)
}

// appendTime writes the shortest of the three layouts. The zone and the monotonic clock are lost.
func appendTime(dst []byte, t time.Time) []byte {
	sec, nsec := t.Unix(), uint64(t.Nanosecond())
	switch {
	case sec>>34 != 0:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xc7, 12, 0xff), uint32(nsec))
		return binary.BigEndian.AppendUint64(dst, uint64(sec))
	case nsec == 0 && sec <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd6, 0xff), uint32(sec))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd7, 0xff), nsec<<34|uint64(sec))
}
