package wat

import "fmt"

// body encodes the instructions of one function or one constant expression.
type body struct {
	m      *module
	locals space
	labels []label // the open blocks, the innermost last
	out    []byte
}

// label is an open block.
type label struct {
	id string // with its $, "" if it has none
	op string // block, loop, if; else after its else
}

// instructions encodes flat and folded instructions up to the end of the list. The blocks that it opens it closes.
func (b *body) instructions(c *cursor) {
	base := len(b.labels)
	for !c.empty() {
		here := *c
		switch {
		case c.peek().kind == kindList:
			b.folded(c)
		case c.word("else"):
			b.flatElse(c, here, base)
		case c.word("end"):
			b.flatEnd(c, here, base)
		default:
			b.flat(c)
		}
	}
	if len(b.labels) > base {
		c.fail(fmt.Sprintf(`the "end" of %q`, b.labels[len(b.labels)-1].op))
	}
}

func (b *body) flat(c *cursor) {
	n, o := c.op()
	if o.isBlock() {
		id := c.id()
		blockType := b.blockType(c)
		b.out = append(o.append(b.out), blockType...)
		b.open(c, n, id)
		return
	}
	b.out = append(b.out, b.encode(c, n.text, o)...)
}

func (b *body) flatElse(c *cursor, here cursor, base int) {
	if len(b.labels) == base || b.labels[len(b.labels)-1].op != "if" {
		here.fail(`an instruction: the open block is not an "if"`)
		return
	}
	top := &b.labels[len(b.labels)-1]
	top.op = "else"
	b.out = append(b.out, opElse)
	top.repeated(c)
}

func (b *body) flatEnd(c *cursor, here cursor, base int) {
	if len(b.labels) == base {
		here.fail("an instruction: no block is open")
		return
	}
	b.labels[len(b.labels)-1].repeated(c)
	b.close()
}

// repeated reads the name that may follow else and end, which must be that of the block.
func (l *label) repeated(c *cursor) {
	here := *c
	if id := c.id(); id.text != "" && id.text != l.id {
		here.fail(fmt.Sprintf("the name of the open block, %q, or none", l.id))
	}
}

func (b *body) open(c *cursor, n, id node) {
	if len(b.labels) >= maxDepth {
		c.fault(n.at, n.found(), fmt.Sprintf("at most %d blocks inside each other", maxDepth))
	}
	b.labels = append(b.labels, label{id.text, n.text})
}

func (b *body) close() {
	b.labels = b.labels[:len(b.labels)-1]
	b.out = append(b.out, opEnd)
}

// op takes the name of an instruction.
func (c *cursor) op() (node, op) {
	n := c.peek()
	o, ok := ops[n.text]
	if n.kind != kindWord || !ok {
		c.fail("an instruction")
	}
	return c.next(), o
}

// folded encodes (op immediates operand...), operands first, and (block ...), (loop ...) and (if ...).
func (b *body) folded(outer *cursor) {
	list := outer.next()
	c := cursor{rest: list.kids, end: list.end, first: outer.first}
	n, o := c.op()
	if o.isBlock() {
		b.foldedBlock(&c, n, o)
		return
	}
	code := b.encode(&c, n.text, o)
	b.operands(&c, "")
	b.out = append(b.out, code...)
	c.done(`a folded operand or ")"`)
}

// operands encodes folded instructions up to one that starts with stop, or up to something else.
func (b *body) operands(c *cursor, stop string) {
	for n := c.peek(); n.kind == kindList && (stop == "" || n.head() != stop); n = c.peek() {
		b.folded(c)
	}
}

func (b *body) foldedBlock(c *cursor, n node, o op) {
	id := c.id()
	blockType := b.blockType(c)
	if o.code == opIf {
		b.operands(c, "then") // the condition is outside of the block
	}
	b.out = append(o.append(b.out), blockType...)
	b.open(c, n, id)
	if o.code == opIf {
		b.branches(c)
	} else {
		b.instructions(c)
	}
	b.close()
}

// branches encodes (then ...) (else ...)?.
func (b *body) branches(c *cursor) {
	list, ok := c.list("then")
	if !ok {
		c.fail(`a folded condition or "(then ...)"`)
	}
	b.instructions(&list)
	if list, ok := c.list("else"); ok {
		b.out = append(b.out, opElse)
		b.instructions(&list)
	}
	c.done(`"(else ...)" or ")"`)
}

// blockType reads the type of a block: none, one result, or the index of a type.
func (b *body) blockType(c *cursor) []byte {
	use := b.m.typeUse(c, nil)
	switch {
	case use.byRef || len(use.params) > 0 || len(use.results) > 1:
		return appendS64(nil, int64(b.m.typeIndex(use)))
	case len(use.results) == 1:
		return use.results
	}
	return []byte{typeEmpty}
}
