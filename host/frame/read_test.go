package frame

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// readWhole makes of a frame what Decode makes, with a Reader and nothing else.
func readWhole(b []byte) (any, error) {
	r := Read(b)
	v, err := readValue(&r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

func readValue(r *Reader) (any, error) {
	switch r.Kind() {
	case KindNil:
		if !r.Nil() {
			return nil, errors.New("a nil is none")
		}
		return nil, nil
	case KindBool:
		return r.Bool()
	case KindInt:
		return r.Int()
	case KindUint:
		return r.Uint()
	case KindFloat:
		return r.Float()
	case KindStr:
		p, err := r.Str()
		return string(p), err
	case KindBytes:
		p, err := r.Bytes()
		return append([]byte{}, p...), err
	case KindTime:
		return r.Time()
	case KindError:
		msg, class, err := r.Fault()
		return &Error{string(msg), string(class)}, err
	case KindArray:
		n, err := r.Array()
		list := []any{}
		for i := 0; i < n && err == nil; i++ {
			var v any
			v, err = readValue(r)
			list = append(list, v)
		}
		return list, err
	case KindMap:
		n, err := r.Map()
		m := map[string]any{}
		for i := 0; i < n && err == nil; i++ {
			var key []byte
			if key, err = r.Str(); err == nil {
				m[string(key)], err = readValue(r)
			}
		}
		return m, err
	}
	return nil, r.Skip()
}

func TestReaderVectors(t *testing.T) {
	all := readVectors(t)
	for _, v := range all.Accept {
		if got, err := readWhole(unhex(t, v.Frame)); err != nil || !same(got, v.Value.v) {
			t.Errorf("%s: %#v, %v, want %#v", v.Name, got, err, v.Value.v)
		}
	}
	for _, v := range all.Reject {
		b := unhex(t, v.Frame)
		_, want := Decode(b)
		if _, err := readWhole(b); err == nil || err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", v.Name, err, want)
		}
		r := Read(b)
		if err := r.End(); err == nil || err.Error() != want.Error() {
			t.Errorf("%s: End: %v, want %v", v.Name, err, want)
		}
	}
}

// FuzzReader reads anything with a Reader and with Decode, which must agree, and
// stops in the middle.
func FuzzReader(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		want, wantErr := Decode(b)
		if wantErr != nil && wantErr.(*Malformed).Reason == TooWide {
			return
		}
		got, err := readWhole(b)
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() || !same(got, want) {
			t.Fatalf("%x: %#v, %v, want %#v, %v", b, got, err, want, wantErr)
		}
		for steps := range 8 {
			endInTheMiddle(t, b, steps)
		}
	})
}

// endInTheMiddle ends a Reader after some steps: one frame passes, and what
// passes is frames.
func endInTheMiddle(t *testing.T, b []byte, steps int) {
	r := Read(b)
	for range steps {
		if _, err := r.Array(); err == nil {
			continue
		}
		if _, err := r.Map(); err == nil {
			continue
		}
		if err := r.Skip(); err != nil {
			break
		}
	}
	err := r.End()
	if err != nil {
		if Valid(b) == nil {
			t.Fatalf("%x: after %d steps: %v", b, steps, err)
		}
		return
	}
	for rest := b; len(rest) > 0; {
		if rest, err = Skip(rest); err != nil {
			t.Fatalf("%x passes after %d steps: %v", b, steps, err)
		}
	}
}

func TestReaderTakesApart(t *testing.T) {
	b, err := AppendArgs(nil, []any{1.5, int64(7), "text", true, nil, []byte{9}, []any{}, map[string]any{"k": []any{int64(1), int64(2)}}, time.Unix(5, 0)})
	if err != nil {
		t.Fatal(err)
	}
	r := Read(append(b, 0x2a))
	n, err := r.Array()
	f, err1 := r.Float()
	whole, err2 := r.Float()
	s, err3 := r.Str()
	yes, err4 := r.Bool()
	if n != 9 || f != 1.5 || whole != 7 || string(s) != "text" || !yes || !r.Nil() || r.Nil() {
		t.Error(n, f, whole, s, yes)
	}
	p, err5 := r.Bytes()
	empty, err6 := r.Array()
	pairs, err7 := r.Map()
	key, err8 := r.Str()
	list, err9 := r.Raw()
	at, err10 := r.Time()
	if err := errors.Join(err, err1, err2, err3, err4, err5, err6, err7, err8, err9, err10); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(p, []byte{9}) || empty != 0 || pairs != 1 || string(key) != "k" || !bytes.Equal(list, []byte{0x92, 1, 2}) || at.Unix() != 5 {
		t.Error(p, empty, pairs, key, list, at)
	}
	if string(r.Rest()) != "\x2a" {
		t.Errorf("Rest = %x", r.Rest())
	}
	if next, err := r.Int(); err != nil || next != 42 {
		t.Error(next, err)
	}
	if err := r.End(); err != nil || r.Kind() != KindNone {
		t.Error(err, r.Kind())
	}
}

func TestReaderRefuses(t *testing.T) {
	deep := strings.Repeat("\x91", MaxDepth+1) + "\xc0"
	cases := []struct {
		name, b string
		before  int // heads to read first
		read    func(*Reader) error
		want    string
	}{
		{"another kind", "\x92\x01\xa1a", 2, asInt, "frame: byte 2: found string, expected int"},
		{"a float is no int", "\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", 0, asInt, "frame: byte 0: found float, expected int"},
		{"above int64", "\xcf\xff\x00\x00\x00\x00\x00\x00\x00", 0, asInt, "frame: byte 0: found uint, expected int"},
		{"below 0", "\xff", 0, func(r *Reader) error { _, err := r.Uint(); return err }, "frame: byte 0: found int, expected uint"},
		{"no such float", "\xcf\x00\x20\x00\x00\x00\x00\x00\x01", 0, asFloat, "frame: byte 0: found an integer that no float is equal to, expected float"},
		{"the largest int is no float", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 0, asFloat, "frame: byte 0: found an integer that no float is equal to, expected float"},
		{"the largest uint is no float", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 0, asFloat, "frame: byte 0: found an integer that no float is equal to, expected float"},
		{"time", "\xd6\xff\x00\x00\x00\x00", 0, asFloat, "frame: byte 0: found time, expected float"},
		{"the end", "", 0, asInt, "frame: byte 0: truncated: the end comes inside a value"},
		{"a list's end", "\x91\x01", 2, asInt, "frame: byte 2: truncated: the end comes inside a value"},
		{"not UTF-8", "\xa1\xff", 0, func(r *Reader) error { _, err := r.Str(); return err }, "frame: byte 0: utf8: text is not UTF-8"},
		{"a key", "\x81\x01\x02", 1, asInt, "frame: byte 1: key: a map's key is not a string"},
		{"a key, skipped", "\x81\x01\x02", 1, (*Reader).Skip, "frame: byte 1: key: a map's key is not a string"},
		{"a second key", "\x82\xa0\x01\x90\x02", 3, func(r *Reader) error { _, err := r.Array(); return err }, "frame: byte 3: key: a map's key is not a string"},
		{"nil is no key", "\x81\xc0\x02", 1, func(r *Reader) error {
			if r.Nil() {
				return nil
			}
			return r.Skip()
		}, "frame: byte 1: key: a map's key is not a string"},
		{"too deep", deep, MaxDepth, func(r *Reader) error { _, err := r.Array(); return err }, "frame: byte 64: depth: lists and maps nest deeper than 64"},
		{"too deep, skipped", deep, MaxDepth, (*Reader).Skip, "frame: byte 64: depth: lists and maps nest deeper than 64"},
		{"an extension", "\xd4\x05\x00", 0, asInt, "frame: byte 0: ext: the extension is neither a time (-1) nor an error (1)"},
		{"no error", "\xd4\x01\x00", 0, func(r *Reader) error { _, _, err := r.Fault(); return err }, `frame: byte 0: error: an error is a map of "msg" and "class" (usage, io or fatal), both strings`},
		{"count", "\x95\x00", 0, func(r *Reader) error { _, err := r.Array(); return err }, "frame: byte 0: count: more items are announced than there are bytes for"},
	}
	for _, c := range cases {
		r := Read([]byte(c.b))
		for range c.before {
			if _, err := r.Array(); err == nil {
				continue
			}
			if _, err := r.Map(); err != nil {
				if err := r.Skip(); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
			}
		}
		left := len(r.Rest())
		for range 2 { // the Reader stays where it is
			if err := c.read(&r); err == nil || err.Error() != c.want || len(r.Rest()) != left {
				t.Errorf("%s: %v, want %s; %d bytes are left of %d", c.name, err, c.want, len(r.Rest()), left)
			}
		}
	}
}

func asInt(r *Reader) error   { _, err := r.Int(); return err }
func asFloat(r *Reader) error { _, err := r.Float(); return err }

// TestReaderDepth leaves lists and begins others at the same depth, more often
// than there are depths.
func TestReaderDepth(t *testing.T) {
	b := AppendArrayHeader(nil, 200)
	for range 200 {
		b = append(b, "\x91\x90"...)
	}
	r := Read(b)
	for n := range 401 {
		if _, err := r.Array(); err != nil {
			t.Fatalf("list %d: %v", n, err)
		}
	}
	if err := r.End(); err != nil {
		t.Error(err)
	}
}

func TestReaderAllocs(t *testing.T) {
	b, err := AppendArgs(nil, []any{1.5, int64(7), "text", true, map[string]any{"k": nil}, time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	got := testing.AllocsPerRun(100, func() {
		r := Read(b)
		n, _ := r.Array()
		_, _ = r.Float()
		_, _ = r.Int()
		_, _ = r.Str()
		if r.Kind() != KindBool || n != 6 {
			t.Fatal(r.Kind(), n)
		}
		if err := r.End(); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}
