package meter

import (
	"github.com/vanth-io/vanth/wasm/internal/gate"
)

// What follows the prefix of operations that pay by length.
const (
	bulkInit      = 8
	bulkCopy      = 10
	bulkFill      = 11
	bulkTableInit = 12
	bulkTableCopy = 14
	bulkTableGrow = 15
	bulkTableFill = 17
)

// bulkIndices is how many numbers follow such an operation.
func bulkIndices(op uint32) int {
	switch op {
	case bulkInit, bulkCopy, bulkTableInit, bulkTableCopy:
		return 2
	}
	return 1
}

// helper is a function that is added: it does what one operation on memory does, from one data segment if that is
// memory.init, and pays.
type helper struct{ op, segment uint32 }

// findHelpers lists the operations on memory that the module uses, each once.
func (r *rewriter) findHelpers() {
	r.helperOf = map[helper]uint32{}
	for _, k := range r.m.Marks {
		if h, ok := r.helper(k); ok {
			if _, known := r.helperOf[h]; !known {
				r.helperOf[h] = uint32(len(r.helpers))
				r.helpers = append(r.helpers, h)
			}
		}
	}
}

// helper is the one that an operation on memory needs.
func (r *rewriter) helper(k gate.Mark) (helper, bool) {
	if k.Op() != gate.OpBulk {
		return helper{}, false
	}
	op, at := u32At(r.in, k.At+1)
	switch op {
	case bulkInit:
		segment, _ := u32At(r.in, at)
		return helper{op, segment}, true
	case bulkCopy, bulkFill:
		return helper{op: op}, true
	}
	return helper{}, false
}

// Locals of a helper: its parameters, and one for the fuel.
const (
	helperTo = iota
	helperFrom
	helperLen
	helperFuel
)

// writeHelper writes the body of a helper. More than a chunk is done in chunks if it is within bounds; if it is not, the
// operation as a whole traps as it would have. A copy to behind its source starts at the end, as memmove does.
//
//	func(to, from, n) {
//		if n <= chunk && there is fuel for it { pay; op(to, from, n); return }
//		if n > chunk && to+n <= size && from+n <= size { // in 64 bits
//			if to > from { // copy only
//				for ok := true; ok; ok = n > chunk { pay; n -= chunk; op(to+n, from+n, chunk) }
//			} else {
//				for ok := true; ok; ok = n > chunk { pay; op(to, from, chunk); to += chunk; from += chunk; n -= chunk }
//			}
//		}
//		pay for min(n, chunk)
//		op(to, from, n)
//	}
func (r *rewriter) writeHelper(w *buffer, h helper) {
	w.u32(1)
	w.op(1, typeI64)
	r.short(w, h)
	w.op(opLocalGet, helperLen)
	w.i32(chunk)
	w.byte(opI32GtU)
	within(w, helperTo, memorySize)
	w.byte(opI32And)
	switch h.op {
	case bulkCopy:
		within(w, helperFrom, memorySize)
		w.byte(opI32And)
	case bulkInit:
		within(w, helperFrom, func(w *buffer) { w.i64(1<<32 - 1) })
		w.byte(opI32And)
	}
	w.byte(opIf, noResult)
	switch h.op {
	case bulkCopy:
		w.op(opLocalGet, helperTo)
		w.op(opLocalGet, helperFrom)
		w.byte(opI32GtU, opIf, noResult)
		r.chunksDown(w, h)
		w.byte(opElse)
		r.chunksUp(w, h)
		w.byte(opEnd)
	case bulkInit:
		// How long the segment is shows only when it is used, since it may have been dropped: none of it is written
		// from its end on, which traps if that is too far.
		w.i32(0)
		w.op(opLocalGet, helperFrom)
		w.op(opLocalGet, helperLen)
		w.byte(opI32Add)
		w.i32(0)
		h.write(w)
		r.chunksUp(w, h)
	default:
		r.chunksUp(w, h)
	}
	w.byte(opEnd)
	w.op(opLocalGet, helperLen)
	w.i32(chunk)
	w.op(opLocalGet, helperLen)
	w.i32(chunk)
	w.byte(opI32LtU, opSelect)
	r.payBytes(w)
	h.apply(w)
	w.byte(opEnd)
}

// short does a short one for which there is fuel: most are. Nothing then stands between it and the return.
func (r *rewriter) short(w *buffer, h helper) {
	w.op(opLocalGet, helperLen)
	w.i32(chunk)
	w.byte(opI32LeU, opIf, noResult)
	w.op(opGlobalGet, r.fuelGlobal)
	w.op(opLocalGet, helperLen)
	w.i32(bytesShift)
	w.byte(opI32ShrU, opExtendU, opI64Sub)
	w.op(opLocalTee, helperFuel)
	w.i64(0)
	w.byte(opI64GeS, opIf, noResult)
	w.op(opLocalGet, helperFuel)
	w.op(opGlobalSet, r.fuelGlobal)
	h.apply(w)
	w.byte(opReturn, opEnd, opEnd)
}

// within leaves 1 on the stack if what a local and the length add up to is at most a limit, else 0.
func within(w *buffer, local uint32, limit func(*buffer)) {
	w.op(opLocalGet, local)
	w.byte(opExtendU)
	w.op(opLocalGet, helperLen)
	w.byte(opExtendU, opI64Add)
	limit(w)
	w.byte(opI64LeU)
}

func memorySize(w *buffer) {
	w.byte(opMemSize, 0, opExtendU)
	w.i64(16) // a page has 2 to the power of 16 bytes
	w.byte(opI64Shl)
}

// write writes the operation, whose operands are on the stack.
func (h helper) write(w *buffer) {
	w.byte(opMisc, byte(h.op))
	switch h.op {
	case bulkInit:
		w.u32(h.segment)
		w.byte(0)
	case bulkCopy:
		w.byte(0, 0)
	case bulkFill:
		w.byte(0)
	}
}

// apply writes the operation on what the locals say.
func (h helper) apply(w *buffer) {
	w.op(opLocalGet, helperTo)
	w.op(opLocalGet, helperFrom)
	w.op(opLocalGet, helperLen)
	h.write(w)
}

// chunksUp writes the loop from the start up to where at most a chunk is left. What a fill has in from is its byte.
func (r *rewriter) chunksUp(w *buffer, h helper) {
	w.byte(opLoop, noResult)
	w.i32(chunk)
	r.payBytes(w)
	w.op(opLocalGet, helperTo)
	w.op(opLocalGet, helperFrom)
	w.i32(chunk)
	h.write(w)
	step(w, helperTo, opI32Add)
	if h.op != bulkFill {
		step(w, helperFrom, opI32Add)
	}
	step(w, helperLen, opI32Sub)
	r.chunksEnd(w)
}

// chunksDown writes the loop from the end down.
func (r *rewriter) chunksDown(w *buffer, h helper) {
	w.byte(opLoop, noResult)
	w.i32(chunk)
	r.payBytes(w)
	step(w, helperLen, opI32Sub)
	for _, local := range []uint32{helperTo, helperFrom} {
		w.op(opLocalGet, local)
		w.op(opLocalGet, helperLen)
		w.byte(opI32Add)
	}
	w.i32(chunk)
	h.write(w)
	r.chunksEnd(w)
}

func (*rewriter) chunksEnd(w *buffer) {
	w.op(opLocalGet, helperLen)
	w.i32(chunk)
	w.byte(opI32GtU)
	w.op(opBrIf, 0)
	w.byte(opEnd)
}

// step moves a local by a chunk.
func step(w *buffer, local uint32, op byte) {
	w.op(opLocalGet, local)
	w.i32(chunk)
	w.byte(op)
	w.op(opLocalSet, local)
}

// payBytes pays for the number of bytes on the stack.
func (r *rewriter) payBytes(w *buffer) {
	w.i32(bytesShift)
	w.byte(opI32ShrU, opExtendU)
	w.op(opLocalSet, helperFuel)
	w.op(opGlobalGet, r.fuelGlobal)
	w.op(opLocalGet, helperFuel)
	w.byte(opI64Sub)
	w.op(opLocalTee, helperFuel)
	w.op(opGlobalSet, r.fuelGlobal)
	w.op(opLocalGet, helperFuel)
	w.i64(0)
	w.byte(opI64LtS, opIf, noResult)
	w.op(opLocalGet, helperFuel)
	w.i64(0)
	w.op(opCall, r.refill)
	w.op(opGlobalSet, r.fuelGlobal)
	w.byte(opEnd)
}
