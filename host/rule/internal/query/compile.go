package query

// node gives the value of an expression for the row of a scope.
type node func(*scope) (val, error)

// code is a compiled expression. Where constant is set, value is what run gives
// for every row.
type code struct {
	run      node
	value    val
	constant bool
}

func constant(v val) code {
	v.ref = v.box() // once, not at each row
	return code{run: func(*scope) (val, error) { return v, nil }, value: v, constant: true}
}

// fold evaluates what depends on no row. What fails is left to fail at each row
// that comes to it.
func fold(run node, parts ...code) code {
	for _, p := range parts {
		if !p.constant {
			return code{run: run}
		}
	}
	if v, err := run(nil); err == nil {
		return constant(v)
	}
	return code{run: run}
}

// slot is an alias of the list.
type slot struct {
	column
	state slotState
	run   node
	memo  int // where its value is kept; -1 while nobody but the list needs it
}

type slotState uint8

const (
	slotNew slotState = iota
	slotOpen
	slotDone
)

// output gives the value for the list itself.
func (s *slot) output() node {
	if s.memo < 0 {
		return s.run
	}
	return s.shared()
}

// shared evaluates the alias once a row.
func (s *slot) shared() node {
	return func(c *scope) (val, error) {
		m := &c.memo[s.memo]
		if m.turn != c.turn {
			m.v, m.err = s.run(c)
			m.turn = c.turn
		}
		return m.v, m.err
	}
}

type compiler struct {
	env     Env
	streams []string
	aliases map[string]*slot
	inside  *slot // whose definition is being compiled
	sites   []site
	memos   int
	where   node
}

func newCompiler(env Env, calls []string, streams ...string) *compiler {
	return &compiler{env: env, streams: streams, aliases: map[string]*slot{}, sites: make([]site, len(calls))}
}

// program ends the compilation of a condition, which may be nil, and a list.
func (c *compiler) program(where expr, list ...column) program {
	return program{sites: c.sites, memos: c.memos, where: c.where, stages: c.stages(where, list)}
}

// define makes an alias known to the whole statement.
func (c *compiler) define(col column) error {
	if col.alias == "" {
		return nil
	}
	if c.aliases[col.alias] != nil {
		return invalid("duplicate alias %s", col.alias)
	}
	c.aliases[col.alias] = &slot{column: col, memo: -1}
	return nil
}

// fill compiles the definition of an alias, once.
func (c *compiler) fill(s *slot) error {
	switch s.state {
	case slotDone:
		return nil
	case slotOpen:
		return invalid("alias %s is defined by itself, through another alias", s.alias)
	}
	outer := c.inside
	c.inside, s.state = s, slotOpen
	x, err := c.compile(s.expr)
	c.inside, s.state, s.run = outer, slotDone, x.run
	return err
}

func (c *compiler) compile(x expr) (code, error) {
	switch x := x.(type) {
	case *literal:
		return constant(x.value), nil
	case star:
		return code{run: func(s *scope) (val, error) { return load(s.row.Fields), nil }}, nil
	case *name:
		return c.name(x)
	case *meta:
		return c.meta(x), nil
	case *call:
		return c.call(x)
	case *sign:
		return c.one(x.x, func(v val) (val, error) { return calculate(opSub, intVal(0), v) })
	case *not:
		return c.one(x.x, negate)
	case *binary:
		return c.binary(x)
	case *key:
		return c.one(x.x, func(v val) (val, error) { return member(v, x.key) })
	case *index:
		return c.two(x.x, x.i, element)
	case *slice:
		return c.slice(x)
	case *in:
		return c.in(x)
	case *between:
		return c.between(x)
	case *isNull:
		return c.one(x.x, func(v val) (val, error) { return boolVal((v.kind == kNull) != x.not), nil })
	case *caseOf:
		return c.caseOf(x)
	}
	return code{}, invalid("found an expression of type %T, expected one that is known", x)
}

// one compiles what is made of one operand.
func (c *compiler) one(x expr, f func(val) (val, error)) (code, error) {
	a, err := c.compile(x)
	if err != nil {
		return code{}, err
	}
	return fold(func(s *scope) (val, error) {
		v, err := a.run(s)
		if err != nil {
			return val{}, err
		}
		return f(v)
	}, a), nil
}

// two compiles what is made of two operands.
func (c *compiler) two(x, y expr, f func(a, b val) (val, error)) (code, error) {
	a, err := c.compile(x)
	if err != nil {
		return code{}, err
	}
	b, err := c.compile(y)
	if err != nil {
		return code{}, err
	}
	return fold(func(s *scope) (val, error) {
		v, err := a.run(s)
		if err != nil {
			return val{}, err
		}
		w, err := b.run(s)
		if err != nil {
			return val{}, err
		}
		return f(v, w)
	}, a, b), nil
}

// name compiles a reference to an alias, a field, or a path into one.
func (c *compiler) name(x *name) (code, error) {
	first, rest := x.path[0], x.path[1:]
	if len(rest) > 0 && c.qualifies(first) {
		return code{run: path(field(rest[0]), rest[1:])}, nil
	}
	if s := c.aliases[first]; s != nil && s != c.inside {
		if err := c.fill(s); err != nil {
			return code{}, err
		}
		if s.memo < 0 {
			s.memo = c.memos
			c.memos++
		}
		return code{run: path(s.shared(), rest)}, nil
	}
	if len(rest) > 0 && len(c.streams) == 0 {
		// In a graph the stream is known by the row alone.
		qualified, nested := path(field(rest[0]), rest[1:]), path(field(first), rest)
		return code{run: func(s *scope) (val, error) {
			if s.row.Stream == first {
				return qualified(s)
			}
			return nested(s)
		}}, nil
	}
	return code{run: path(field(first), rest)}, nil
}

func (c *compiler) qualifies(first string) bool {
	for _, s := range c.streams {
		if s == first {
			return true
		}
	}
	return false
}

func field(name string) node {
	return func(s *scope) (val, error) { return load(s.row.Fields[name]), nil }
}

// path goes into a map, key by key.
func path(from node, keys []string) node {
	if len(keys) == 0 {
		return from
	}
	return func(s *scope) (val, error) {
		v, err := from(s)
		for i := 0; i < len(keys) && err == nil; i++ {
			v, err = member(v, keys[i])
		}
		return v, err
	}
}

func (c *compiler) meta(x *meta) code {
	all := func(s *scope) (val, error) { return load(s.row.Meta), nil }
	if len(x.path) == 0 {
		return code{run: all}
	}
	if len(x.path) > 1 && c.qualifies(x.path[0]) {
		return code{run: path(all, x.path[1:])}
	}
	plain := path(all, x.path)
	if len(x.path) == 1 || len(c.streams) > 0 {
		return code{run: plain}
	}
	qualified := path(all, x.path[1:])
	return code{run: func(s *scope) (val, error) {
		if s.row.Stream == x.path[0] {
			return qualified(s)
		}
		return plain(s)
	}}
}

func (c *compiler) binary(x *binary) (code, error) {
	switch op := x.op; op {
	case opAnd, opOr:
		return c.logic(x)
	case opLike, opNotLike:
		return c.two(x.l, x.r, func(v, w val) (val, error) { return matches(v, w, op == opNotLike) })
	case opEq, opNe, opLt, opLe, opGt, opGe:
		return c.arms(x, compare)
	default:
		return c.arms(x, calculate)
	}
}

// arms compiles the two operands of an operator. An operand on the right is
// mostly a constant, which spares a call.
func (c *compiler) arms(x *binary, f func(operator, val, val) (val, error)) (code, error) {
	l, err := c.compile(x.l)
	if err != nil {
		return code{}, err
	}
	r, err := c.compile(x.r)
	if err != nil {
		return code{}, err
	}
	op, left, right := x.op, l.run, r.run
	if r.constant && !l.constant {
		w := r.value
		return code{run: func(s *scope) (val, error) {
			v, err := left(s)
			if err != nil {
				return val{}, err
			}
			return f(op, v, w)
		}}, nil
	}
	return fold(func(s *scope) (val, error) {
		v, err := left(s)
		if err != nil {
			return val{}, err
		}
		w, err := right(s)
		if err != nil {
			return val{}, err
		}
		return f(op, v, w)
	}, l, r), nil
}

// logic compiles AND and OR: the left side alone decides where it can.
func (c *compiler) logic(x *binary) (code, error) {
	l, err := c.compile(x.l)
	if err != nil {
		return code{}, err
	}
	r, err := c.compile(x.r)
	if err != nil {
		return code{}, err
	}
	op, left, right := x.op, l.run, r.run
	decides := x.op == opOr // the value that decides
	return fold(func(s *scope) (val, error) {
		v, err := left(s)
		if err != nil || v.kind == kBool && v.isTrue() == decides {
			return v, err
		}
		w, err := right(s)
		if err != nil {
			return val{}, err
		}
		switch {
		case v.kind != kBool && v.kind != kNull, w.kind != kBool && w.kind != kNull:
			return val{}, misfits(op, v, w)
		case w.kind == kBool && w.isTrue() == decides:
			return w, nil
		case v.kind == kNull || w.kind == kNull:
			return val{}, nil
		}
		return w, nil
	}, l, r), nil
}
