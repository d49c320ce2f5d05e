package meter

import (
	"math"

	"github.com/vanth-io/vanth/wasm/internal/gate"
)

// plan says what is written into one function, and where. It is kept from one function to the next so that it is
// allocated once.
type plan struct {
	points []point
	edits  []edit // in order of their places
	blocks []block

	local bool // fuel is kept in a local between calls: there is a loop without calls, which that makes faster
	deep  bool // the frame is taken from the stack's room
	table bool // there is an operation on tables: needs a local for its number of entries
	stack int  // bytes that the frame takes
}

// wrapped says that something is to be done when the function returns. Then its code is put into a block, and what
// leaves the function leaves the block.
func (p *plan) wrapped() bool { return p.local || p.deep }

// point is a place where fuel is paid. What it pays for begins behind it, and each path that runs through that has passed
// the point since it passed the head of the loop around it.
type point struct {
	sure  uint32 // cost of what follows certainly
	maybe uint32 // and of what may follow
	looks bool   // whether fuel is left
	start bool   // of the function
}

func (p *point) cost() uint32 { return p.sure + p.maybe }

// edit is something to write at a place.
type edit struct {
	at, skip uint32 // bytes of the original that it replaces
	what     editKind
	n        uint32
}

type editKind byte

const (
	editPay    editKind = iota // for point n
	editStore                  // the local into the global, before a call
	editLoad                   // and back
	editReturn                 // by a branch to label n
	editHelper                 // call of helper n
	editTable                  // pay for table entries, whose number is on the stack
)

// block is an open block, or a branch of an if.
type block struct {
	point int // that pays for what follows
	maybe bool
	dead  bool // what follows cannot be reached
	calls bool // there is a call in it
	loop  bool
	reach int // the outermost block that a branch from here ends or repeats
}

// planFunction reads the marks of a function. A stretch of code between two marks runs as a whole or not at all. What
// stands in one block behind another stretch runs only after it; so an earlier point of the same block, or of one around
// it up to the next loop, may pay.
func (r *rewriter) planFunction(f int) *plan {
	p, b := &r.plan, &r.m.Bodies[f]
	*p = plan{points: p.points[:0], edits: p.edits[:0], blocks: p.blocks[:0], stack: r.frame(f)}
	p.deep = p.stack > roomFree
	pays := r.leaves[f] == 0
	if pays {
		p.pay(b.Code, point{looks: true, start: true})
	}
	p.blocks = append(p.blocks, block{dead: !pays, reach: math.MaxInt})
	at := b.Code
	for _, k := range r.marks(f) {
		next := r.behind(k)
		p.stretch(at, uint32(k.Run())+r.cost(k))
		r.planMark(p, k, next)
		at = next
	}
	return p
}

// roomFree is the frame of a function without calls that needs no room, in bytes: there is one such frame at the most, on
// top of all others.
const roomFree = 4 << 10

func (p *plan) pay(at uint32, to point) int {
	p.points = append(p.points, to)
	p.edits = append(p.edits, edit{at: at, what: editPay, n: uint32(len(p.points) - 1)})
	return len(p.points) - 1
}

func (p *plan) top() *block { return &p.blocks[len(p.blocks)-1] }

// stretch has a point pay for a stretch of code that begins at a place.
func (p *plan) stretch(at, cost uint32) {
	b := p.top()
	if b.dead || cost == 0 {
		return
	}
	to := &p.points[b.point]
	switch {
	case !b.maybe:
		to.sure += cost
	case to.maybe+cost <= slack+to.sure:
		to.maybe += cost
	default:
		b.point, b.maybe = p.pay(at, point{sure: cost}), false
	}
}

// planMark plans what the instruction at a mark needs and follows the control flow. next is the place behind it.
func (r *rewriter) planMark(p *plan, k gate.Mark, next uint32) {
	b := p.top()
	switch k.Op() {
	case gate.OpBlock, gate.OpIf:
		p.blocks = append(p.blocks, block{point: b.point, maybe: b.maybe || k.Op() == gate.OpIf, dead: b.dead, reach: math.MaxInt})
	case gate.OpLoop:
		inner := block{point: b.point, dead: b.dead, loop: true, reach: math.MaxInt}
		if !b.dead {
			inner.point = p.pay(next, point{looks: true})
		}
		p.blocks = append(p.blocks, inner)
	case gate.OpElse:
		outer := p.blocks[len(p.blocks)-2]
		b.point, b.maybe, b.dead = outer.point, true, outer.dead
	case gate.OpEnd:
		p.endBlock()
	case gate.OpBr, gate.OpBrIf:
		label, _ := u32At(r.in, k.At+1)
		p.branch(label)
		b.dead = b.dead || k.Op() == gate.OpBr
	case gate.OpBrTable:
		n, at := u32At(r.in, k.At+1)
		for range n + 1 {
			var label uint32
			label, at = u32At(r.in, at)
			p.branch(label)
		}
		b.dead = true
	case gate.OpReturn:
		p.edits = append(p.edits, edit{k.At, 1, editReturn, uint32(len(p.blocks) - 1)})
		p.branch(uint32(len(p.blocks) - 1))
		b.dead = true
	case gate.OpUnreachable:
		b.dead = true
	case gate.OpCall:
		if i := r.callee(k); i < r.imported || r.leaves[i-r.imported] == 0 {
			p.call(k.At, next, i >= r.imported)
		}
	case gate.OpCallIndirect:
		p.call(k.At, next, true)
	case gate.OpBulk:
		r.planBulk(p, k, next)
	}
}

// call plans a call: the fuel is where the callee looks for it.
func (p *plan) call(at, next uint32, deep bool) {
	p.top().calls = true
	p.deep = p.deep || deep
	p.edits = append(p.edits, edit{at: at, what: editStore}, edit{at: next, what: editLoad})
}

// branch notes that a branch to a label may leave the code that follows out.
func (p *plan) branch(label uint32) {
	b := p.top()
	if b.dead {
		return
	}
	b.maybe = true
	b.reach = min(b.reach, len(p.blocks)-1-int(label))
}

// endBlock closes the innermost block. What follows it is certain to run unless something in it left the block around it.
func (p *plan) endBlock() {
	in := *p.top()
	p.blocks = p.blocks[:len(p.blocks)-1]
	if in.loop && !in.calls && !in.dead {
		p.local = true
	}
	if len(p.blocks) == 0 {
		return
	}
	out := p.top()
	out.calls = out.calls || in.calls
	out.reach = min(out.reach, in.reach)
	out.maybe = out.maybe || in.reach < len(p.blocks)
}

// behind is where the instruction at a mark ends.
func (r *rewriter) behind(k gate.Mark) uint32 {
	at := k.At + 1
	switch k.Op() {
	case gate.OpBlock, gate.OpLoop, gate.OpIf, gate.OpBr, gate.OpBrIf, gate.OpCall, gate.OpMemoryGrow:
		return skipNumber(r.in, at)
	case gate.OpCallIndirect:
		return skipNumber(r.in, skipNumber(r.in, at))
	case gate.OpBrTable:
		n, at := u32At(r.in, at)
		for range n + 1 {
			at = skipNumber(r.in, at)
		}
		return at
	case gate.OpBulk:
		op, at := u32At(r.in, at)
		for range bulkIndices(op) {
			at = skipNumber(r.in, at)
		}
		return at
	}
	return at
}
