package wasm

import (
	"bytes"
	"fmt"
	"testing"
)

// TestMarks: the last offset of each item is kept, whatever was marked before it and after; room that is marked over is
// used again, and no piece is larger than it need be.
func TestMarks(t *testing.T) {
	b := &outbox{}
	for poll := range 3 {
		var want [][]byte
		for i := range 300 {
			b.add(emitted{}, 0)
			for again := range i % 4 {
				data := bytes.Repeat([]byte{byte(i), byte(again), byte(poll)}, 1+i*again*7%(maxOffset/3))
				b.mark(data)
				if again == 0 {
					want = append(want, nil)
				}
				want[len(want)-1] = data
			}
			if i%4 == 0 {
				want = append(want, nil)
			}
		}
		sum := 0
		for i, it := range b.items {
			if !bytes.Equal(it.offset, want[i]) {
				t.Fatalf("poll %d, item %d: found an offset of %d bytes, expected %d", poll, i, len(it.offset), len(want[i]))
			}
			sum += len(it.offset)
		}
		if b.marks != sum {
			t.Errorf("poll %d: %d bytes are counted, expected %d", poll, b.marks, sum)
		}
		if cap(b.arena) > maxPiece {
			t.Errorf("poll %d: a piece of %d bytes", poll, cap(b.arena))
		}
		if at := b.offset(); !bytes.Equal(at, want[299]) {
			t.Errorf("poll %d: the last offset has %s", poll, fmt.Sprint(len(at)))
		}
		b.reset()
	}
	b.add(emitted{}, 0)
	for range 100_000 {
		b.mark(make([]byte, 100))
	}
	if b.marks != 100 || cap(b.arena) > maxPiece {
		t.Errorf("one item marked over and over: %d bytes are counted, in a piece of %d", b.marks, cap(b.arena))
	}
}
