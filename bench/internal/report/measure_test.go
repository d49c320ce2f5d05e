package report_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/bench/internal/report"
)

// spin keeps the processor busy for the given time, n times.
func spin(each time.Duration) func(n int) error {
	return func(n int) error {
		for range n {
			for begun := time.Now(); time.Since(begun) < each; {
			}
		}
		return nil
	}
}

// escaped keeps allocations from being optimised away.
var escaped []byte

// A subject that takes three times as long is found to take three times as long, and allocations are
// counted for the one who makes them.
func TestMeasure(t *testing.T) {
	const step = 100 * time.Microsecond
	figures, err := report.Measure([]report.Subject{
		{Name: "floor", Run: spin(step)},
		{Name: "thrice", Run: spin(3 * step)},
		{Name: "allocates", Run: func(n int) error {
			for range n {
				escaped = make([]byte, 64)
			}
			return nil
		}},
	}, 11, 3*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	floor, thrice := figures[0], figures[1]
	if floor.Name != "floor" || floor.Ratio != 1 || floor.LeastRatio != 1 {
		t.Errorf("found %+v as the floor", floor)
	}
	// Least times hold on a machine however busy: nobody spins for less than he was told.
	if floor.LeastNS < float64(step) || thrice.LeastNS < float64(3*step) || floor.MedianNS < floor.LeastNS {
		t.Errorf("found %+v and %+v: less than was spun", floor, thrice)
	}
	if math.Abs(thrice.LeastRatio-3) > 1 {
		t.Errorf("found the ratio %.2f, expected about 3", thrice.LeastRatio)
	}
	if a := figures[2].Allocs; a < 1 || a > 1.1 {
		t.Errorf("found %.2f allocations, expected 1", a)
	}
	rows := report.Rows("spin", figures)
	if len(rows) != 2 || rows[0].Subject != "thrice" || rows[0].Floor != "floor" || rows[0].FloorNS != floor.MedianNS {
		t.Errorf("found the rows %+v", rows)
	}
}

// A machine that becomes slower meanwhile changes times, not ratios.
func TestMeasureDrift(t *testing.T) {
	slower := time.Duration(1)
	drift := func(times time.Duration) func(n int) error {
		return func(n int) error {
			slower += time.Duration(n) / 2
			return spin(times * slower * 10 * time.Microsecond)(n)
		}
	}
	figures, err := report.Measure([]report.Subject{{"floor", drift(1)}, {"twice", drift(2)}}, 15, time.Microsecond)
	if err != nil {
		t.Fatal(err)
	}
	if r := figures[1].Ratio; r < 1.3 || r > 3 {
		t.Errorf("found the ratio %.2f, expected about 2: %+v", r, figures)
	}
}

// Who is kept waiting while his operations are counted does as many in a round as who is not.
func TestMeasureStall(t *testing.T) {
	const round = 5 * time.Millisecond
	runs, last := 0, 0
	_, err := report.Measure([]report.Subject{{Name: "stalled", Run: func(n int) error {
		if runs++; runs == 1 || runs == 3 {
			time.Sleep(2 * round)
		}
		last = n
		return spin(10 * time.Microsecond)(n)
	}}}, 3, round)
	if err != nil || last < 100 {
		t.Errorf("found %d operations of 10 us a round of %v, expected about 500 (%v)", last, round, err)
	}
}

// Subjects take turns, all in each round, each with as many operations in every round.
func TestMeasureTurns(t *testing.T) {
	type turn struct {
		name string
		n    int
	}
	var turns []turn
	subject := func(name string) report.Subject {
		return report.Subject{Name: name, Run: func(n int) error {
			turns = append(turns, turn{name, n})
			return spin(time.Millisecond)(n)
		}}
	}
	const rounds = 6
	if _, err := report.Measure([]report.Subject{subject("a"), subject("b"), subject("c")}, rounds, 2*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	measured := turns[len(turns)-3*rounds:]
	counts := map[string]int{}
	for r := range rounds {
		seen := map[string]bool{}
		for _, u := range measured[3*r : 3*r+3] {
			seen[u.name] = true
			if n, ok := counts[u.name]; ok && n != u.n {
				t.Errorf("%s: found %d operations and %d", u.name, n, u.n)
			}
			counts[u.name] = u.n
		}
		if len(seen) != 3 {
			t.Errorf("round %d: found %v, expected all three", r, seen)
		}
	}
}

func TestMeasureErrors(t *testing.T) {
	wrong := errors.New("found 3, expected 4")
	_, err := report.Measure([]report.Subject{{"good", spin(time.Microsecond)}, {"bad", func(int) error { return wrong }}}, 3, time.Millisecond)
	if !errors.Is(err, wrong) || !strings.Contains(err.Error(), "bad") {
		t.Errorf("found %v", err)
	}
	for _, c := range []struct {
		subjects []report.Subject
		rounds   int
		round    time.Duration
	}{
		{nil, 1, time.Second},
		{[]report.Subject{{"a", spin(1)}}, 0, time.Second},
		{[]report.Subject{{"a", spin(1)}}, 1, 0},
	} {
		if _, err := report.Measure(c.subjects, c.rounds, c.round); err == nil {
			t.Errorf("%+v: found no error", c)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{7}, 7},
		{[]float64{9, 1}, 5},
		{[]float64{100, 1, 3}, 3},
		{[]float64{4, 1000, 2, 1}, 3},
	} {
		if got := report.Median(c.values); got != c.want {
			t.Errorf("%v: found %v, expected %v", c.values, got, c.want)
		}
	}
	values := []float64{3, 1, 2}
	if report.Median(values); values[0] != 3 {
		t.Error("the caller's values were sorted")
	}
}
