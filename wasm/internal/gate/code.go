package gate

import "strconv"

// coder is the state of the bodies, kept from one to the next so that it is allocated once.
type coder struct {
	frames []frame
	seen   []uint32 // for each local of the present function, the block that names it; see local
	locals int      // of the present function, with parameters
	first  int      // marks before the present function
	ran    int      // instructions before the last mark
	loaded int      // and those of them that go to memory or to a table

	height int64  // of the stack of values; free in unreachable code
	shape         // of the present function
	work   uint64 // estimate so far, in nanoseconds
	held   uint64 // memory that all functions together hold, in bytes
	most   uint64 // and what the greediest needs while it is compiled
}

// frame is a block that is open.
type frame struct {
	op      Op
	params  uint16
	results uint16
	base    int64 // height of the stack below its parameters
}

// arity is how many values a branch to the block carries.
func (f frame) arity() int64 {
	if f.op == OpLoop {
		return int64(f.params)
	}
	return int64(f.results)
}

func (w *walker) codeSection() {
	start := w.at
	n := w.count("bodies", 3, w.caps.Functions)
	if defined := len(w.funcs) - w.imported; n != defined {
		w.fault(start, plural(n, "bodies"), "expected "+group(defined)+", one for each function")
		return
	}
	w.codeSize = w.end - start
	if w.caps.Positions {
		w.m.Bodies = make([]Function, 0, n)
	}
	for w.bodies < n && !w.failed() {
		w.body()
		w.bodies++
	}
}

// who names the present function in errors.
func (w *walker) who() string { return "function " + group(w.imported+w.bodies) }

func (w *walker) body() {
	start, whole := w.at, w.end
	size := w.u32("the size of a body")
	switch left := whole - w.at; {
	case w.failed():
		return
	case uint64(size) > uint64(w.caps.Body):
		w.tooMany(start, plural(size, "bytes")+" in the body of "+w.who(), w.caps.Body)
		return
	case uint64(size) > uint64(left):
		w.fault(start, plural(size, "bytes")+" in the body of "+w.who(), atMost(left, "are left", "is left"))
		return
	}
	w.end = w.at + int(size)
	t := w.types[w.funcs[w.imported+w.bodies]]
	c := &w.code
	c.shape, c.height = shape{}, 0
	declared := w.localRuns()
	c.locals = declared + int(t.Params)
	c.forget()
	c.frames = append(c.frames[:0], frame{op: OpBlock, results: t.Results})
	c.first, c.ran, c.loaded = len(w.m.Marks), 0, 0
	code := w.at
	w.instructions()
	if w.failed() {
		return
	}
	if w.at != w.end {
		w.fault(w.at, plural(w.end-w.at, "bytes")+" behind the end of "+w.who(), "expected the next body")
		return
	}
	w.end = whole
	w.judge(start, declared+int(t.Params))
	if w.caps.Positions {
		w.m.Bodies = append(w.m.Bodies, Function{
			Size: uint32(start), Code: uint32(code), End: uint32(w.at), Type: w.funcs[w.imported+w.bodies],
			Locals: uint32(declared), Marks: uint32(c.first),
		})
	}
}

// localRuns reads the declarations of locals and returns how many there are.
func (w *walker) localRuns() int {
	sum := uint64(0)
	for range w.count("runs of locals", 2, w.caps.Body) {
		start := w.at
		sum += uint64(w.u32("a number of locals"))
		if sum > uint64(w.caps.Locals) {
			w.tooMany(start, plural(sum, "locals")+" in "+w.who(), w.caps.Locals)
		}
		w.valueType()
		if w.failed() {
			return 0
		}
	}
	w.declared += int(sum) // the engine keeps a word for each, from the start
	if most := max(w.caps.Declared, len(w.b)); w.declared > most && !w.failed() {
		w.tooMany(w.at, plural(w.declared, "locals")+" of functions so far", most)
	}
	return int(sum)
}

// forget makes room for the locals of a function, none of which was seen.
func (c *coder) forget() {
	if cap(c.seen) < c.locals {
		c.seen = make([]uint32, c.locals)
		return
	}
	c.seen = c.seen[:c.locals]
	clear(c.seen)
}

// mark keeps the place of an instruction.
func (w *walker) mark(at int, op Op) {
	if !w.caps.Positions {
		return
	}
	c := &w.code
	run, touches := c.instructions-1-c.ran, min(c.loads-c.loaded, maxRun)
	c.ran, c.loaded = c.instructions, c.loads
	w.m.Marks = append(w.m.Marks, Mark{uint32(at), uint32(touches)<<20 | uint32(run)<<8 | uint32(op)})
}

// maxRun is how many instructions may stand between two marks. So many take a third of a millisecond if each waits for
// memory, and a whole one if each touches a page that nobody has touched.
const maxRun = 2 << 10

// instructions reads a body up to the end of its outermost block.
func (w *walker) instructions() {
	c := &w.code
	for w.at < w.end {
		start := w.at
		op := w.b[start]
		w.at++
		c.instructions++
		if c.instructions-c.ran > maxRun {
			w.mark(start, OpPause)
			c.ran = c.instructions - 1 // the instruction there comes after it
		}
		c.height += int64(pushes[op])
		switch imms[op] {
		case immNone:
		case immTraps:
			c.traps++
		case immHeavy:
			c.heavy++
		case immLocal:
			w.local(start, op)
		case immI32:
			if w.at < w.end && w.b[w.at] < 0x80 {
				w.at++
			} else {
				w.signed(32, "an i32")
			}
		case immI64:
			w.signed(64, "an i64")
		case immLoad, immStore:
			w.memArg(start)
			c.loads++
		case immF32:
			w.skip(4, "an f32")
		case immF64:
			w.skip(8, "an f64")
		case immEnd:
			w.mark(start, OpEnd)
			if w.close(); len(c.frames) == 0 {
				return
			}
		case immGlobal:
			w.index("globals", w.globals)
		case immUnreachable:
			w.mark(start, OpUnreachable)
			c.unreachable()
		case immReturn:
			w.mark(start, OpReturn)
			c.values += int64(c.frames[0].results)
			c.unreachable()
		default:
			w.control(start, op)
		}
	}
	if !w.failed() {
		w.fault(w.end, "the end of the body of "+w.who()+" in "+plural(len(c.frames), "open blocks"), "expected an end for each")
	}
}

// across is what seen holds for a local that is counted as living across blocks.
const across = 1<<32 - 1

// local reads the index of a local. One that is named in several blocks, or read before it is written, lives across
// blocks; one that is written first and named in a single block does not.
func (w *walker) local(start int, op byte) {
	c := &w.code
	i := w.u32("an index of locals")
	if uint64(i) >= uint64(c.locals) {
		if !w.failed() {
			w.noSuch(start+1, "locals", i, c.locals)
		}
		return
	}
	seen, here := &c.seen[i], uint32(c.blocks)+1
	if *seen == here || *seen == across {
		return
	}
	if *seen == 0 && op != opLocalGet {
		*seen = here
		return
	}
	*seen = across
	c.live++
}

// control reads what is left: blocks, branches, calls, tables, prefixes.
func (w *walker) control(start int, op byte) {
	c := &w.code
	switch imms[op] {
	case immBlock:
		w.open(start, Op(op))
	case immElse:
		f := &c.frames[len(c.frames)-1]
		if f.op != OpIf {
			w.fault(start, "an else outside of an if, in "+w.who(), "an else belongs to the innermost if, once")
			return
		}
		f.op = OpElse
		w.mark(start, OpElse)
		c.values += int64(f.params) + int64(f.results)
		c.height = f.base + int64(f.params)
	case immLabel:
		f := w.label()
		w.mark(start, Op(op))
		c.values += f.arity()
		c.block(1, c.height)
		if Op(op) == OpBr {
			c.unreachable()
		}
	case immLabels:
		w.labels(start)
	case immCall:
		i := w.funcIndex()
		if w.failed() {
			return
		}
		w.mark(start, OpCall)
		w.called(w.types[w.funcs[i]])
	case immIndirect:
		i := w.index("types", len(w.types))
		w.index("tables", len(w.m.Tables))
		if w.failed() {
			return
		}
		w.mark(start, OpCallIndirect)
		c.indirect++
		c.block(2, c.height)
		w.called(w.types[i])
	case immSelect:
		if n := w.u32("the number of types"); n != 1 && !w.failed() {
			w.fault(start, plural(n, "types")+" for a select", "expected 1")
		}
		w.valueType()
	case immTable:
		w.index("tables", len(w.m.Tables))
		w.m.SetsTables = w.m.SetsTables || op == opTableSet
		c.loads++
	case immMemory:
		w.oneMemory(start)
		if op == byte(OpMemoryGrow) {
			w.mark(start, OpMemoryGrow)
		}
		c.calls++
	case immRefType:
		w.refType()
	case immFunc:
		w.funcIndex()
		c.calls++
	case immMisc:
		w.misc(start)
	case immVector:
		w.vector(start)
	default:
		w.fault(start, "instruction 0x"+strconv.FormatUint(uint64(op), 16)+" in "+w.who(), "it is none of WebAssembly 2.0")
	}
}

func (w *walker) called(t Type) {
	c := &w.code
	c.calls++
	c.values += int64(t.Params) + int64(t.Results)
	c.height += int64(t.Results) - int64(t.Params)
	c.highest = max(c.highest, c.height)
}
