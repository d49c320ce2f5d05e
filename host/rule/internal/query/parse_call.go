package query

import "strings"

// call parses a function and its arguments. The index of the call is its place in
// the text: an outer function comes before those in its arguments.
func (p *parser) call() (expr, error) {
	t := p.take()
	p.i++ // the parenthesis
	fn := t.text
	if lower := strings.ToLower(fn); isBuiltin(lower) || lower == "meta" || lower == "mqtt" {
		fn = lower
	}
	site := len(p.calls)
	p.calls = append(p.calls, fn)
	if fn == "meta" || fn == "mqtt" {
		return p.meta(fn)
	}
	args, err := p.list()
	if err != nil {
		return nil, err
	}
	for _, clause := range [...]string{"OVER", "FILTER"} {
		if p.peek().is(clause) && p.ahead(1).is("(") {
			return nil, p.unsupported(clause, insteadOfState)
		}
	}
	return &call{fn, args, site}, nil
}

// meta parses the argument of meta(): a path, a string, or *.
func (p *parser) meta(fn string) (expr, error) {
	m := &meta{fn: fn}
	if p.accept("*") {
		return m, p.expect(")")
	}
	for {
		t := p.peek()
		if t.kind != tokWord && t.kind != tokQuoted && t.kind != tokString {
			return nil, p.unexpected("a key of the metadata, as in " + fn + "(topic)")
		}
		p.i++
		m.path = append(m.path, t.text)
		if err := p.grow(); err != nil {
			return nil, err
		}
		if !p.accept(".") && !p.accept("->") {
			return m, p.expect(")")
		}
	}
}

func (p *parser) caseOf() (expr, error) {
	c := &caseOf{}
	p.take()
	var err error
	if !p.peek().is("WHEN") {
		if c.value, err = p.expr(0); err != nil {
			return nil, err
		}
	}
	for p.accept("WHEN") {
		var w when
		if w.cond, err = p.expr(0); err != nil {
			return nil, err
		}
		if err = p.expect("THEN"); err != nil {
			return nil, err
		}
		if w.then, err = p.expr(0); err != nil {
			return nil, err
		}
		c.whens = append(c.whens, w)
	}
	if len(c.whens) == 0 {
		return nil, p.unexpected("WHEN")
	}
	if p.accept("ELSE") {
		if c.other, err = p.expr(0); err != nil {
			return nil, err
		}
	}
	return c, p.expect("END")
}
