package bench

import (
	"testing"
	"time"

	"github.com/vanth-io/vanth/bench/internal/report"
)

// work is a piece of work: what it is, and who does it.
type work struct {
	name string
	// subjects makes those who do it. The first is the floor. t cleans up after
	// them.
	subjects func(t testing.TB) []subject
	// rounds of a time each; zero means the defaults, which suit work of less
	// than some microseconds.
	rounds int
	round  time.Duration
	// quick work is held to twice its promises by every `go test`.
	quick bool
}

// subject is one who does a piece of work.
type subject struct {
	name string
	// run does the work n times and checks each result.
	run func(n int) error
	// per is how many operations one of the n is, such as the rows of a batch; 0
	// is 1. Figures are those of an operation.
	per      int
	promises []promise
}

// promise is one of P1 to P13, as the report names them.
type promise struct {
	text     string
	bound    float64         // the most that is promised
	of       report.Measured // which figure is bounded; empty is the ratio to the floor
	noAllocs bool
}

// most promises a ratio to the floor.
func most(text string, bound float64) []promise { return []promise{{text: text, bound: bound}} }

// lean promises a ratio to the floor, and no allocations.
func lean(text string, bound float64) []promise {
	return []promise{{text: text, bound: bound, noAllocs: true}}
}

// within promises nanoseconds an operation.
func within(text string, ns float64) []promise {
	return []promise{{text: text, bound: ns, of: report.OfNS}}
}

// The rounds that suit short work, and are used unless a work says otherwise.
const (
	defaultRounds = 250
	defaultRound  = 3 * time.Millisecond
)

// measure lets the subjects take turns and returns the figures of an operation.
func measure(subjects []subject, rounds int, round time.Duration) ([]report.Figure, error) {
	list := make([]report.Subject, len(subjects))
	for i, s := range subjects {
		list[i] = report.Subject{Name: s.name, Run: s.run}
	}
	figures, err := report.Measure(list, rounds, round)
	if err != nil {
		return nil, err
	}
	floor := float64(max(subjects[0].per, 1))
	for i := range figures {
		f, per := &figures[i], float64(max(subjects[i].per, 1))
		f.MedianNS /= per
		f.LeastNS /= per
		f.Allocs /= per
		f.Ratio *= floor / per
		f.LeastRatio *= floor / per
	}
	return figures, nil
}

// rows makes the rows of a work from its figures: one for each promise of a
// subject, or one without.
func (w work) rows(subjects []subject, figures []report.Figure) []report.Row {
	var rows []report.Row
	for i, r := range report.Rows(w.name, figures) {
		s := subjects[i]
		if len(figures) > 1 {
			s = subjects[i+1]
		}
		if len(s.promises) == 0 {
			rows = append(rows, r)
		}
		for _, p := range s.promises {
			r.Promise, r.Bound, r.Of, r.NoAllocs = p.text, p.bound, p.of, p.noAllocs
			rows = append(rows, r)
		}
	}
	return rows
}

// works are all that is measured by turns.
func works() []work {
	var list []work
	for _, some := range [][]work{callWorks(), batchWorks(), guestWorks(), meterWorks(), nativeWorks(), portableWorks(), httpWorks(), startWorks(), ruleWorks()} {
		list = append(list, some...)
	}
	return list
}
