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
	loops  []loop // in order
	opened int    // of these
	open   []int  // see findLoops

	local bool // fuel is kept in a local between calls: there is a quiet loop, which that makes faster
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
	kind  pointKind
}

type pointKind byte

const (
	pointPlain pointKind = iota // pays only
	pointStart                  // of the function; looks whether fuel is left, as the next does
	pointLoop                   // the head of a loop that takes values, or a pause: looks behind it
)

func (p *point) cost() uint32 { return p.sure + p.maybe }

// edit is something to write at a place.
type edit struct {
	at, skip uint32 // bytes of the original that it replaces
	what     editKind
	n        uint32
}

type editKind byte

const (
	editPay      editKind = iota // for point n
	editAround                   // begin a loop and one around it
	editEnd                      // and end them
	editUnroll                   // begin a loop that is unrolled
	editUnrolled                 // and end it
	editLabel                    // label n in place of another
	editBrIf                     // branch to label n if what is on the stack is not 0
	editStore                    // the local into the global, before a call
	editLoad                     // and back
	editReturn                   // by a branch to label n
	editHelper                   // call of helper n
	editTable                    // pay for table entries, whose number is on the stack
)

// block is an open block, or a branch of an if.
type block struct {
	point  int // that pays for what follows
	maybe  bool
	dead   bool   // what follows cannot be reached
	reach  int    // the outermost block that a branch from here ends or repeats
	spent  uint32 // what may have run since the point, on the dearest path to here
	from   int    // the point at its beginning
	kept   uint32 // spent, when it got another point than that
	land   uint32 // spent on the dearest of the branches to its end, since the point of the block around it
	blind  uint32 // what may have run since the last look, on the longest path to here
	landed uint32 // and on the longest of the branches to its end
	looked bool   // there is a look in it, for what is blind
	plain  bool   // a branch to it takes no values
	extra  uint32 // blocks that are added around what stands in it; see openLoop
	inner  uint32 // those of them that are inside of its label
	copies uint32 // of an unrolled loop
	loop   bool
}

// planFunction reads the marks of a function. A stretch of code between two marks runs as a whole or not at all. What
// stands in one block behind another stretch runs only after it; so an earlier point of the same block, or of one around
// it up to the next loop, may pay.
func (r *rewriter) planFunction(f int) *plan {
	p, b := &r.plan, &r.m.Bodies[f]
	*p = plan{points: p.points[:0], edits: p.edits[:0], blocks: p.blocks[:0], loops: p.loops[:0], open: p.open, stack: r.frame(f)}
	p.deep = p.stack > roomFree
	pays := r.leaves[f] == 0
	if pays {
		p.pay(b.Code, point{kind: pointStart})
		r.findLoops(p, f)
	}
	p.blocks = append(p.blocks, block{dead: !pays, reach: math.MaxInt})
	at := b.Code
	for _, k := range r.marks(f) {
		next := r.behind(k)
		p.stretch(at, runCost(k)+r.cost(k))
		r.planMark(p, k, next)
		p.openEyes(next)
		at = next
	}
	return p
}

// blindMost is about how much may run between two looks, in fuel. It takes a third of a millisecond if all of it waits for
// memory.
const blindMost = 8 << 10

// returnMost is about how much may run behind a call before the next look, in fuel. A recursion pays for that on its way
// down, where it looks, and runs it on its way back.
const returnMost = 128

// openEyes has the code look where a long path came to that has no loop and no call on it that would.
func (p *plan) openEyes(at uint32) {
	if len(p.blocks) > 0 && p.top().blind > blindMost {
		p.pause(at)
	}
}

// pause has the code look at a place. What follows is paid for there, and no sooner.
func (p *plan) pause(at uint32) {
	if b := p.top(); !b.dead {
		p.payAnew(b, at, point{kind: pointLoop})
		b.blind, b.looked = 0, true
	}
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
	b.blind += cost
	to := &p.points[b.point]
	switch {
	case !b.maybe:
		to.sure += cost
	case b.spent+cost <= slack+to.sure:
		b.spent += cost
		to.maybe = max(to.maybe, b.spent)
	default:
		p.payAnew(b, at, point{sure: cost})
	}
}

// payAnew has a new point pay for what follows in a block.
func (p *plan) payAnew(b *block, at uint32, to point) {
	if b.point == b.from {
		b.kept = b.spent
	}
	b.point, b.maybe, b.spent = p.pay(at, to), false, 0
}

// planMark plans what the instruction at a mark needs and follows the control flow. next is the place behind it.
func (r *rewriter) planMark(p *plan, k gate.Mark, next uint32) {
	b := p.top()
	switch k.Op() {
	case gate.OpBlock, gate.OpIf:
		in := *b
		in.from, in.kept, in.land, in.extra, in.inner, in.copies, in.loop = b.point, 0, 0, 0, 0, 0, false
		in.maybe, in.reach, in.plain = b.maybe || k.Op() == gate.OpIf, math.MaxInt, r.in[k.At+1] == noResult
		in.looked = false
		if in.landed = 0; k.Op() == gate.OpIf {
			in.landed = b.blind // without it
		}
		p.blocks = append(p.blocks, in)
	case gate.OpLoop:
		r.openLoop(p, k.At, next)
	case gate.OpElse:
		p.lands(len(p.blocks) - 1)
		outer := p.blocks[len(p.blocks)-2]
		b.point, b.maybe, b.dead, b.spent, b.kept, b.blind = outer.point, true, outer.dead, outer.spent, 0, outer.blind
	case gate.OpEnd:
		p.endBlock(next)
	case gate.OpBr:
		r.label(p, k.At+1)
		b.dead = true
	case gate.OpBrIf:
		r.planBrIf(p, k.At, next)
	case gate.OpBrTable:
		n, at := u32At(r.in, k.At+1)
		for range n + 1 {
			at = r.label(p, at)
		}
		b.dead = true
	case gate.OpReturn:
		p.edits = append(p.edits, edit{k.At, 1, editReturn, uint32(len(p.blocks)-1) + p.extras(0)})
		p.branch(0)
		b.dead = true
	case gate.OpUnreachable:
		b.dead = true
	case gate.OpPause:
		p.pause(k.At)
	case gate.OpCall, gate.OpCallIndirect, gate.OpBulk:
		r.planCall(p, k, next)
	}
}

// calls says whether an instruction is a call, of a function that pays itself or of the host, or becomes one.
func (r *rewriter) calls(k gate.Mark) bool {
	switch k.Op() {
	case gate.OpCall:
		i := r.callee(k)
		return i < r.imported || r.leaves[i-r.imported] == 0
	case gate.OpCallIndirect:
		return true
	case gate.OpBulk:
		_, ok := r.helper(k)
		return ok
	}
	return false
}

// planCall plans a call: the fuel is where the callee looks for it.
func (r *rewriter) planCall(p *plan, k gate.Mark, next uint32) {
	h, bulk := r.helper(k)
	switch {
	case k.Op() == gate.OpBulk && !bulk:
		p.table = true
		p.edits = append(p.edits, edit{at: k.At, what: editTable})
	case r.calls(k):
		p.edits = append(p.edits, edit{at: k.At, what: editStore})
		if bulk {
			p.edits = append(p.edits, edit{k.At, next - k.At, editHelper, r.helperOf[h]})
		} else {
			p.deep = p.deep || k.Op() == gate.OpCallIndirect || r.callee(k) >= r.imported
			b := p.top()
			b.blind = max(b.blind, blindMost-returnMost)
		}
		p.edits = append(p.edits, edit{at: next, what: editLoad})
	}
}

// planBrIf makes a branch in an if of a br_if, where that takes no values. The engine computes the condition of the latter
// as a number and compares that with 0, and that of an if it uses as it is.
func (r *rewriter) planBrIf(p *plan, at, next uint32) {
	label, _ := u32At(r.in, at+1)
	target := len(p.blocks) - 1 - int(label)
	if !p.blocks[target].plain {
		r.label(p, at+1)
		return
	}
	p.edits = append(p.edits, edit{at, next - at, editBrIf, label + p.extras(target) + 1})
	p.branch(target)
}

// label reads the label of a branch, which leaves out code that follows, and shifts it by the loops that are added
// between. It returns the place behind it.
func (r *rewriter) label(p *plan, at uint32) uint32 {
	label, next := u32At(r.in, at)
	target := len(p.blocks) - 1 - int(label)
	if n := p.extras(target); n > 0 {
		p.edits = append(p.edits, edit{at, next - at, editLabel, label + n})
	}
	p.branch(target)
	return next
}

// extras is how many blocks are added inside of a block that is open.
func (p *plan) extras(target int) uint32 {
	n := p.blocks[target].inner
	for i := target + 1; i < len(p.blocks); i++ {
		n += p.blocks[i].extra
	}
	return n
}

// branch notes that a branch to a block may leave the code that follows out.
func (p *plan) branch(target int) {
	b := p.top()
	if b.dead {
		return
	}
	p.lands(target)
	b.maybe = true
	b.reach = min(b.reach, target)
}

// lands notes what the path from here to the end of a block has spent since the point of the block around that. Each
// block inside of it began with that point or behind another.
func (p *plan) lands(target int) {
	if target == 0 || p.top().dead || p.blocks[target].loop {
		return
	}
	p.blocks[target].landed = max(p.blocks[target].landed, p.top().blind)
	since := p.blocks[target-1].point
	for i := len(p.blocks) - 1; i >= 0; i-- {
		spent := p.blocks[i].spent
		if p.blocks[i].point != since {
			if p.blocks[i].from != since {
				continue
			}
			spent = p.blocks[i].kept
		}
		p.blocks[target].land = max(p.blocks[target].land, spent)
		return
	}
}

// endBlock closes the innermost block. What follows it is certain to run unless something in it left the block around it.
func (p *plan) endBlock(next uint32) {
	p.lands(len(p.blocks) - 1)
	in := *p.top()
	p.blocks = p.blocks[:len(p.blocks)-1]
	switch {
	case in.copies > 0:
		p.edits = append(p.edits, edit{next - 1, 1, editUnrolled, in.copies})
	case in.extra > 0:
		p.edits = append(p.edits, edit{next - 1, 1, editEnd, 0})
	}
	if len(p.blocks) == 0 {
		return
	}
	out := p.top()
	out.spent = max(out.spent, in.land)
	if out.blind = in.landed; in.loop && !in.dead {
		out.blind = in.blind
	}
	if in.looked && !out.dead {
		p.payAnew(out, next, point{})
		out.looked = true
	}
	out.reach = min(out.reach, in.reach)
	out.maybe = out.maybe || in.reach < len(p.blocks)
}

// behind is where the instruction at a mark ends.
func (r *rewriter) behind(k gate.Mark) uint32 {
	if k.Op() == gate.OpPause {
		return k.At
	}
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
