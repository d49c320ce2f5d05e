package meter

import "fmt"

// The engine makes something new each time that it makes a reference to a function, and keeps it as long as the instance
// lives. So references are made once, when the instance starts, and kept in globals.

// maxRefs bounds the functions that code may make references to.
const maxRefs = 10_000

// findRefs gives each function that code refers to a global. One that is declared nowhere else is left as it is: the
// engine refuses it.
func (r *rewriter) findRefs() error {
	declared := make([]bool, len(r.funcTypes))
	var code [2]uint32
	sections := r.m.Sections
	for _, at := range r.m.FuncRefs {
		for len(sections) > 0 && sections[0].Content.End <= at {
			sections = sections[1:]
		}
		s := sections[0]
		switch s.Kind {
		case secGlobal, secExport, secElement:
			i, _ := u32At(r.in, at)
			declared[i] = true
		case secCode:
			code = [2]uint32{s.Content.Start, s.Content.End}
		}
	}
	r.refOf = map[uint32]uint32{}
	for _, at := range r.m.FuncRefs {
		if at < code[0] || at >= code[1] || r.in[at-1] != opRefFunc {
			continue
		}
		i, _ := u32At(r.in, at)
		if _, known := r.refOf[i]; known || !declared[i] {
			continue
		}
		if len(r.refs) == maxRefs {
			return fmt.Errorf("its code makes references to more than %d functions: expected fewer", maxRefs)
		}
		r.refOf[i] = uint32(r.m.Globals) + ownGlobals + uint32(len(r.refs))
		r.refs = append(r.refs, i)
	}
	return nil
}

// writeRefs writes the globals.
func (r *rewriter) writeRefs(w *buffer) {
	for _, i := range r.refs {
		w.byte(typeFuncRef, 0) // not mutable
		w.op(opRefFunc, r.shifted(i))
		w.byte(opEnd)
	}
}
