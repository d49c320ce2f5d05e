package report

import "fmt"

// Row is one line of the report: a subject, its floor, and what was promised of the two.
type Row struct {
	Work    string `json:"work"`    // what is done, such as "echo 256 B"
	Subject string `json:"subject"` // who does it
	Floor   string `json:"floor"`   // the least it can cost; empty where there is none

	MedianNS float64 `json:"median_ns"` // of one operation of the subject
	FloorNS  float64 `json:"floor_ns"`  // of one operation of the floor
	Ratio    float64 `json:"ratio"`     // subject over floor; 0 where there is no floor

	Promise string   `json:"promise,omitempty"`  // such as "P1: at most 1.2x"; empty where nothing is promised
	Bound   float64  `json:"bound,omitempty"`    // the number in the promise, see Of; 0 where none is
	Of      Measured `json:"of,omitempty"`       // what the bound holds; empty is the ratio
	AtLeast bool     `json:"at_least,omitempty"` // the bound is the least that is promised, not the most
	// NoAllocs is the promise that an operation allocates nothing. With a bound, both must hold.
	NoAllocs bool `json:"no_allocs,omitempty"`
	// Kept tells whether the promise was kept; nil where there is none. Write fills it in where it is
	// nil. One that the caller has set stands.
	Kept *bool `json:"kept,omitempty"`

	Allocs float64 `json:"allocs"` // of one operation of the subject
	// Value is a figure that is not a time, and Unit what it counts, such as "bytes".
	Value float64 `json:"value,omitempty"`
	Unit  string  `json:"unit,omitempty"`
}

// Measured names the figure of a [Row] that a bound holds.
type Measured string

// What a bound can hold.
const (
	OfRatio Measured = ""
	OfNS    Measured = "median_ns"
	OfValue Measured = "value"
)

// noAllocs is how many allocations still are none: what the rest of the process
// allocates meanwhile is counted as well.
const noAllocs = 0.05

// held is the figure that the bound holds.
func (r *Row) held() float64 {
	switch r.Of {
	case OfNS:
		return r.MedianNS
	case OfValue:
		return r.Value
	default:
		return r.Ratio
	}
}

// judge tells whether the promise was kept; nil where there is none. A figure that is missing keeps
// nothing.
func (r *Row) judge() *bool {
	if r.Kept != nil {
		return r.Kept
	}
	if r.Bound == 0 && !r.NoAllocs {
		return nil
	}
	kept := !r.NoAllocs || r.Allocs < noAllocs
	if r.Bound != 0 {
		got := r.held()
		kept = kept && got > 0 && (got == r.Bound || (got > r.Bound) == r.AtLeast)
	}
	return &kept
}

// judged returns the rows with Kept filled in. A row without a name is an error: nobody could read it.
func judged(rows []Row) ([]Row, error) {
	out := make([]Row, len(rows))
	for i, r := range rows {
		if r.Work == "" || r.Subject == "" {
			return nil, fmt.Errorf("row %d: found work %q and subject %q: give both a name", i, r.Work, r.Subject)
		}
		if r.Bound < 0 {
			return nil, fmt.Errorf("row %d, %s: found the bound %v: it must be positive", i, r.Subject, r.Bound)
		}
		r.Kept = r.judge()
		out[i] = r
	}
	return out, nil
}

// Rows makes a row of each figure but the first, which is their floor; of one figure alone a row
// without a floor.
func Rows(work string, figures []Figure) []Row {
	if len(figures) == 1 {
		f := figures[0]
		return []Row{{Work: work, Subject: f.Name, MedianNS: f.MedianNS, Allocs: f.Allocs}}
	}
	var rows []Row
	for i, f := range figures {
		if i == 0 {
			continue
		}
		rows = append(rows, Row{
			Work: work, Subject: f.Name, Floor: figures[0].Name,
			MedianNS: f.MedianNS, FloorNS: figures[0].MedianNS, Ratio: f.Ratio, Allocs: f.Allocs,
		})
	}
	return rows
}
