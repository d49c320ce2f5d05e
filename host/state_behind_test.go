package host_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// TestStatePilesUp: keys that come and go between two saves are not kept without end.
func TestStatePilesUp(t *testing.T) {
	s, err := host.NewState(&hosttest.MemStore{}, host.ID{Class: host.ClassWASM, Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; n < 1_000_000; n++ {
		key := fmt.Sprintf("%01000d", n)
		if err = s.Put("", key, nil); err != nil {
			break
		}
		s.Delete("", key)
	}
	if !errors.Is(err, host.ErrBusy) || n < 10_000 || n > 100_000 {
		t.Fatalf("%d keys, %v", n, err)
	}
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	if err := s.Put("", "x", nil); err != nil {
		t.Error(err)
	}
}
