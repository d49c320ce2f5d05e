package meter

import "github.com/vanth-io/vanth/wasm/internal/gate"

// emitter writes one function by its plan.
type emitter struct {
	*rewriter
	*plan
	w *buffer

	// Locals that are added: for the fuel, the room, and a number of table entries.
	fuelLocal, roomLocal, lenLocal uint32
}

// writeFunction writes the body of a function.
func (r *rewriter) writeFunction(w *buffer, f int) {
	b := &r.m.Bodies[f]
	e := &emitter{rewriter: r, plan: r.planFunction(f), w: w}
	e.locals(b)
	if e.wrapped() {
		w.byte(opBlock)
		w.b = append(w.b, r.resultType(b.Type)...)
	}
	at := b.Code
	for _, d := range e.edits {
		r.copy(w, at, d.at)
		if at = d.at; e.edit(d) {
			at += d.skip
		}
	}
	r.copy(w, at, b.End)
	if !e.wrapped() {
		return
	}
	if e.local {
		w.op(opLocalGet, e.fuelLocal)
		w.op(opGlobalSet, e.fuelGlobal)
	}
	if e.deep {
		w.op(opGlobalGet, r.roomGlobal)
		w.i64(int64(e.stack))
		w.byte(opI64Add)
		w.op(opGlobalSet, r.roomGlobal)
	}
	w.byte(opEnd)
}

// locals writes the declarations of locals: the function's, and those that are added.
func (e *emitter) locals(b *gate.Function) {
	n, runs := u32At(e.in, skipNumber(e.in, b.Size))
	next := uint32(e.m.Types[b.Type].Params) + b.Locals
	e.fuelLocal, e.roomLocal, e.lenLocal = next, next+1, next+2
	words := uint32(0)
	switch {
	case e.deep || e.table:
		words = 2
	case len(e.points) > 0:
		words = 1
	}
	add := uint32(0)
	if words > 0 {
		add++
	}
	if e.table {
		add++
	}
	e.w.u32(n + add)
	e.w.b = append(e.w.b, e.in[runs:b.Code]...)
	if words > 0 {
		e.w.op(byte(words), typeI64)
	}
	if e.table {
		e.w.op(1, typeI32)
	}
}

// edit writes an edit. If it says no, the original stands.
func (e *emitter) edit(d edit) bool {
	w := e.w
	switch d.what {
	case editPay:
		e.pay(&e.points[d.n])
	case editStore:
		if e.local {
			w.op(opLocalGet, e.fuelLocal)
			w.op(opGlobalSet, e.fuelGlobal)
		}
	case editLoad:
		if e.local {
			w.op(opGlobalGet, e.fuelGlobal)
			w.op(opLocalSet, e.fuelLocal)
		}
	case editReturn:
		if !e.wrapped() {
			return false
		}
		w.op(opBr, d.n)
	case editHelper:
		w.op(opCall, e.helper0+d.n)
	case editTable:
		w.op(opLocalTee, e.lenLocal)
		e.have(false)
		w.op(opLocalGet, e.lenLocal)
		w.byte(opExtendU, opI64Sub)
		e.settle(true, false)
	}
	return true
}

// pay writes what a point pays.
func (e *emitter) pay(p *point) {
	e.have(p.start)
	e.w.i64(int64(p.cost()))
	e.w.byte(opI64Sub)
	e.settle(p.looks, p.start)
}

// have puts the fuel on the stack. At the start of a function it is in the global only.
func (e *emitter) have(start bool) {
	if e.local && !start {
		e.w.op(opLocalGet, e.fuelLocal)
		return
	}
	e.w.op(opGlobalGet, e.fuelGlobal)
}

// settle keeps the fuel on the stack, and looks whether any is left. At the start of a function that takes room, one look
// serves both: the sign of either is that of fuel | room.
func (e *emitter) settle(looks, start bool) {
	w, room := e.w, e.deep && start
	switch {
	case !looks && e.local:
		w.op(opLocalSet, e.fuelLocal)
		return
	case !looks:
		w.op(opGlobalSet, e.fuelGlobal)
		return
	}
	w.op(opLocalTee, e.fuelLocal)
	if room {
		w.op(opGlobalGet, e.roomGlobal)
		w.i64(int64(e.stack))
		w.byte(opI64Sub)
		w.op(opLocalTee, e.roomLocal)
		w.byte(opI64Or)
	}
	w.i64(0)
	w.byte(opI64LtS, opIf, noResult)
	w.op(opLocalGet, e.fuelLocal)
	if room {
		w.op(opLocalGet, e.roomLocal)
	} else {
		w.i64(0)
	}
	w.op(opCall, e.refill)
	w.op(opLocalSet, e.fuelLocal)
	w.byte(opEnd)
	if !e.local {
		w.op(opLocalGet, e.fuelLocal)
		w.op(opGlobalSet, e.fuelGlobal)
	}
	if room {
		w.op(opLocalGet, e.roomLocal)
		w.op(opGlobalSet, e.roomGlobal)
	}
}
