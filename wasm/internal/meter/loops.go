package meter

import (
	"math"

	"github.com/vanth-io/vanth/wasm/internal/gate"
)

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
const unrollCost, unrollTo = 150, 200

// Unrolling may add as many instructions as the module has, and some more; copyCost is what a copy has beside its body.
const unrollMore, copyCost = 20_000, 10

// copies is how often the body of a quiet loop is written: once, if it is too large or enough was unrolled before.
func (r *rewriter) copies(l *loop) uint32 {
	if l.calls || l.outer || l.cost > unrollCost {
		return 1
	}
	n := max(3, min(8, unrollTo/(l.cost+1)))
	if cost := int((n - 1) * (l.cost + copyCost)); cost <= r.unroll {
		r.unroll -= cost
		return n
	}
	return 1
}

// openLoop plans the head of a loop.
//
// A call would make the engine keep everything that a loop computes in memory, and it would stand in the way: the engine
// puts what is not to run often behind the rest only if it goes back to a loop further out. So a loop gets another around
// it, where the call stands; it goes there when there is no fuel left. Small loops without calls are unrolled, and look at
// the fuel only at the head of the first copy.
//
//	loop $around                block $exit
//	  look                        loop $around
//	  loop $l                       look
//	    if there is fuel            loop $l
//	      pay                         if there is fuel
//	      body                          block, pay, block, body, end, br $exit, end  ;; some times
//	    else                            br $l
//	      br $around                  else, br $around
//	end end end                 end end end end
//
// In a copy, branches to $l leave the outer block. The inner one holds that the body leaves no values, as the loop did.
func (r *rewriter) openLoop(p *plan, at, next uint32) {
	b, copies := p.top(), uint32(1)
	if r.in[at+1] == noResult && !b.dead {
		copies = r.copies(&p.loops[p.opened])
	}
	p.opened++
	in := block{point: b.point, from: b.point, kept: b.spent, dead: b.dead, reach: math.MaxInt, plain: !r.takes(at), loop: true}
	switch {
	case b.dead:
	case !in.plain:
		in.point = p.pay(next, point{kind: pointLoop})
	case copies == 1:
		in.extra, in.inner = 2, 1
		p.edits = append(p.edits, edit{at, next - at, editAround, 0})
		in.point = p.pay(next, point{})
	default:
		in.extra, in.inner = 5, 1
		p.edits = append(p.edits, edit{at, next - at, editUnroll, 0})
		in.point = p.pay(next, point{})
		in.copies = copies
	}
	p.blocks = append(p.blocks, in)
}

// takes says whether the block at a place has parameters.
func (r *rewriter) takes(at uint32) bool {
	if t := r.in[at+1]; t >= 0x40 && t < 0x80 { // a type of values, or none
		return false
	}
	i, _ := u32At(r.in, at+1)
	return r.m.Types[i].Params > 0
}
