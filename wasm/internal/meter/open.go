package meter

import (
	"fmt"
	"strconv"

	"github.com/vanth-io/vanth/wasm/internal/gate"
)

// What Open adds to the exports.
const (
	// ExportStart names the function that was the start function: it takes nothing and returns nothing.
	ExportStart = "vanth:start"
	// exportGlobal and a number name the mutable globals of the module.
	exportGlobal = "vanth:global:"
)

// ExportGlobal names the i-th mutable global of an opened module, from 0 up.
func ExportGlobal(i int) string { return exportGlobal + strconv.Itoa(i) }

// maxState bounds the mutable globals of a module whose state can be captured.
const maxState = 1_000

// Opened is a metered module that starts in steps, so that the host can take them, or put what it kept in their place:
//
//  1. memory holds Data, and is otherwise zero, before the engine instantiates Code;
//  2. the host calls ExportStart, if there is a start function.
//
// A module that does so behaves as it did: nothing runs between the two, and the tables are filled between them as before.
type Opened struct {
	Code    []byte
	Data    []Segment // in the order in which they are written; they alias the module that was opened
	Start   bool      // there is ExportStart
	Globals int       // that are exported, under ExportGlobal
	// Sealed says why the memory and the globals of an instance are not all of its state; "" if they are.
	Sealed string
}

// Segment is bytes of memory, which lie within the size that it starts with.
type Segment struct {
	At    uint32
	Bytes []byte
}

// Open is Rewrite for a host that starts instances in steps. Data segments stay in the module, and are not in Data, when
// code uses them, or when one of them stands at a place that is not constant or lies outside.
func Open(module []byte, m *gate.Module, l Limits) (*Opened, error) {
	r, err := newRewriter(module, m, l)
	if err != nil {
		return nil, err
	}
	o := &Opened{}
	r.findStart()
	r.findGlobals(o)
	r.findData(o)
	if o.Sealed == "" && m.SetsTables {
		o.Sealed = "its code changes tables"
	}
	if o.Code, err = r.rewrite(); err != nil {
		return nil, err
	}
	o.Start, o.Globals = r.opening.start, len(r.opening.globals)
	return o, nil
}

// opening is what Open changes beside what Rewrite does.
type opening struct {
	start    bool     // the start section is dropped, and its function exported
	function uint32   // that function, before the rewrite
	data     bool     // the data section is dropped
	globals  []uint32 // that are exported
}

// drops says that a section is left out.
func (o *opening) drops(section byte) bool {
	switch section {
	case secStart:
		return o.start
	case secData, secCount:
		return o.data
	}
	return false
}

// exports is how many are added.
func (o *opening) exports() uint32 {
	n := uint32(len(o.globals))
	if o.start {
		n++
	}
	return n
}

func (r *rewriter) writeOpening(w *buffer) {
	if r.opening.start {
		w.name(ExportStart)
		w.op(byte(gate.KindFunction), r.shifted(r.opening.function))
	}
	for i, g := range r.opening.globals {
		w.name(ExportGlobal(i))
		w.op(byte(gate.KindGlobal), g)
	}
}

// section is the content of a section, from its number of entries on; ok is false if there is none.
func (r *rewriter) section(kind byte) (at uint32, ok bool) {
	for _, s := range r.m.Sections {
		if s.Kind == kind {
			return s.Content.Start, true
		}
	}
	return 0, false
}

// findStart looks for a start function. One that the engine refuses stays where it is.
func (r *rewriter) findStart() {
	at, ok := r.section(secStart)
	if !ok {
		return
	}
	f, _ := u32At(r.in, at)
	if t := r.m.Types[r.funcTypes[f]]; t.Params+t.Results == 0 && int(f) >= r.imported {
		r.opening.start, r.opening.function = true, f
	}
}

// findGlobals lists the mutable globals.
func (r *rewriter) findGlobals(o *Opened) {
	at, ok := r.section(secGlobal)
	if !ok {
		return
	}
	n, at := u32At(r.in, at)
	list := make([]uint32, 0, min(n, maxState))
	for i := range n {
		kind, mutable := r.in[at], r.in[at+1] == 1
		at = r.skipConstant(at + 2)
		switch {
		case !mutable:
		case kind < typeF64:
			o.Sealed = "it has a mutable global that is no number"
			return
		case len(list) == maxState:
			o.Sealed = fmt.Sprintf("it has more than %d mutable globals", maxState)
			return
		default:
			list = append(list, uint32(r.m.Globals)-n+i)
		}
	}
	r.opening.globals = list
}

// skipConstant is where a constant expression ends, which the gate has read before.
func (r *rewriter) skipConstant(at uint32) uint32 {
	switch r.in[at] {
	case opF32Const:
		at += 5
	case opF64Const:
		at += 9
	case opRefNull:
		at += 2
	case opVector: // v128.const
		at += 18
	default: // one number
		at = skipNumber(r.in, at+1)
	}
	return at + 1 // the end
}

// findData takes the data section out, if what it does can be done without the engine.
func (r *rewriter) findData(o *Opened) {
	stays := func(why string) {
		o.Data = nil
		if o.Sealed == "" {
			o.Sealed = why
		}
	}
	if r.m.UsesData {
		stays("its code uses data segments")
		return
	}
	at, ok := r.section(secData)
	if !ok {
		return
	}
	n, at := u32At(r.in, at)
	o.Data = make([]Segment, 0, n)
	for range n {
		flags := r.in[at]
		at++
		if flags == 2 {
			at = skipNumber(r.in, at) // of the memory
		}
		var place uint32
		if flags != 1 {
			if r.in[at] != opI32Const || r.m.Memory.Imported {
				stays("it has a data segment at a place that is not constant")
				return
			}
			place = s32At(r.in, at+1)
			at = r.skipConstant(at)
		}
		var size uint32
		size, at = u32At(r.in, at)
		bytes := r.in[at : at+size]
		at += size
		if flags == 1 { // that no code uses
			continue
		}
		if uint64(place)+uint64(size) > uint64(r.m.Memory.Min)<<16 {
			stays("it has a data segment outside of its memory")
			return
		}
		if size > 0 {
			o.Data = append(o.Data, Segment{place, bytes})
		}
	}
	r.opening.data = true
}
