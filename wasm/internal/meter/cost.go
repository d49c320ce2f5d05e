package meter

import "github.com/vanth-io/vanth/wasm/internal/gate"

// What things cost, in fuel. One unit is about one instruction.
const (
	costTouch    = 7 // of memory, more than another instruction: it may have to wait for a hundred times as long
	costBranch   = 1
	costCall     = 4   // and what the called function pays itself
	costIndirect = 30  // the called function may be a leaf, which pays nothing
	costImport   = 200 // the way into the host and back; what the host does there is its own affair
	costGrow     = 2_000
	costBulk     = 10 // and by length, see below
)

// A bulk operation pays one unit for 2 to the power of so many bytes, or for each table entry.
const bytesShift = 4

// chunk is the most bytes that one step of a bulk operation touches. With all its pages new it takes some tenths of a
// millisecond.
const chunk = 1 << 18

// leaf bounds what a function may be that pays nothing itself: its cost, and its locals with parameters.
const leafCost, leafLocals = 50, 64

// slack is how much code behind a branch is paid for in front of it, beside as much as is certain to run. More makes fewer
// payments, and less exact ones.
const slack = 16

// cost is what a mark costs, without what it pays by length.
func (r *rewriter) cost(k gate.Mark) uint32 {
	switch k.Op() {
	case gate.OpBr, gate.OpBrIf, gate.OpBrTable, gate.OpReturn, gate.OpIf:
		return costBranch
	case gate.OpCall:
		switch callee := r.callee(k); {
		case callee < r.imported:
			return costImport
		case r.leaves[callee-r.imported] > 0:
			return costCall + uint32(r.leaves[callee-r.imported])
		}
		return costCall
	case gate.OpCallIndirect:
		return costIndirect
	case gate.OpMemoryGrow:
		return costGrow
	case gate.OpBulk:
		return costBulk
	}
	return 0
}

// runCost is the cost of what stands between a mark and the one before.
func runCost(k gate.Mark) uint32 { return uint32(k.Run() + costTouch*k.Touches()) }

// callee is the function that a call names, by its index before the rewrite.
func (r *rewriter) callee(k gate.Mark) int {
	i, _ := u32At(r.in, k.At+1)
	return int(i)
}

// isLeaf says that a function neither loops nor calls nor grows, and what it costs.
func (r *rewriter) isLeaf(f int) (cost uint32, ok bool) {
	b := &r.m.Bodies[f]
	if b.Locals+uint32(r.m.Types[b.Type].Params) > leafLocals || r.frame(f) > roomFree {
		return 0, false
	}
	for _, k := range r.marks(f) {
		switch k.Op() {
		case gate.OpLoop, gate.OpCall, gate.OpCallIndirect, gate.OpMemoryGrow, gate.OpBulk:
			return 0, false
		}
		if cost += runCost(k) + r.cost(k); cost > leafCost {
			return 0, false
		}
	}
	return max(1, cost), true
}

// frame estimates the native stack that one call of a function takes, in bytes. The engine gives each value that lives
// across a call a slot of its own: locals and what calls return first of all. Other values are many and die young; the
// share of them that needs a slot is small, and the more of them, the smaller. It was compared with what the engine uses;
// see TestFrames.
func (r *rewriter) frame(f int) int {
	b := &r.m.Bodies[f]
	t := r.m.Types[b.Type]
	slots := 2 * (int(b.Locals) + int(t.Params)) // a vector takes two
	most, instructions := int(t.Params)+int(t.Results), 0
	for _, k := range r.marks(f) {
		instructions += k.Run()
		var called gate.Type
		switch k.Op() {
		case gate.OpCall:
			called = r.m.Types[r.funcTypes[r.callee(k)]]
		case gate.OpCallIndirect:
			i, _ := u32At(r.in, k.At+1)
			called = r.m.Types[i]
		default:
			continue
		}
		slots += int(called.Results)
		most = max(most, int(called.Params)+int(called.Results))
	}
	return 64 + 8*(slots+2*most) + 2*instructions
}
