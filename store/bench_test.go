package store

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/vanth-io/vanth/host"
)

// BenchmarkPut replaces one record of a hundred.
func BenchmarkPut(b *testing.B) {
	s := mustOpen(b, filepath.Join(b.TempDir(), "vanth.db"))
	for i := range 100 {
		if err := s.PutPlugin(sample(fmt.Sprint("p", i), i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := s.PutPlugin(sample(fmt.Sprint("p", i%100), i)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSaveState is a checkpoint of n values of 100 bytes.
func BenchmarkSaveState(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := mustOpen(b, filepath.Join(b.TempDir(), "vanth.db"))
			changes := make([]host.StateChange, n)
			for i := range changes {
				changes[i] = value(fmt.Sprintf("key%06d", i), make([]byte, 100))
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.SaveState(wasmID("geo"), changes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen opens and reads a store of 50 plugins, half of them with state.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "vanth.db")
	s := mustOpen(b, path)
	for i := range 50 {
		if err := s.PutPlugin(sample(fmt.Sprint("p", i), i)); err != nil {
			b.Fatal(err)
		}
		if i%2 == 0 {
			if err := s.SaveState(wasmID(fmt.Sprint("p", i)), []host.StateChange{value("k", make([]byte, 10_000))}); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, errs := dump(s, wasmID("p0"), wasmID("p2")); errs != nil {
			b.Fatal(errs)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
