package bench

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/vanth-io/vanth/bench/internal/report"
)

// TestFigures measures everything and writes the report into the folder that
// VANTH_FIGURES names. It takes some minutes, so it runs only then. A promise that
// is broken is shown in the report and fails nothing here: what this machine does
// meanwhile is not known. VANTH_WORK, a part of a name, picks some of the works.
func TestFigures(t *testing.T) {
	dir := os.Getenv("VANTH_FIGURES")
	if dir == "" {
		t.Skip("VANTH_FIGURES is not set: `make bench` sets it")
	}
	if raced {
		t.Fatal("found the race detector in this binary: its figures are worth nothing")
	}
	var rows []report.Row
	notes := standingNotes()
	begun := time.Now()
	for _, w := range works() {
		run(t, w.name, &notes, func(t *testing.T) {
			subjects := w.subjects(t)
			rounds, round := w.rounds, w.round
			if rounds == 0 {
				rounds, round = defaultRounds, defaultRound
			}
			figures, err := measure(subjects, rounds, round)
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, w.rows(subjects, figures)...)
		})
	}
	for _, s := range studies() {
		run(t, s.name, &notes, func(t *testing.T) { rows = append(rows, s.rows(t)...) })
	}
	notes = append(notes, fmt.Sprintf("Measured in %v.", time.Since(begun).Round(time.Second)))
	if err := report.Write(dir, "Vanth beside its floors", rows, notes...); err != nil {
		t.Fatal(err)
	}
}

// run measures one thing, if it is wanted, and notes what could not be measured.
func run(t *testing.T, name string, notes *[]string, f func(t *testing.T)) {
	if !wanted(name) {
		return
	}
	skipped := false
	passed := t.Run(name, func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		f(t)
	})
	switch {
	case !passed:
		*notes = append(*notes, "**"+name+" could not be measured**: its test failed.")
	case skipped:
		*notes = append(*notes, name+" was not measured: this machine or this build has not what it takes.")
	}
}

// standingNotes are what a reader of the table must know.
func standingNotes() []string {
	return []string{
		"The subjects run with every limit on: deadline, fuel, depth, memory. \"raw wazero\" is the same module on the engine alone, without any. " +
			"Every result is checked, by the floors too. A ratio is made within each round, and the median of the rounds' ratios counts.",
		"\"ns\" is one operation: one call, one row or one value of a batch. Of 16 callers it is the time that passes for one call of all of theirs: a second over the calls a second.",
		"P7 is held by the hostile corpus of package wasm (`make hostile`); the row here is one endless loop beside one good plugin. " +
			"P13 is measured in bench/peers (`make bench-peers`), a module of its own, so that the peers' dependencies never reach this one.",
	}
}

// TestPromises holds the quick works to twice what is promised, and to its
// allocations. A machine that is busy with other things is given several tries;
// least times are compared, since nothing makes work faster than it is.
func TestPromises(t *testing.T) {
	for _, w := range works() {
		if !w.quick {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			subjects := w.subjects(t)
			for _, s := range subjects {
				if err := s.run(2); err != nil {
					t.Fatalf("%s: %v", s.name, err)
				}
			}
			if raced {
				return // neither times nor allocations are those of the product
			}
			const tries = 6
			for try := 1; ; try++ {
				figures, err := measure(subjects, 5*try, time.Duration(try)*time.Millisecond/2)
				if err != nil {
					t.Fatal(err)
				}
				broken := overdue(subjects, figures)
				if len(broken) == 0 {
					return
				}
				if try == tries {
					for _, b := range broken {
						t.Error(b)
					}
					return
				}
			}
		})
	}
}

// overdue says which promises were not kept, or not by half.
func overdue(subjects []subject, figures []report.Figure) []string {
	var broken []string
	for i, s := range subjects {
		f := figures[i]
		for _, p := range s.promises {
			if p.noAllocs && f.Allocs >= 0.5 {
				broken = append(broken, fmt.Sprintf("%s: found %.2f allocations, expected none (%s)", s.name, f.Allocs, p.text))
			}
			if p.of == report.OfRatio && p.bound > 0 && f.LeastRatio > 2*p.bound {
				broken = append(broken, fmt.Sprintf("%s: found %.2f times the floor, expected at most twice the promise (%s)", s.name, f.LeastRatio, p.text))
			}
		}
	}
	return broken
}

// TestPromisesCanFail breaks a promise of each kind.
func TestPromisesCanFail(t *testing.T) {
	floor := subject{name: "floor", run: nothing}
	for name, s := range map[string]subject{
		"ratio":       {name: "s", run: nothing, promises: most("", 1)},
		"allocations": {name: "s", run: nothing, promises: lean("", 100)},
	} {
		figures := []report.Figure{{LeastRatio: 1}, {LeastRatio: 2.1, Allocs: 1}}
		if len(overdue([]subject{floor, s}, figures)) != 1 {
			t.Errorf("%s: found no fault", name)
		}
		figures[1] = report.Figure{LeastRatio: 1.9, Allocs: 0.1}
		if found := overdue([]subject{floor, s}, figures); len(found) > 0 {
			t.Errorf("%s: found %v", name, found)
		}
	}
}

func nothing(int) error { return nil }

// BenchmarkWork is all works as benchmarks, for benchstat and for profiles:
// -bench 'Work/echo'. One operation is that of the work.
func BenchmarkWork(b *testing.B) {
	for _, w := range works() {
		b.Run(w.name, func(b *testing.B) {
			for _, s := range w.subjects(b) {
				b.Run(s.name, func(b *testing.B) {
					b.ReportAllocs()
					if err := s.run(b.N); err != nil {
						b.Fatal(err)
					}
					if s.per > 1 {
						b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.per), "ns/op")
					}
				})
			}
		})
	}
}
