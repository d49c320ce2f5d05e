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
	pointStart                  // of the function; looks whether fuel is left, as the next two do
	pointLoop                   // the head of a loop with calls
	pointQuiet                  // the head of a loop without
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
	editAround                   // begin the loop around a quiet one; the loop's instruction ends at n
	editEnd                      // and end it
	editUnroll                   // begin a loop that is unrolled
	editUnrolled                 // and end it
	editLabel                    // label n in place of another
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
	extra  uint32 // blocks that are added around it; see openLoop
	copies uint32 // of an unrolled loop
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
		r.openLoop(p, k.At, next)
	case gate.OpElse:
		outer := p.blocks[len(p.blocks)-2]
		b.point, b.maybe, b.dead = outer.point, true, outer.dead
	case gate.OpEnd:
		p.endBlock(next)
	case gate.OpBr, gate.OpBrIf:
		r.label(p, k.At+1)
		b.dead = b.dead || k.Op() == gate.OpBr
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
		}
		p.edits = append(p.edits, edit{at: next, what: editLoad})
	}
}

// loop is what is known of a loop before it is planned.
type loop struct {
	calls bool   // there is a call in it
	outer bool   // there is a loop in it
	cost  uint32 // of what stands in it
}

// findLoops looks at the loops of a function.
func (r *rewriter) findLoops(p *plan, f int) {
	open := p.open[:0] // for each open block its loop, or that around it; -1 for none
	innermost := -1
	for _, k := range r.marks(f) {
		if innermost >= 0 {
			l := &p.loops[innermost]
			l.cost += uint32(k.Run()) + r.cost(k)
			l.calls = l.calls || r.calls(k)
		}
		switch k.Op() {
		case gate.OpLoop:
			open = append(open, innermost)
			innermost = len(p.loops)
			p.loops = append(p.loops, loop{})
		case gate.OpBlock, gate.OpIf:
			open = append(open, innermost)
		case gate.OpEnd:
			if len(open) == 0 { // of the function
				continue
			}
			around := open[len(open)-1]
			open = open[:len(open)-1]
			if innermost != around {
				p.local = p.local || !p.loops[innermost].calls
				if around >= 0 {
					p.loops[around].outer = true
					p.loops[around].calls = p.loops[around].calls || p.loops[innermost].calls
				}
				innermost = around
			}
		}
	}
	p.open = open
}

// unrollCost bounds the loops that are unrolled, and unrollTo is how much code they become, so to speak.
const unrollCost, unrollTo = 100, 160

// copies is how often the body of a quiet loop is written.
func (l *loop) copies() uint32 { return max(3, min(8, unrollTo/(l.cost+1))) }

// openLoop plans the head of a loop.
//
// A call would make the engine keep everything that a loop computes in memory. So one without calls gets another around
// it, where the call stands; it goes there when there is no fuel left. That still has a price for small loops: so these
// are unrolled, and look at the fuel only at the head of the first copy.
//
//	loop $around                block $exit
//	  look                        loop $around
//	  loop $l                       look
//	    if no fuel, br $around      loop $l
//	    pay                           if no fuel, br $around
//	    body                          block, pay, body with this block for $l, br $exit, end  ;; some times
//	  end                             br $l
//	end                             end end end
func (r *rewriter) openLoop(p *plan, at, next uint32) {
	b, l := p.top(), &p.loops[p.opened]
	p.opened++
	in := block{point: b.point, dead: b.dead, reach: math.MaxInt}
	switch {
	case b.dead:
	case l.calls:
		in.point = p.pay(next, point{kind: pointLoop})
	case l.outer || l.cost > unrollCost || r.in[at+1] != noResult:
		in.extra = 1
		p.edits = append(p.edits, edit{at: at, what: editAround, n: next})
		in.point = p.pay(next, point{kind: pointQuiet})
	default:
		in.extra = 3
		p.edits = append(p.edits, edit{at, next - at, editUnroll, 0})
		in.point = p.pay(next, point{})
		in.copies = l.copies()
	}
	p.blocks = append(p.blocks, in)
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

// extras is how many loops are added inside of a block that is open.
func (p *plan) extras(target int) (n uint32) {
	if !p.local { // no quiet loop
		return 0
	}
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
	b.maybe = true
	b.reach = min(b.reach, target)
}

// endBlock closes the innermost block. What follows it is certain to run unless something in it left the block around it.
func (p *plan) endBlock(next uint32) {
	in := *p.top()
	p.blocks = p.blocks[:len(p.blocks)-1]
	switch {
	case in.copies > 0:
		p.edits = append(p.edits, edit{next - 1, 1, editUnrolled, in.copies})
	case in.extra > 0:
		p.edits = append(p.edits, edit{at: next, what: editEnd})
	}
	if len(p.blocks) == 0 {
		return
	}
	out := p.top()
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
