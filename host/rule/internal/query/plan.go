package query

import (
	"context"
	"maps"
	"slices"
)

// Plan is a compiled Select. It is constant and may be bound many times.
type Plan struct {
	program

	// SendNil keeps columns whose value is null in the result (eKuiper's
	// sendNilField). It is set before the first Bind.
	SendNil bool

	whole   bool // SELECT *
	all     bool // * with more
	except  map[string]bool
	columns []output
}

type output struct {
	name string
	run  node
}

// Compile resolves and validates every function, and compiles the statement.
func (s *Select) Compile(env Env) (*Plan, error) {
	c := newCompiler(env, s.calls, s.From, s.Alias)
	for _, col := range s.columns {
		if err := c.define(col); err != nil {
			return nil, err
		}
	}
	p := &Plan{all: s.wildcard, whole: s.wildcard && len(s.columns)+len(s.except)+len(s.replace) == 0}
	if len(s.except) > 0 {
		p.except = map[string]bool{}
		for _, f := range s.except {
			p.except[f] = true
		}
	}
	for _, r := range s.replace {
		run, err := c.compile(r.expr)
		if err != nil {
			return nil, err
		}
		p.columns = append(p.columns, output{r.alias, run.run})
	}
	first := len(p.columns)
	slots := make([]*slot, len(s.columns))
	for i, col := range s.columns {
		o := output{name: col.name}
		if col.alias != "" {
			slots[i] = c.aliases[col.alias]
			if err := c.fill(slots[i]); err != nil {
				return nil, err
			}
		} else {
			run, err := c.compile(col.expr)
			if err != nil {
				return nil, err
			}
			o.run = run.run
		}
		p.columns = append(p.columns, o)
	}
	if s.where != nil {
		w, err := c.compile(s.where)
		if err != nil {
			return nil, err
		}
		c.where = w.run
	}
	// Whether an alias is used twice is known only now.
	for i, sl := range slots {
		if sl != nil {
			p.columns[first+i].run = sl.output()
		}
	}
	p.program = c.program(s.where, slices.Concat(s.replace, s.columns)...)
	return p, nil
}

// Bound is a Plan at work for one operator of a rule. One goroutine uses it.
type Bound struct {
	plan *Plan
	scope
}

// Bind prepares the calls of the plan for one operator of one run of a rule.
// What plugins keep by rule, operator, instance and function is kept by these.
func (p *Plan) Bind(rule, op string, instance, run int64) *Bound {
	return &Bound{p, p.bind(rule, op, instance, run)}
}

// Eval gives the result of a row; keep is false when WHERE does not let it pass.
// The result of SELECT * is the map of the row itself; any other is a new map,
// which shares what is in the fields. Neither row nor ctx is kept.
func (b *Bound) Eval(ctx context.Context, r *Row) (out map[string]any, keep bool, err error) {
	s, p := &b.scope, b.plan
	s.begin(ctx, r)
	defer s.end()
	if keep, err := s.passes(p.where); !keep {
		return nil, false, err
	}
	switch {
	case p.whole:
		return r.Fields, true, nil
	case !p.all:
		out = make(map[string]any, len(p.columns))
	case p.except == nil:
		out = make(map[string]any, len(r.Fields)+len(p.columns))
		maps.Copy(out, r.Fields)
	default:
		out = make(map[string]any, len(r.Fields)+len(p.columns))
		for k, v := range r.Fields {
			if !p.except[k] {
				out[k] = v
			}
		}
	}
	for i := range p.columns {
		c := &p.columns[i]
		v, err := c.run(s)
		if err != nil {
			return nil, false, err
		}
		if v.kind != kNull || p.SendNil {
			out[c.name] = v.box()
		}
	}
	return out, true, nil
}

// passes is the verdict of WHERE on the row.
func (s *scope) passes(where node) (keep bool, err error) {
	if s.place >= 0 {
		v := s.early.passed[s.place]
		return v.keep, v.err
	}
	return s.judge(where)
}

func (s *scope) judge(where node) (keep bool, err error) {
	if where == nil {
		return true, nil
	}
	v, err := where(s)
	if err != nil {
		return false, err
	}
	return condition(v)
}

// Ahead does at once what it can for rows that come next, in this order, to Eval:
// see early.go. There is no need to call it.
func (b *Bound) Ahead(ctx context.Context, rows []Row) { b.ahead(ctx, &b.plan.program, rows) }

// condition is the verdict of a filter: null drops the row.
func condition(v val) (bool, error) {
	if v.kind != kBool && v.kind != kNull {
		return false, invalid("invalid condition that returns non-bool value %s", describe(v))
	}
	return v.isTrue(), nil
}

// Expr is a compiled expression: what the nodes of a graph have. It is constant
// and may be bound many times.
type Expr struct {
	program

	name  string
	call  string
	calls []string
	run   node
}

// CompileExpr compiles expression [AS alias].
func CompileExpr(text string, env Env) (*Expr, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	col, err := p.named(&Select{})
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	c := newCompiler(env, p.calls)
	run, err := c.compile(col.expr)
	if err != nil {
		return nil, err
	}
	e := &Expr{program: c.program(nil, col), name: col.name, calls: p.calls, run: run.run}
	if f, ok := col.expr.(*call); ok {
		e.call = f.fn
	}
	return e, nil
}

// Alias is what the value is called: the alias, or the name of the function or
// the field, or kuiper_field_0.
func (e *Expr) Alias() string { return e.name }

// Call is the function's name when the expression is one call, else "".
func (e *Expr) Call() string { return e.call }

// Functions is [Select.Functions] of the expression.
func (e *Expr) Functions() []string { return e.calls }

// Bind prepares the calls of the expression, see [Plan.Bind].
func (e *Expr) Bind(rule, op string, instance, run int64) *BoundExpr {
	return &BoundExpr{e, e.bind(rule, op, instance, run)}
}

// BoundExpr is an Expr at work for one operator of a rule. One goroutine uses
// it.
type BoundExpr struct {
	expr *Expr
	scope
}

// Ahead is [Bound.Ahead] for rows that come to Eval or Bool.
func (b *BoundExpr) Ahead(ctx context.Context, rows []Row) { b.ahead(ctx, &b.expr.program, rows) }

// Eval gives the value for a row.
func (b *BoundExpr) Eval(ctx context.Context, r *Row) (any, error) {
	b.begin(ctx, r)
	defer b.end()
	v, err := b.expr.run(&b.scope)
	if err != nil {
		return nil, err
	}
	return v.box(), nil
}

// Bool gives the verdict of a condition on a row: null is false, what is not a
// bool is an error.
func (b *BoundExpr) Bool(ctx context.Context, r *Row) (bool, error) {
	b.begin(ctx, r)
	defer b.end()
	v, err := b.expr.run(&b.scope)
	if err != nil {
		return false, err
	}
	return condition(v)
}
