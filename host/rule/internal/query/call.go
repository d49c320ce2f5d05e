package query

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vanth-io/vanth/host"
)

// call resolves a function: a built-in one, then one of the Env.
func (c *compiler) call(x *call) (code, error) {
	args := make([]code, len(x.args))
	for i, a := range x.args {
		var err error
		if args[i], err = c.compile(a); err != nil {
			return code{}, err
		}
	}
	b, builtin := builtins[x.fn]
	c.sites[x.site] = site{args: args}
	if builtin {
		return c.builtin(x, b, args)
	}
	f, err := c.env.Function(x.fn)
	if errors.Is(err, host.ErrNotFound) {
		if why := refusedFunction(strings.ToLower(x.fn)); why != "" {
			return code{}, host.Errorf(host.ErrUnsupported, "function %s is not supported: %s", x.fn, why)
		}
		return code{}, host.Errorf(host.ErrNotFound, "function %s not found", x.fn)
	}
	if err != nil {
		return code{}, fmt.Errorf("function %s: %w", x.fn, err)
	}
	if f.Signature().Aggregate {
		return code{}, host.Errorf(host.ErrUnsupported, "function %s is not supported: it aggregates many rows: %s", x.fn, insteadOfState)
	}
	known := make([]any, len(args))
	for i, a := range args {
		if a.constant {
			known[i] = a.value.box()
		}
	}
	if err := f.Validate(known); err != nil {
		return code{}, fmt.Errorf("validate function %s error: %w", x.fn, err)
	}
	c.sites[x.site].fn = f
	return code{run: exec(x, f, args)}, nil
}

// exec calls a function of a plugin, as words where that is the same. Its arguments
// are kept by the scope: by its contract the function keeps none of them.
func exec(x *call, f Function, args []code) node {
	site, fn := x.site, x.fn
	return func(s *scope) (val, error) {
		st := &s.sites[site]
		if s.place >= 0 {
			if c := st.early(s.place); c != nil {
				if c.err != nil {
					return val{}, fmt.Errorf("call func %s error: %w", fn, c.err)
				}
				return c.v, nil
			}
		}
		for i := range args {
			v, err := args[i].run(s)
			if err != nil {
				return val{}, err
			}
			st.vals[i] = v
		}
		v, done, err := st.scalar(s.ctx, f)
		if !done {
			v, err = st.exec(s.ctx, f)
		}
		if err != nil {
			return val{}, fmt.Errorf("call func %s error: %w", fn, err)
		}
		return v, nil
	}
}

// exec calls f with boxed arguments.
func (st *siteState) exec(ctx context.Context, f Function) (val, error) {
	for i, v := range st.vals {
		st.boxed[i] = v.box()
	}
	out, err := f.Exec(ctx, &st.call, st.boxed)
	clear(st.boxed)
	clear(st.vals)
	return load(out), err
}

// builtin is a function of this package.
type builtin struct {
	min, max int // how many arguments; max < 0 for any number
	nulls    nulls
	impure   bool // depends on more than the arguments
	// check judges the arguments that are constant, before the first row.
	check func(args []code) error
	run   func(s *siteState, args []val) (val, error)
	// row is what runs instead of run where the row or the rule is needed.
	row func(s *scope, st *siteState, args []val) (val, error)
}

// nulls is what an argument of null makes of the result.
type nulls uint8

const (
	nullNull nulls = iota
	nullFalse
	nullZero
	nullGiven // the function sees it
)

func isBuiltin(lower string) bool { _, ok := builtins[lower]; return ok }

func (c *compiler) builtin(x *call, b builtin, args []code) (code, error) {
	fail := func(err error) (code, error) {
		return code{}, fmt.Errorf("validate function %s error: %w", x.fn, err)
	}
	if n := len(args); n < b.min || b.max >= 0 && n > b.max {
		return fail(invalid("found %d arguments, expected %s", n, arity(b.min, b.max)))
	}
	if b.check != nil {
		if err := b.check(args); err != nil {
			return fail(err)
		}
	}
	site := x.site
	run := func(s *scope) (val, error) {
		st := &s.sites[site]
		for i := range args {
			v, err := args[i].run(s)
			if err != nil {
				return val{}, err
			}
			if v.kind == kNull && b.nulls != nullGiven {
				return b.nulls.result(), nil
			}
			st.vals[i] = v
		}
		v, err := b.apply(s, st)
		clear(st.vals)
		if err != nil {
			return val{}, fmt.Errorf("call func %s error: %w", x.fn, err)
		}
		return v, nil
	}
	if b.impure {
		return code{run: run}, nil
	}
	// Folding needs a place for the arguments.
	return fold(func(s *scope) (val, error) {
		if s == nil {
			s = &scope{sites: make([]siteState, site+1)}
			s.sites[site].vals = make([]val, len(args))
		}
		return run(s)
	}, args...), nil
}

func (b *builtin) apply(s *scope, st *siteState) (val, error) {
	if b.row != nil {
		return b.row(s, st, st.vals)
	}
	return b.run(st, st.vals)
}

func (n nulls) result() val {
	switch n {
	case nullFalse:
		return boolVal(false)
	case nullZero:
		return intVal(0)
	}
	return val{}
}

func arity(low, high int) string {
	switch {
	case high < 0:
		return fmt.Sprintf("%d or more", low)
	case low == high:
		return fmt.Sprint(low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}
