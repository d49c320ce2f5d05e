package query

import "strconv"

// Select is a parsed SELECT, or the list of one.
type Select struct {
	From  string // the stream; "" for a list alone
	Alias string // what FROM names it, "" for none
	Text  string

	columns  []column
	wildcard bool
	starOf   string // of stream.*
	except   []string
	replace  []column // computed like columns, but never names for others
	unnamed  int      // how many columns got a name from us
	where    expr
	calls    []string
}

// column is one item of a list. alias is "" without AS; name is what it is
// called in the result.
type column struct {
	expr        expr
	alias, name string
}

// Functions returns the names of the functions called, in the order of the
// text, one for each call: the index is the Func of its host.Call. Built-in ones
// are among them, in lower case.
func (s *Select) Functions() []string { return s.calls }

// ParseSelect parses SELECT list FROM stream [AS alias] [WHERE condition].
func ParseSelect(sql string) (*Select, error) {
	p, err := newParser(sql)
	if err != nil {
		return nil, err
	}
	s := &Select{Text: sql}
	if err := p.expect("SELECT"); err != nil {
		return nil, err
	}
	if t := p.peek(); t.is("DISTINCT") && !p.ahead(1).is(",") && !p.ahead(1).is("FROM") && !p.ahead(1).is("AS") {
		return nil, p.unsupported("DISTINCT", insteadOfState)
	}
	if err := p.columns(s); err != nil {
		return nil, err
	}
	if err := p.from(s); err != nil {
		return nil, err
	}
	if err := p.refuseClause(); err != nil {
		return nil, err
	}
	if p.accept("WHERE") {
		if s.where, err = p.expr(0); err != nil {
			return nil, err
		}
		if err := p.refuseClause(); err != nil {
			return nil, err
		}
	}
	if s.starOf != "" && s.starOf != s.From && s.starOf != s.Alias {
		return nil, invalid("found %s.*, expected %s.*", s.starOf, s.From)
	}
	s.calls = p.calls
	return s, p.end()
}

// ParseFields parses the items of a list one by one, as the graph's pick has
// them: "a", "b * 2 AS c", "*".
func ParseFields(fields []string) (*Select, error) {
	s := &Select{}
	nodes := 0
	for i, text := range fields {
		p, err := newParser(text)
		if err != nil {
			return nil, err
		}
		p.calls, p.nodes = s.calls, nodes
		if err := p.column(s); err != nil {
			return nil, err
		}
		if err := p.end(); err != nil {
			return nil, err
		}
		if i > 0 {
			s.Text += ", "
		}
		s.Text += text
		s.calls, nodes = p.calls, p.nodes
	}
	if len(fields) == 0 {
		return nil, invalid("found no fields, expected at least one")
	}
	return s, nil
}

func (p *parser) columns(s *Select) error {
	for {
		if err := p.column(s); err != nil {
			return err
		}
		if !p.accept(",") {
			return nil
		}
	}
}

// column parses one item of a list into s.
func (p *parser) column(s *Select) error {
	t := p.peek()
	if t.is("*") {
		p.i++
		return p.wildcard(s)
	}
	if (t.kind == tokWord || t.kind == tokQuoted) && p.ahead(1).is(".") && p.ahead(2).is("*") {
		p.i += 3
		s.starOf = t.text
		return p.wildcard(s)
	}
	c, err := p.named(s)
	if err == nil {
		s.columns = append(s.columns, c)
	}
	return err
}

// named parses expression [AS alias].
func (p *parser) named(s *Select) (column, error) {
	x, err := p.expr(0)
	if err != nil {
		return column{}, err
	}
	c := column{expr: x, name: nameOf(x)}
	if p.accept("AS") {
		if c.alias, err = p.identifier("an alias"); err != nil {
			return column{}, err
		}
		c.name = c.alias
	}
	if c.name == "" {
		c.name = "kuiper_field_" + strconv.Itoa(s.unnamed)
		s.unnamed++
	}
	return c, nil
}

// nameOf is the name that an expression has of itself: a field's or a
// function's.
func nameOf(x expr) string {
	switch x := x.(type) {
	case *name:
		return x.path[len(x.path)-1]
	case *call:
		return x.fn
	case *meta:
		return x.fn
	}
	return ""
}

// wildcard parses what may follow *: EXCEPT(a, b) and REPLACE(x AS a).
func (p *parser) wildcard(s *Select) error {
	if s.wildcard {
		p.i--
		return p.unexpected("one * only")
	}
	s.wildcard = true
	if p.peek().is("EXCEPT") && p.ahead(1).is("(") {
		p.i += 2
		for {
			f, err := p.identifier("the name of a field")
			if err != nil {
				return err
			}
			s.except = append(s.except, f)
			if err := p.grow(); err != nil {
				return err
			}
			if p.accept(")") {
				break
			}
			if !p.accept(",") {
				return p.unexpected(`"," or ")"`)
			}
		}
	}
	if p.peek().is("REPLACE") && p.ahead(1).is("(") {
		p.i += 2
		for {
			c, err := p.named(s)
			if err != nil {
				return err
			}
			if c.alias == "" {
				return p.unexpected("AS and the name of the field to replace")
			}
			s.replace = append(s.replace, c)
			if p.accept(")") {
				break
			}
			if !p.accept(",") {
				return p.unexpected(`"," or ")"`)
			}
		}
	}
	return nil
}

// from parses FROM stream [AS alias]. As in eKuiper a stream may look like a
// topic: topic/sensor1/#.
func (p *parser) from(s *Select) error {
	if err := p.expect("FROM"); err != nil {
		return err
	}
	if p.peek().is("(") {
		p.i++
		if err := p.refuse(); err != nil {
			return err
		}
		p.i--
	}
	for {
		t := p.peek()
		if t.is("/") || t.is("#") || t.is("+") {
			p.i++
			s.From += t.text
			continue
		}
		if s.From != "" && t.pos != p.toks[p.i-1].pos+len(p.toks[p.i-1].text) {
			break // a space ends the name
		}
		if s.From != "" && t.kind != tokWord && t.kind != tokInt {
			break
		}
		if t.kind == tokInt && s.From != "" {
			p.i++
			s.From += t.text
			continue
		}
		n, err := p.identifier("the name of a stream")
		if err != nil {
			return err
		}
		s.From += n
		if t.kind == tokQuoted {
			break
		}
	}
	if p.accept("AS") {
		var err error
		if s.Alias, err = p.identifier("an alias"); err != nil {
			return err
		}
	}
	return nil
}
