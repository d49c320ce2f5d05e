package gate

import "strconv"

// close ends the innermost block.
func (w *walker) close() {
	c := &w.code
	f := c.frames[len(c.frames)-1]
	c.frames = c.frames[:len(c.frames)-1]
	if f.op == OpLoop {
		c.loopDepth--
	}
	c.values += int64(f.results)
	c.height = f.base + int64(f.results)
}

// unreachable drops what the innermost block has on the stack.
func (c *coder) unreachable() { c.height = c.frames[len(c.frames)-1].base }

// open reads the type of a block and opens it.
func (w *walker) open(start int, op Op) {
	c := &w.code
	if len(c.frames) > w.caps.Nesting {
		w.tooMany(start, plural(len(c.frames), "nested blocks")+" in "+w.who(), w.caps.Nesting)
		return
	}
	f := frame{op: op}
	at := w.at
	switch t := w.byte("the type of a block"); {
	case t == 0x40:
	case isValueType(t):
		f.results = 1
	default:
		w.at = min(at, w.end)
		i := w.signed(33, "the type of a block")
		if w.failed() {
			return
		}
		if i < 0 {
			w.fault(at, "a block of type "+strconv.FormatInt(i, 10), "expected a value type, none, or an index of types")
			return
		}
		if i >= int64(len(w.types)) {
			w.noSuch(at, "types", uint32(i), len(w.types))
			return
		}
		f.params, f.results = w.types[i].Params, w.types[i].Results
	}
	f.base = max(0, c.height-int64(f.params))
	c.frames = append(c.frames, f)
	w.mark(start, op)
	c.values += int64(f.params) + int64(f.results)
	switch op {
	case OpLoop:
		c.loopDepth++
		c.loops++
		c.loopsAround += c.loopDepth
		c.block(2, c.height)
	case OpIf:
		c.block(3, c.height)
	default:
		c.block(1, c.height)
	}
}

// label reads the target of a branch.
func (w *walker) label() frame {
	frames := w.code.frames
	i := w.index("labels", len(frames))
	if w.failed() {
		return frame{}
	}
	return frames[len(frames)-1-int(i)]
}

func (w *walker) labels(start int) {
	c := &w.code
	at := w.at
	v := w.u32("the number of labels")
	if uint64(v) > uint64(w.caps.Branches) {
		w.tooMany(at, plural(v, "labels")+" in a br_table of "+w.who(), w.caps.Branches)
	}
	if w.failed() {
		return
	}
	n := int(v)
	for range n + 1 {
		f := w.label()
		if w.failed() {
			return
		}
		c.values += f.arity()
	}
	c.targets += n + 1
	w.mark(start, OpBrTable)
	c.block(1, c.height)
	c.unreachable()
}
