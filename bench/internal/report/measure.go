package report

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"
)

// Subject is one way to do a piece of work.
type Subject struct {
	Name string
	// Run does the work n times and checks each result. Equal n must mean equal work.
	Run func(n int) error
}

// Figure is what was measured of a subject.
type Figure struct {
	Name     string
	MedianNS float64 // nanoseconds an operation, median of the rounds
	LeastNS  float64 // nanoseconds an operation, least of the rounds
	// Ratio is that to the first subject, the floor: made within each round, then the median of the
	// rounds. 1 for the floor itself.
	Ratio float64
	// LeastRatio is LeastNS over that of the floor: what remains where a busy machine spoils medians.
	LeastRatio float64
	Allocs     float64 // heap allocations an operation, of the whole process, median of the rounds
}

// Measure lets the subjects take turns: in each of the rounds every subject runs for about the given
// time. The first is the floor. How many operations that is, is found before, which also warms up. A
// subject that fails ends the measurement with its error.
func Measure(subjects []Subject, rounds int, round time.Duration) ([]Figure, error) {
	if len(subjects) == 0 || rounds < 1 || round <= 0 {
		return nil, fmt.Errorf("found %d subjects, %d rounds of %v: expected at least one of each", len(subjects), rounds, round)
	}
	counts := make([]int, len(subjects))
	for i, s := range subjects {
		n, err := calibrate(s, round)
		if err != nil {
			return nil, err
		}
		counts[i] = n
	}
	times := make([][]float64, len(subjects))
	allocs := make([][]float64, len(subjects))
	for r := range rounds {
		for k := range subjects {
			i := (k + r) % len(subjects) // nobody is always the one behind the same neighbour
			took, mallocs, err := once(subjects[i], counts[i])
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], took/float64(counts[i]))
			allocs[i] = append(allocs[i], mallocs/float64(counts[i]))
		}
	}
	figures := make([]Figure, len(subjects))
	for i, s := range subjects {
		ratios := make([]float64, rounds)
		for r := range ratios {
			ratios[r] = times[i][r] / times[0][r]
		}
		figures[i] = Figure{
			Name: s.Name, MedianNS: Median(times[i]), LeastNS: slices.Min(times[i]),
			Ratio: Median(ratios), LeastRatio: slices.Min(times[i]) / slices.Min(times[0]), Allocs: Median(allocs[i]),
		}
	}
	return figures, nil
}

// calibrate finds how many operations take about the time of a round.
func calibrate(s Subject, round time.Duration) (int, error) {
	n := 1
	for {
		took, err := least(s, n, round)
		if err != nil {
			return 0, err
		}
		want := float64(round)
		if took >= want/2 || n >= 1e9 {
			return max(1, int(float64(n)*want/took)), nil
		}
		// The first operations are slower than the rest, so not all the way at once.
		n = max(n+1, min(100*n, int(float64(n)*want/max(took, 1))))
	}
}

// least runs a subject n times, and again, unless that takes long: who was kept waiting by something
// else the first time would do too little in every round, and be measured by what a round costs.
func least(s Subject, n int, round time.Duration) (took float64, err error) {
	const tries, patience = 4, 100 * time.Millisecond
	took = math.Inf(1)
	for begun, try := time.Now(), 0; try < tries && (try == 0 || time.Since(begun) < max(patience, 4*round)); try++ {
		t, _, err := once(s, n)
		if err != nil {
			return 0, err
		}
		took = min(took, t)
	}
	return took, nil
}

// once runs a subject n times and returns the nanoseconds and allocations of all of them.
func once(s Subject, n int) (took, mallocs float64, err error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	err = s.Run(n)
	elapsed := time.Since(begun)
	runtime.ReadMemStats(&after)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", s.Name, err)
	}
	if elapsed <= 0 {
		return 0, 0, errors.New(s.Name + ": found no time spent: the clock stands still")
	}
	return float64(elapsed.Nanoseconds()), float64(after.Mallocs - before.Mallocs), nil
}

// Median returns the middle of the values, or what lies between the two in the
// middle; 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	m := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[m]
	}
	return (sorted[m-1] + sorted[m]) / 2
}
