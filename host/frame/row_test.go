package frame

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// TestEncoderRows encodes rows of many kinds in turn, with an Encoder that
// remembers some of them, and what nests in them.
func TestEncoderRows(t *testing.T) {
	var e Encoder
	wide := map[string]any{}
	for i := range 3 * shapeColumns {
		wide[fmt.Sprint("column ", i)] = int64(i)
	}
	rows := []map[string]any{
		sampleRow(),
		{},
		{"a": int64(1), "b": "x"},
		{"a": int64(1), "c": "x"}, // as many, others
		{"a": int64(1), "b": map[string]any{"a": true, "b": nil}},
		{"": 1.5, strings.Repeat("k", maxKey+1): "x"},
		{"ünicode": "ä", "b": strings.Repeat("y", 300)},
		wide,
	}
	for range 50 {
		for _, row := range rows {
			for range 3 {
				b, err := e.Append(nil, row)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := Decode(b); err != nil || !same(got, row) {
					t.Fatalf("%v came back as %v, %v", row, got, err)
				}
			}
		}
	}
	args := []any{rows[0], rows[2]}
	b, err := e.AppendArgs(nil, args)
	if got, err2 := DecodeArgs(b); err != nil || err2 != nil || !same(got, args) {
		t.Errorf("%v, %v, %v", got, err, err2)
	}
	if b, err := e.AppendArgs(b[:1], []any{struct{}{}}); err == nil || len(b) != 1 || err.Error() != "[0]: struct {} has no form in a frame" {
		t.Errorf("%x, %v", b, err)
	}
}

// TestEncoderOrder has one order for the columns of rows that are alike, whichever
// Encoder appends them.
func TestEncoderOrder(t *testing.T) {
	var first []byte
	for range 5 {
		var e Encoder
		if _, err := e.Append(nil, sampleRow()); err != nil { // learns
			t.Fatal(err)
		}
		for range 5 {
			b, err := e.Append(nil, sampleRow())
			if first == nil {
				first = b
			}
			if err != nil || string(b) != string(first) {
				t.Fatalf("%x, %v, want %x", b, err, first)
			}
		}
	}
}

// TestEncoderNests encodes maps whose columns an Encoder takes for known until it
// is at the last one, at each level: work must not double with each of them.
func TestEncoderNests(t *testing.T) {
	row := func(last string) any {
		var v any = int64(1)
		for range MaxDepth {
			v = map[string]any{"a": v, last: nil}
		}
		return v
	}
	var e Encoder
	if _, err := e.Append(nil, row("y")); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		b, err := e.Append(nil, row("z"))
		if err == nil {
			err = Valid(b)
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still encoding")
	}
}

// TestEncoderNestsAlike has a map in a map that is remembered in the same place
// as it is, and takes it while it is encoded.
func TestEncoderNestsAlike(t *testing.T) {
	var e Encoder
	v := any(map[string]any{"0": int64(1), "x": int64(2)})
	for range maxShapes - 1 {
		v = []any{v}
	}
	for _, row := range []map[string]any{{"a": int64(1), "y": int64(2)}, {"a": v, "z": int64(3)}} {
		b, err := e.Append(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(b); err != nil || !same(got, row) {
			t.Fatalf("%v came back as %v, %v", row, got, err)
		}
	}
}

// TestRowsAtRandom nests maps of few keys in each other, so that all that is
// remembered is right in part.
func TestRowsAtRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	scalars := []any{nil, true, int64(5), int64(500), 1.5, "x", "a text of more than sixteen", "ä", []byte{1}}
	var value func(depth int) any
	value = func(depth int) any {
		switch n := random.IntN(8); {
		case n < 3 && depth > 0:
			m := map[string]any{}
			for range random.IntN(5) {
				m[string(rune('a'+random.IntN(5)))] = value(depth - 1)
			}
			return m
		case n == 3 && depth > 0:
			return []any{value(depth - 1), value(depth - 1)}
		}
		return scalars[random.IntN(len(scalars))]
	}
	var e Encoder
	var d Decoder
	for range 20_000 {
		v := value(6)
		b, err := e.Append(nil, v)
		got, err2 := d.Decode(b)
		if plain, err3 := Decode(b); err != nil || err2 != nil || err3 != nil || !same(got, v) || !same(plain, v) {
			t.Fatalf("%v came back as %v and %v, %v, %v, %v", v, got, plain, err, err2, err3)
		}
	}
}

// TestEncoderLearnsLess has rows that no Encoder knows: the cost of learning them
// falls away.
func TestEncoderLearnsLess(t *testing.T) {
	var e Encoder
	rows := [2]map[string]any{{"a": true, "b": true}, {"a": true, "c": true}}
	buf := make([]byte, 0, 64)
	i := 0
	run := func() {
		i++
		if _, err := e.Append(buf, rows[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		run()
	}
	if got := testing.AllocsPerRun(1000, run); got > 0 {
		t.Errorf("%v allocations a row", got)
	}
}

// TestDecoderValues has columns that stay, change, and change their type, in rows
// that come in any order, nest in each other and have columns in common.
func TestDecoderValues(t *testing.T) {
	var d Decoder
	values := []any{
		int64(1), int64(300), int64(300), int64(-300), true, false, nil, 0.0, math.Copysign(0, -1), 1.0, math.NaN(), math.NaN(),
		"", "text", "text", "other", strings.Repeat("t", 31), strings.Repeat("t", 32), strings.Repeat("t", maxText), strings.Repeat("t", maxText+1),
		"ä", uint64(math.MaxUint64),
		[]byte{1},
		[]byte{1},
		[]any{"text"},
		time.Unix(7, 0).UTC(), &Error{"m", ClassIO},
		map[string]any{"a": "text"},
	}
	for i := range 4 * len(values) {
		at := func(n int) any { return values[(i/2*(n+1)+n)%len(values)] }
		row := map[string]any{"a": at(0), "b": at(1), "c": at(2), "stays": "here", "nest": map[string]any{"a": at(3), "b": at(4), "d": at(5)}}
		b, err := Append(nil, []any{row, row["nest"], row})
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Decode(b)
		if want, _ := Decode(b); err != nil || !same(got, want) {
			t.Fatalf("%v, %v, want %v", got, err, want)
		}
		// Whoever has a row may do with it what he likes.
		clear(got.([]any)[0].(map[string]any))
	}
}

func TestDecoderRepeats(t *testing.T) {
	var d Decoder
	for range 3 { // the last of equal keys counts, remembered or not
		got, err := d.Decode([]byte("\x84\xa1a\x01\xa1a\xa1x\xa1b\x02\xa1a\xa1y"))
		if want := map[string]any{"a": "y", "b": int64(2)}; err != nil || !same(got, want) {
			t.Errorf("%v, %v", got, err)
		}
	}
	// What is remembered from a frame that was refused is sound.
	if _, err := d.Decode([]byte("\x82\xa1a\xa1z\xa1b\xa2\xff\xfe")); err == nil {
		t.Error("not UTF-8, and passes")
	}
	got, err := d.Decode([]byte("\x82\xa1a\xa1z\xa1b\xa2bb"))
	if want := map[string]any{"a": "z", "b": "bb"}; err != nil || !same(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestDecoderHeads has a key that is as long as a head cannot say, and behind it
// what it would be if it were.
func TestDecoderHeads(t *testing.T) {
	for n := range 40 {
		var d Decoder
		row := map[string]any{"a": int64(1), strings.Repeat("\x01", n): int64(1)}
		for range 10 { // in both orders
			b, err := Append(nil, row)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := d.Decode(b); err != nil || !same(got, row) {
				t.Fatal(n, got, err)
			}
		}
		b := []byte("\xdc\x00\x40\x82\xa1a\x01\xa0" + strings.Repeat("\x01", 64))
		got, err := d.Decode(b)
		if want, _ := Decode(b); err != nil || !same(got, want) {
			t.Errorf("%d: %v, %v, want %v", n, got, err, want)
		}
	}
}

// TestKeeps fills an Encoder and a Decoder with as much as they take.
func TestKeeps(t *testing.T) {
	var d Decoder
	var e Encoder
	if _, err := e.Append(nil, map[string]any{strings.Repeat("k", maxKey+1): nil}); err != nil || e.shapes[2].keys != nil {
		t.Error("a long key is kept", err)
	}
	for i := range 2000 {
		row := map[string]any{}
		for j := range 1 + i%20 {
			row[fmt.Sprintf("%0*d", maxKey+i%10/9, i*100+j)] = strings.Repeat("x", maxText+i%3/2*1000)
		}
		b, err := e.Append(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.Decode(b); err != nil || !same(got, row) {
			t.Fatal(got, err)
		}
	}
	var d2 Decoder
	for i := range 8 * maxKnown { // rows of as many columns as are known, whose second half changes
		row := pairs{}
		for j := range knownPairs - i%maxKnown {
			row = append(row, pair{fmt.Sprintf("%15d", j), fmt.Sprintf("%15d", j/8*i)})
		}
		decodeBoth(t, &d2, row.append(t, nil))
	}
	kept := int(unsafe.Sizeof(*d.memo))
	for _, c := range d.memo {
		kept += len(c.key)
		if s, ok := c.last.(string); ok {
			kept += 16 + len(s)
		}
	}
	for _, at := range d2.rows {
		kept += int(unsafe.Sizeof(at)) + at.row.kept()
	}
	for _, at := range d.rows {
		if at.row != nil && len(at.row.raw) > knownBytes {
			t.Errorf("a row of %d bytes is known", len(at.row.raw))
		}
	}
	if kept > DecoderKeeps || kept < DecoderKeeps/2 {
		t.Errorf("a Decoder keeps %d bytes, says %d", kept, DecoderKeeps)
	}
	kept = int(unsafe.Sizeof(*e.shapes))
	for _, s := range e.shapes {
		for _, key := range s.keys[:cap(s.keys)] {
			kept += 16 + len(key)
		}
	}
	if kept > EncoderKeeps || kept < EncoderKeeps/2 {
		t.Errorf("an Encoder keeps %d bytes, says %d", kept, EncoderKeeps)
	}
}
