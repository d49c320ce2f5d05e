package query

import (
	"strconv"
	"strings"
)

// parser goes over the tokens of one statement.
type parser struct {
	text  string
	toks  []token
	i     int
	depth int
	nodes int
	calls []string
}

func newParser(text string) (*parser, error) {
	toks, err := scan(text)
	return &parser{text: text, toks: toks}, err
}

func (p *parser) peek() token { return p.toks[p.i] }

// ahead is the token n further on.
func (p *parser) ahead(n int) token { return p.toks[min(p.i+n, len(p.toks)-1)] }

func (p *parser) take() token {
	t := p.toks[p.i]
	if t.kind != tokEnd {
		p.i++
	}
	return t
}

// accept takes the next token if it is the word.
func (p *parser) accept(word string) bool {
	if p.peek().is(word) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(word string) error {
	if !p.accept(word) {
		return p.unexpected(quote(word))
	}
	return nil
}

// unexpected is the error that the next token is not what was expected.
func (p *parser) unexpected(expected string) error {
	t := p.peek()
	return invalid("found %s at %d, expected %s", t, position(p.text, t.pos), expected)
}

// end expects the end of the statement; one semicolon may stand before it.
func (p *parser) end() error {
	p.accept(";")
	if p.peek().kind != tokEnd {
		return p.unexpected("the end of the statement")
	}
	return nil
}

// grow counts one more part of the statement.
func (p *parser) grow() error {
	if p.nodes++; p.nodes > MaxNodes {
		return invalid("found more than %d parts at %d, expected a smaller statement", MaxNodes, position(p.text, p.peek().pos))
	}
	return nil
}

// reserved are the words that cannot be names without backticks.
var reserved = map[string]bool{
	"SELECT": true, "FROM": true, "JOIN": true, "LEFT": true, "INNER": true, "ON": true, "WHERE": true, "GROUP": true,
	"ORDER": true, "HAVING": true, "BY": true, "ASC": true, "DESC": true, "AND": true, "OR": true, "CASE": true,
	"WHEN": true, "THEN": true, "ELSE": true, "END": true, "IN": true, "NOT": true, "BETWEEN": true, "LIKE": true,
	"OVER": true, "PARTITION": true, "AS": true, "LIMIT": true,
}

// identifier takes a name.
func (p *parser) identifier(what string) (string, error) {
	t := p.peek()
	if t.kind == tokQuoted || t.kind == tokWord && !reserved[strings.ToUpper(t.text)] {
		p.i++
		return t.text, nil
	}
	if t.kind == tokWord {
		what += " (" + strings.ToUpper(t.text) + " is a keyword: write `" + t.text + "`)"
	}
	return "", p.unexpected(what)
}

// expr parses what binds tighter than the given precedence.
func (p *parser) expr(above int) (expr, error) {
	if p.depth++; p.depth > MaxDepth {
		return nil, invalid("found an expression nested more than %d deep at %d", MaxDepth, position(p.text, p.peek().pos))
	}
	defer func() { p.depth-- }()
	x, err := p.prefix()
	for err == nil {
		op, words := p.infix()
		if words == 0 || op.prec <= above {
			return x, nil
		}
		if err = p.grow(); err == nil {
			x, err = p.join(x, op, words)
		}
	}
	return nil, err
}

// infix is one of the operators, or a word that is none of them.
type infix struct {
	op   operator // 0 for IN, BETWEEN and IS
	prec int
	word string
	not  bool
}

// infix looks at what stands between two operands, and how many tokens it has;
// 0 for no operator.
func (p *parser) infix() (infix, int) {
	t := p.peek()
	if t.kind != tokOp && t.kind != tokWord {
		return infix{}, 0
	}
	n, negated := 1, t.is("NOT")
	if negated {
		n, t = 2, p.ahead(1)
	}
	switch {
	case t.is("LIKE") && negated:
		return infix{op: opNotLike, prec: precCompare}, n
	case t.is("IN"), t.is("BETWEEN"):
		return infix{prec: precCompare, word: strings.ToUpper(t.text), not: negated}, n
	case negated:
		return infix{}, 0
	case t.is("IS"):
		return infix{prec: precCompare, word: "IS"}, n
	}
	for op := opOr; int(op) < len(operators); op++ {
		if t.is(operators[op].word) {
			return infix{op: op, prec: operators[op].prec}, n
		}
	}
	return infix{}, 0
}

// join takes an operator and what stands behind it.
func (p *parser) join(x expr, f infix, words int) (expr, error) {
	p.i += words
	switch {
	case f.op != 0:
		y, err := p.expr(f.prec)
		return &binary{f.op, x, y}, err
	case f.word == "IN":
		return p.in(x, f.not)
	case f.word == "BETWEEN":
		low, err := p.expr(precCompare)
		if err != nil {
			return nil, err
		}
		if err := p.expect("AND"); err != nil {
			return nil, err
		}
		high, err := p.expr(precCompare)
		return &between{x, low, high, f.not}, err
	}
	negated := p.accept("NOT")
	return &isNull{x, negated}, p.expect("NULL")
}

func (p *parser) in(x expr, negated bool) (expr, error) {
	if !p.accept("(") {
		set, err := p.expr(precCompare)
		return &in{x: x, set: set, not: negated}, err
	}
	if err := p.refuse(); err != nil {
		return nil, err
	}
	list, err := p.list()
	return &in{x: x, list: list, not: negated}, err
}

// list parses expressions up to the closing parenthesis.
func (p *parser) list() ([]expr, error) {
	var list []expr
	if p.accept(")") {
		return nil, nil
	}
	for {
		x, err := p.argument()
		if err != nil {
			return nil, err
		}
		list = append(list, x)
		if p.accept(")") {
			return list, nil
		}
		if !p.accept(",") {
			return nil, p.unexpected(`"," or ")"`)
		}
	}
}

func (p *parser) argument() (expr, error) {
	if t := p.peek(); t.is("*") && (p.ahead(1).is(")") || p.ahead(1).is(",")) {
		p.i++
		return star{}, p.grow()
	}
	return p.expr(0)
}

// prefix parses an operand with the signs before and the brackets behind it.
func (p *parser) prefix() (expr, error) {
	if err := p.grow(); err != nil {
		return nil, err
	}
	t := p.peek()
	switch {
	case t.is("-"):
		p.i++
		if n := p.peek(); n.kind == tokInt || n.kind == tokFloat {
			p.i++
			return p.suffix(number(n, "-"))
		}
		x, err := p.expr(precSign)
		return &sign{x}, err
	case t.is("+"):
		p.i++
		return p.expr(precSign)
	case t.is("NOT"):
		p.i++
		x, err := p.expr(precNot)
		return &not{x}, err
	}
	x, err := p.operand()
	if err != nil {
		return nil, err
	}
	return p.suffix(x)
}

func number(t token, sign string) expr {
	if t.kind == tokInt {
		if n, err := strconv.ParseInt(sign+t.text, 10, 64); err == nil {
			return &literal{intVal(n)}
		}
	}
	f, _ := strconv.ParseFloat(sign+t.text, 64) // beyond the range: infinite
	return &literal{floatVal(f)}
}

func (p *parser) operand() (expr, error) {
	t := p.peek()
	switch t.kind {
	case tokInt, tokFloat:
		p.i++
		return number(t, ""), nil
	case tokString:
		p.i++
		return &literal{textVal(t.text)}, nil
	case tokWord:
		switch {
		case p.ahead(1).is("("):
			if !reserved[strings.ToUpper(t.text)] {
				return p.call()
			}
		case t.is("TRUE"), t.is("FALSE"):
			p.i++
			return &literal{boolVal(t.is("TRUE"))}, nil
		case t.is("NULL"):
			p.i++
			return &literal{}, nil
		}
		if t.is("CASE") {
			return p.caseOf()
		}
	case tokQuoted:
		if p.ahead(1).is("(") {
			return p.call()
		}
	case tokOp:
		if p.accept("(") {
			if err := p.refuse(); err != nil {
				return nil, err
			}
			x, err := p.expr(0)
			if err != nil {
				return nil, err
			}
			return x, p.expect(")")
		}
	}
	if err := p.refuse(); err != nil {
		return nil, err
	}
	return p.path("an expression")
}

// path parses a, a.b, a.b.c
func (p *parser) path(what string) (expr, error) {
	first, err := p.identifier(what)
	if err != nil {
		return nil, err
	}
	x := &name{[]string{first}}
	for p.peek().is(".") && !p.ahead(1).is("*") {
		p.i++
		next, err := p.key()
		if err != nil {
			return nil, err
		}
		x.path = append(x.path, next)
	}
	return x, nil
}

// key takes the name behind -> or a dot; keywords will do.
func (p *parser) key() (string, error) {
	t := p.peek()
	if t.kind != tokWord && t.kind != tokQuoted {
		return "", p.unexpected("the name of a key")
	}
	p.i++
	return t.text, p.grow()
}

// suffix parses ->key, .key, [i] and [low:high].
func (p *parser) suffix(x expr) (expr, error) {
	for {
		switch {
		case p.peek().is("->"), p.peek().is(".") && !p.ahead(1).is("*"):
			p.i++
			k, err := p.key()
			if err != nil {
				return nil, err
			}
			x = &key{x, k}
		case p.accept("["):
			var err error
			if x, err = p.brackets(x); err != nil {
				return nil, err
			}
		default:
			return x, nil
		}
	}
}

func (p *parser) brackets(x expr) (expr, error) {
	if err := p.grow(); err != nil {
		return nil, err
	}
	if p.accept("]") {
		return &slice{x: x}, nil // a[] is all of it
	}
	var low, high expr
	var err error
	if !p.peek().is(":") {
		if low, err = p.expr(0); err != nil {
			return nil, err
		}
		if p.accept("]") {
			return &index{x, low}, nil
		}
	}
	if !p.accept(":") {
		return nil, p.unexpected(`":" or "]"`)
	}
	if !p.peek().is("]") {
		if high, err = p.expr(0); err != nil {
			return nil, err
		}
	}
	return &slice{x, low, high}, p.expect("]")
}
