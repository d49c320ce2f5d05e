package query

import (
	"context"
	"slices"

	"github.com/vanth-io/vanth/host/frame"
)

// This file calls functions before rows have their turn, for many rows at once, see
// many.go. A row that has its turn finds the result there, or the error. What is odd
// about a call - an argument that fails, a null, a crossing that fails - is left to the
// row, which calls as if nothing had been. So it is for pure functions only: of them a
// call too many, a call too early and a call again are not to be told from none.
// Functions with effects are called row by row, in the order of the rows and columns,
// and only if their row comes to them.
//
// WHERE is evaluated here too, once a row, unless it calls a function that is not
// pure.

// MaxAhead is how many rows Ahead looks at at once.
const MaxAhead = 256

// early is what a scope knows of rows before their turn.
type early struct {
	rows    []Row
	next    int
	memos   []memo // of all rows, one after another
	passed  []verdict
	in, out []byte
	of      []int // the rows in in
	decoder frame.Decoder
}

// verdict is that of WHERE.
type verdict struct {
	keep bool
	err  error
}

// early is the result for a row, nil where the row is to call.
func (st *siteState) early(place int) *cell {
	if place < len(st.cells) && st.cells[place].full {
		return &st.cells[place]
	}
	return nil
}

func (e *early) turnOf(r *Row) bool { return e.next < len(e.rows) && &e.rows[e.next] == r }

// stand goes to one of the rows.
func (s *scope) stand(place int) {
	s.place, s.row = place, &s.early.rows[place]
	s.memo = s.early.memos[place*len(s.own):][:len(s.own)]
}

// leave goes back to rows that come alone, and forgets the others behind the last.
func (s *scope) leave() {
	s.place, s.memo = -1, s.own
	if e := &s.early; e.next == len(e.rows) {
		e.rows, e.next = nil, 0
		clear(e.memos)
		for i := range s.sites {
			clear(s.sites[i].cells)
		}
	}
}

// ahead calls what pays, for rows that come next.
func (s *scope) ahead(ctx context.Context, p *program, rows []Row) {
	if len(rows) < fewest || len(rows) > MaxAhead || !s.pays(p) {
		return
	}
	e := &s.early
	e.rows, e.next = rows, 0
	e.memos = slices.Grow(e.memos[:0], len(rows)*len(s.own))[:len(rows)*len(s.own)]
	e.passed = e.passed[:0]
	for range rows {
		e.passed = append(e.passed, verdict{keep: true})
	}
	s.ctx = ctx
	s.turn++
	s.callAll(p, p.stages[stageWhere].early)
	for i := range rows {
		s.stand(i)
		e.passed[i].keep, e.passed[i].err = s.judge(p.where)
	}
	s.callAll(p, p.stages[stageList].early)
	s.ctx, s.row = nil, nil
	s.leave()
}

// pays reports whether any call does, and whether WHERE can be evaluated early.
func (s *scope) pays(p *program) (some bool) {
	for _, stage := range p.stages {
		for _, i := range stage.early {
			some = s.sites[i].pays(p.sites[i].fn) || some
		}
	}
	if !some {
		return false
	}
	for _, i := range p.stages[stageWhere].calls {
		if !p.sites[i].fn.Signature().Pure {
			return false
		}
	}
	return true
}

// callAll makes the calls of a stage that pay, for the rows that pass.
func (s *scope) callAll(p *program, sites []int) {
	n := len(s.early.rows)
	for _, i := range sites {
		st := &s.sites[i]
		st.cells = slices.Grow(st.cells[:0], n)[:n]
		clear(st.cells)
		if st.lane.many.now {
			s.callRows(p.sites[i], st)
		}
	}
}
