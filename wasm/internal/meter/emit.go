package meter

import "github.com/vanth-io/vanth/wasm/internal/gate"

// emitter writes one function by its plan.
type emitter struct {
	*rewriter
	*plan
	w *buffer
	f int // the function

	copyFrom int // where the first copy of a loop starts

	// Locals that are added: for the fuel, the room, and a number of table entries.
	fuelLocal, roomLocal, lenLocal uint32
}

// writeFunction writes the body of a function.
func (r *rewriter) writeFunction(w *buffer, f int) {
	b := &r.m.Bodies[f]
	e := &emitter{rewriter: r, plan: r.planFunction(f), w: w, f: f}
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
		e.giveRoom()
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
		e.have()
		for range 2 { // more than a table can have is refused, which is not dear
			w.op(opLocalGet, e.lenLocal)
			w.i32(int32(e.limits.TableEntries))
		}
		w.byte(opI32LtU, opSelect, opExtendU, opI64Sub)
		e.keep()
		e.look()
	case editAround:
		head := e.in[d.at : d.at+d.skip]
		w.b = append(w.b, head...)
		e.look()
		w.b = append(w.b, head...)
		e.ifFuel(head[1:]...)
	case editEnd:
		e.elseAround()
	case editUnroll:
		w.byte(opBlock, noResult, opLoop, noResult)
		e.look()
		w.byte(opLoop, noResult)
		e.ifFuel(noResult)
		e.copyFrom = len(w.b)
		w.byte(opBlock, noResult, opBlock, noResult)
	case editUnrolled:
		w.byte(opEnd)
		w.op(opBr, 4)
		w.byte(opEnd)
		for body := w.b[e.copyFrom:]; d.n > 1; d.n-- {
			w.b = append(w.b, body...)
		}
		w.op(opBr, 1)
		e.elseAround()
		w.byte(opEnd)
	case editLabel:
		w.u32(d.n)
	case editBrIf:
		w.byte(opIf, noResult)
		w.op(opBr, d.n)
		w.byte(opEnd)
	}
	return true
}

// pay writes what a point pays.
func (e *emitter) pay(p *point) {
	if p.kind == pointStart {
		e.start(p)
		return
	}
	if p.kind == pointPlain && p.cost() == 0 {
		return
	}
	e.have()
	e.w.i64(int64(p.cost()))
	e.w.byte(opI64Sub)
	e.keep()
	if p.kind == pointLoop {
		e.look()
	}
}

// have puts the fuel on the stack.
func (e *emitter) have() {
	if e.local {
		e.w.op(opLocalGet, e.fuelLocal)
		return
	}
	e.w.op(opGlobalGet, e.fuelGlobal)
}

// keep takes the fuel from the stack.
func (e *emitter) keep() {
	if e.local {
		e.w.op(opLocalSet, e.fuelLocal)
		return
	}
	e.w.op(opGlobalSet, e.fuelGlobal)
}

// ifFuel begins the body of a loop, which runs if there is fuel left. It pays after it looked, so that the loop around it
// need not pay back.
func (e *emitter) ifFuel(result ...byte) {
	e.have()
	e.w.i64(0)
	e.w.byte(opI64GeS, opIf)
	e.w.b = append(e.w.b, result...)
}

// elseAround ends it and both loops: else it goes to that around it.
func (e *emitter) elseAround() {
	e.w.byte(opElse)
	e.w.op(opBr, 2)
	e.w.byte(opEnd, opEnd, opEnd)
}

// look asks for more if there is no fuel left.
func (e *emitter) look() {
	w := e.w
	e.have()
	w.i64(0)
	w.byte(opI64LtS, opIf, noResult)
	e.have()
	w.i64(0)
	w.op(opCall, e.refill)
	e.keep()
	w.byte(opEnd)
}

// start writes what a function pays at its start. One look serves fuel and room: fuel | room is below zero if either is.
// When it is, the function calls itself anew behind the refill, and returns what that returns. So nothing of what it
// computes lives across a call in the case that matters, and the engine keeps its parameters in registers. Where they are
// too many for that it goes on.
func (e *emitter) start(p *point) {
	w := e.w
	w.op(opGlobalGet, e.fuelGlobal)
	w.i64(int64(p.cost()))
	w.byte(opI64Sub)
	w.op(opLocalTee, e.fuelLocal)
	if e.deep {
		w.op(opGlobalGet, e.roomGlobal)
		w.i64(int64(e.stack))
		w.byte(opI64Sub)
		w.op(opLocalTee, e.roomLocal)
		w.byte(opI64Or)
	}
	w.i64(0)
	w.byte(opI64LtS, opIf, noResult)
	e.askMore()
	if e.params() <= againParams {
		e.again(p)
	} else {
		w.op(opLocalSet, e.fuelLocal)
	}
	w.byte(opEnd)
	if !e.local {
		w.op(opLocalGet, e.fuelLocal)
		w.op(opGlobalSet, e.fuelGlobal)
	}
	if e.deep {
		w.op(opLocalGet, e.roomLocal)
		w.op(opGlobalSet, e.roomGlobal)
	}
}

// againParams is the most parameters of a function that calls itself anew: each is written once more.
const againParams = 16

func (e *emitter) params() uint32 { return uint32(e.m.Types[e.m.Bodies[e.f].Type].Params) }

// askMore puts the fuel on the stack that the host gives.
func (e *emitter) askMore() {
	w := e.w
	w.op(opLocalGet, e.fuelLocal)
	if e.deep {
		w.op(opLocalGet, e.roomLocal)
	} else {
		w.i64(0)
	}
	w.op(opCall, e.refill)
}

// again writes the call of itself, with the fuel on the stack. This frame stays there meanwhile, and what was paid is paid
// once more.
func (e *emitter) again(p *point) {
	w := e.w
	w.i64(int64(p.cost()))
	w.byte(opI64Add)
	w.op(opGlobalSet, e.fuelGlobal)
	if e.deep {
		w.op(opLocalGet, e.roomLocal)
		w.op(opGlobalSet, e.roomGlobal)
	}
	for i := range e.params() {
		w.op(opLocalGet, i)
	}
	w.op(opCall, e.refill+1+uint32(e.f))
	if e.deep {
		e.giveRoom()
	}
	w.byte(opReturn)
}

// giveRoom gives the frame back.
func (e *emitter) giveRoom() {
	e.w.op(opGlobalGet, e.roomGlobal)
	e.w.i64(int64(e.stack))
	e.w.byte(opI64Add)
	e.w.op(opGlobalSet, e.roomGlobal)
}
