package query

import (
	"context"
	"time"

	"github.com/vanth-io/vanth/host"
)

// Env resolves the functions that are not built in. The error wraps
// host.ErrNotFound where there is none of the name.
type Env interface {
	Function(name string) (Function, error)
}

// Function is what a statement calls; *host.Handle is one.
type Function interface {
	Signature() *host.Signature
	Validate(args []any) error
	Exec(ctx context.Context, c *host.Call, args []any) (any, error)
	// ExecScalarAs is host.Handle.ExecScalarAs; ErrUnsupported where there is no such
	// lane, or another signature.
	ExecScalarAs(ctx context.Context, c *host.Call, sig *host.Signature, words []uint64) error
	// ExecBytes is host.Bytes; ErrUnsupported where there is no such lane.
	ExecBytes(ctx context.Context, c *host.Call, dst, args []byte) ([]byte, error)
	// ExecBatch is host.Handle.ExecBatch.
	ExecBatch(ctx context.Context, c *host.Call, dst, rows []byte) ([]byte, error)
}

// Row is what a statement is evaluated on. Nothing of it is changed.
type Row struct {
	Fields map[string]any
	Meta   map[string]any
	Stream string    // where it comes from; qualifies fields
	Time   time.Time // event time; zero when unknown
}

// scope is what closures see. It belongs to one goroutine.
type scope struct {
	ctx   context.Context
	row   *Row
	turn  uint64 // which row, or rows, from 1
	memo  []memo // of the row
	own   []memo // of rows that come alone
	sites []siteState
	early early // what is known of rows before their turn
	place int   // of the row among those; -1 for none
}

// memo is the value of an alias that is used twice.
type memo struct {
	turn uint64
	v    val
	err  error
}

// siteState is what one call of the statement keeps between rows.
type siteState struct {
	call  host.Call
	vals  []val // arguments
	boxed []any // the same, of a plugin's function
	lane  lane  // of that
	cells []cell
	cache pattern
}

// program is what a Plan and an Expr have in common.
type program struct {
	sites  []site
	memos  int
	stages [stages]stage
	where  node // nil for none
}

// site says what a call of the statement needs. fn is nil for a built-in function.
type site struct {
	fn   Function
	args []code
}

func (p *program) bind(rule, op string, instance, run int64) scope {
	s := scope{own: make([]memo, p.memos), sites: make([]siteState, len(p.sites)), place: -1}
	s.memo = s.own
	for i, c := range p.sites {
		s.sites[i].call = host.Call{Rule: rule, Op: op, Instance: instance, Run: run, Func: int64(i)}
		s.sites[i].vals = make([]val, len(c.args))
		if c.fn != nil {
			s.sites[i].boxed = make([]any, len(c.args))
		}
	}
	return s
}

func (s *scope) begin(ctx context.Context, r *Row) {
	s.ctx, s.row = ctx, r
	if s.early.turnOf(r) {
		s.stand(s.early.next)
		s.early.next++
		return
	}
	s.turn++
}

// end lets go of the row, not of the memo: the turn makes that stale.
func (s *scope) end() {
	s.ctx, s.row = nil, nil
	if s.place >= 0 {
		s.leave()
	}
}
