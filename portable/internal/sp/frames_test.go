package sp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFramesCutAnywhere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var stream []byte
	var want []string
	for _, n := range []int{0, 1, 9, 300, firstSize - headLen, firstSize, 3 * firstSize, 2 * keepSize, 5, keepSize, 17} {
		body := make([]byte, n)
		for i := range body {
			body[i] = byte(rnd.Uint32())
		}
		want = append(want, string(body))
		stream = append(stream, message(string(body))...)
	}
	for name, src := range map[string]io.Reader{
		"whole":    bytes.NewReader(stream),
		"halves":   iotest.HalfReader(bytes.NewReader(stream)),
		"bytes":    iotest.OneByteReader(bytes.NewReader(stream)),
		"with EOF": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		f := frames{src: src, max: 2 * keepSize}
		for i, w := range want {
			got, err := f.next()
			if err != nil || string(got) != w {
				t.Fatalf("%s: frame %d: %d bytes, %v", name, i, len(got), err)
			}
		}
		if _, err := f.next(); err != io.EOF {
			t.Fatalf("%s: %v", name, err)
		}
		if len(f.buf) > keepSize {
			t.Errorf("%s: %d bytes kept", name, len(f.buf))
		}
	}
}

func TestFramesHostile(t *testing.T) {
	for name, c := range map[string]struct {
		stream string
		want   error
	}{
		"type 0":           {"\x00" + strings.Repeat("\x00", 16), ErrFrame},
		"type 2":           {"\x02" + strings.Repeat("\x00", 16), ErrFrame},
		"2^63":             {"\x01\x80\x00\x00\x00\x00\x00\x00\x00x", ErrFrame},
		"-1":               {"\x01\xff\xff\xff\xff\xff\xff\xff\xff", ErrFrame},
		"2^40":             {"\x01\x00\x00\x01\x00\x00\x00\x00\x00", ErrFrame},
		"one too many":     {"\x01\x00\x00\x00\x00\x04\x00\x00\x01", ErrFrame},
		"lying, then over": {"\x01\x00\x00\x00\x00\x04\x00\x00\x00xyz", io.ErrUnexpectedEOF},
		"half a header":    {"\x01\x00", io.ErrUnexpectedEOF},
		"nothing":          {"", io.EOF},
	} {
		f := frames{src: strings.NewReader(c.stream), max: 64 << 20}
		_, err := f.next()
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if len(f.buf) > firstSize {
			t.Errorf("%s: %d bytes allocated", name, len(f.buf))
		}
	}
}

// trickle gives out part of an endless frame and then fails.
type trickle struct{ left int }

func (r *trickle) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.ErrClosedPipe
	}
	n := min(r.left, len(p), 1000)
	clear(p[:n])
	if r.left > 1e6-9 {
		n = copy(p, "\x01\x00\x00\x00\x00\x03\xff\xff\xff")
	}
	r.left -= n
	return n, nil
}

func TestFramesGrowWithWhatCame(t *testing.T) {
	f := frames{src: &trickle{left: 1e6}, max: 64 << 20}
	if _, err := f.next(); err != io.ErrClosedPipe {
		t.Fatal(err)
	}
	if len(f.buf) > 2e6 {
		t.Fatalf("1 MB came, %d bytes allocated", len(f.buf))
	}
}
