package host_test

import (
	"context"
	"testing"
)

// TestPinCounts: what a pin has not counted yet is little, and nothing when it is closed.
func TestPinCounts(t *testing.T) {
	b := open(t)
	b.install("kit", "v1", "version")
	f, err := b.Function("version")
	if err != nil {
		t.Fatal(err)
	}
	pin, err := f.Pin()
	if err != nil {
		t.Fatal(err)
	}
	counted := func() uint64 {
		d, err := b.FunctionNamed("version")
		if err != nil {
			t.Fatal(err)
		}
		return d.Usage.Calls
	}
	const calls = 1000
	for i := range uint64(calls) {
		if n := counted(); n > i || i-n > 63 {
			t.Fatalf("%d calls, %d counted", i, n)
		}
		if _, err := pin.Exec(context.Background(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	pin.Close()
	if n := counted(); n != calls {
		t.Errorf("%d calls, %d counted", calls, n)
	}
	if d, err := b.FunctionNamed("version"); err != nil || d.Usage.P99 == 0 {
		t.Error("no call was timed: ", err)
	}
}
