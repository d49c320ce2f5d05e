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
	turn  uint64 // which row, from 1
	memo  []memo
	sites []siteState
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
	vals  []val // arguments of a built-in function
	boxed []any // arguments of a plugin's
	cache pattern
}

// program is what a Plan and an Expr have in common: how large a scope is.
type program struct {
	sites []site
	memos int
}

// site says what a call of the statement needs.
type site struct {
	args    int
	builtin bool
}

func (p *program) bind(rule, op string, instance, run int64) scope {
	s := scope{memo: make([]memo, p.memos), sites: make([]siteState, len(p.sites))}
	for i, c := range p.sites {
		s.sites[i].call = host.Call{Rule: rule, Op: op, Instance: instance, Run: run, Func: int64(i)}
		if c.builtin {
			s.sites[i].vals = make([]val, c.args)
		} else {
			s.sites[i].boxed = make([]any, c.args)
		}
	}
	return s
}

func (s *scope) begin(ctx context.Context, r *Row) {
	s.ctx, s.row = ctx, r
	s.turn++
}
