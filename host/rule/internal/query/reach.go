package query

// This file finds the calls of plugins that can be made before their row has its turn.

// The stages of a row.
const (
	stageWhere = iota
	stageList
	stages
)

// stage is what is known of a condition, or of a list.
type stage struct {
	// early are the calls that every row comes to and whose arguments call no plugin,
	// by sites. Each is in one stage.
	early []int
	// calls are all calls of plugins that a row may come to.
	calls []int
}

func (c *compiler) stages(where expr, list []column) (all [stages]stage) {
	r := reach{c: c, seen: map[*slot]seen{}, taken: make([]bool, len(c.sites))}
	if where != nil {
		r.walk(where, true)
	}
	all[stageWhere], r.stage = r.stage, stage{}
	for _, col := range list {
		if s := c.aliases[col.alias]; s != nil && s.expr == col.expr {
			r.alias(s, true) // within which its name is a field
		} else {
			r.walk(col.expr, true)
		}
	}
	all[stageList] = r.stage
	return all
}

// reach walks through expressions.
type reach struct {
	c     *compiler
	stage stage
	seen  map[*slot]seen
	taken []bool // sites that are early
	in    *slot  // whose definition it walks through
}

// seen is what is known of an alias. Which rows come to it, and so a second walk,
// matters to its calls.
type seen struct{ always, plain bool }

func (r *reach) alias(s *slot, always bool) (plain bool) {
	if k, ok := r.seen[s]; ok && (k.always || !always) {
		return k.plain
	}
	outer := r.in
	r.in = s
	plain = r.walk(s.expr, always)
	r.in = outer
	r.seen[s] = seen{always, plain}
	return plain
}

// walk reports whether x is plain: it calls no plugin. always says that each row comes
// to x, but for one that failed.
func (r *reach) walk(x expr, always bool) (plain bool) {
	switch x := x.(type) {
	case *name:
		if s := r.c.aliases[x.path[0]]; s != nil && s != r.in && (len(x.path) == 1 || !r.c.qualifies(x.path[0])) {
			return r.alias(s, always)
		}
	case *call:
		return r.call(x, always)
	case *sign:
		return r.walk(x.x, always)
	case *not:
		return r.walk(x.x, always)
	case *key:
		return r.walk(x.x, always)
	case *isNull:
		return r.walk(x.x, always)
	case *binary:
		plain = r.walk(x.l, always)
		return r.walk(x.r, always && x.op != opAnd && x.op != opOr) && plain
	case *index:
		return r.all(always, x.x, x.i)
	case *slice:
		return r.all(always, x.x, x.low, x.high)
	case *between:
		return r.all(always, x.x, x.low, x.high)
	case *in:
		plain = r.all(always, x.x, x.set)
		return r.all(false, x.list...) && plain
	case *caseOf:
		plain = r.all(always, x.value)
		for i, w := range x.whens {
			plain = r.walk(w.cond, always && i == 0) && plain
			plain = r.walk(w.then, false) && plain
		}
		return r.all(false, x.other) && plain
	}
	return true
}

// all walks through all of list, some of which may be nil.
func (r *reach) all(always bool, list ...expr) (plain bool) {
	plain = true
	for _, x := range list {
		if x != nil && !r.walk(x, always) {
			plain = false
		}
	}
	return plain
}

func (r *reach) call(x *call, always bool) (plain bool) {
	plain = r.all(always, x.args...)
	if isBuiltin(x.fn) {
		return plain
	}
	r.stage.calls = append(r.stage.calls, x.site)
	if always && plain && !r.taken[x.site] {
		r.taken[x.site] = true
		r.stage.early = append(r.stage.early, x.site)
	}
	return false
}
