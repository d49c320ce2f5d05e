package meter

import (
	"fmt"
	"math"
	"strings"

	"github.com/vanth-io/vanth/wasm/internal/gate"
)

// What the host gives the module and finds in it.
const (
	// ImportModule and ImportName name the one import that is added:
	//
	//	refill(fuel i64, room i64) -> i64
	//
	// The guest calls it when one of its arguments is below zero: fuel, what is left of the fuel; or room, what is left
	// of the stack. The host returns the fuel to go on with, or ends the guest by a panic; that is all it can do when
	// room is below zero. Room is also 0 where the stack is not asked about.
	ImportModule = "vanth:meter"
	ImportName   = "refill"
	// ExportFuel names the exported global that holds the fuel between calls, an i64. It starts as 0.
	ExportFuel = "vanth:fuel"
)

// Limits bound what a module may take beside its memory.
type Limits struct {
	Stack        int // bytes of the engine's stack, by our estimate; default 1 MiB
	TableEntries int // of each table; default 200,000
	// Exports has every function pay that the host may call. Without it those that are small and call nothing
	// pay where they are called, and so not at all for the host.
	Exports bool
}

func (l *Limits) fill() {
	if l.Stack <= 0 {
		l.Stack = 1 << 20
	}
	if l.TableEntries <= 0 {
		l.TableEntries = 200_000
	}
}

// Rewrite returns the metered module. m is what gate.Walk found in it, with Caps.Positions and Caps.Clamp set. The error
// says that the module uses a name that is ours, or starts with larger tables than it may have.
func Rewrite(module []byte, m *gate.Module, l Limits) ([]byte, error) {
	r, err := newRewriter(module, m, l)
	if err != nil {
		return nil, err
	}
	return r.rewrite()
}

func newRewriter(module []byte, m *gate.Module, l Limits) (*rewriter, error) {
	l.fill()
	r := &rewriter{in: module, m: m, limits: l, ahead: m.FuncRefs, imported: m.ImportedFunctions()}
	if err := r.check(); err != nil {
		return nil, err
	}
	r.prepare()
	return r, r.findRefs()
}

func (r *rewriter) rewrite() ([]byte, error) {
	r.out.b = make([]byte, 0, len(r.in)+len(r.in)/2+1<<10)
	r.writeModule()
	if uint64(len(r.out.b)) > math.MaxUint32 {
		return nil, fmt.Errorf("the metered module has %d bytes, and the format ends at 4 GiB", len(r.out.b))
	}
	return r.out.b, nil
}

const ownGlobals = 2

// rewriter is the state of a rewrite.
type rewriter struct {
	in     []byte
	m      *gate.Module
	limits Limits
	out    buffer
	ahead  []uint32 // places of function indices that are still ahead
	code   bool     // the code section is being written

	imported  int      // functions
	funcTypes []uint32 // of all functions, before the rewrite
	leaves    []uint8  // for each function with a body what a call of it costs, if it does not pay itself
	helpers   []helper
	helperOf  map[helper]uint32 // index in helpers
	unroll    int               // instructions that unrolling may still add
	refs      []uint32          // functions that code refers to, before the rewrite
	refOf     map[uint32]uint32 // the globals that hold the references
	blockOf   map[uint32]uint32 // for each type with several results, the type of a block that has them
	opening   opening           // what is taken out of the module or exported, for Open

	// Indices after the rewrite.
	refillType, helperType uint32
	refill                 uint32 // functions
	helper0                uint32 // the first helper
	fuelGlobal, roomGlobal uint32

	exported []int // functions of its own

	plan plan
}

// exportedFunction is the kind of an export that is a function.
const exportedFunction = 0

// check refuses what the rewrite cannot do.
func (r *rewriter) check() error {
	for _, i := range r.m.Imports {
		if string(r.in[i.Module.Start:i.Module.End]) == ImportModule {
			return fmt.Errorf("it imports from %q, which is the host's own: expected other imports", ImportModule)
		}
	}
	for i, t := range r.m.Tables {
		if !t.Imported && uint64(t.Min) > uint64(r.limits.TableEntries) {
			return fmt.Errorf("table %d starts with %d entries: at most %d are allowed", i, t.Min, r.limits.TableEntries)
		}
	}
	return r.checkExports()
}

// checkExports looks for the names that may be added, and notes the functions.
func (r *rewriter) checkExports() error {
	for _, s := range r.m.Sections {
		if s.Kind != secExport {
			continue
		}
		n, at := u32At(r.in, s.Content.Start)
		for range n {
			var size uint32
			size, at = u32At(r.in, at)
			if name := string(r.in[at : at+size]); name == ExportFuel || name == ExportStart || strings.HasPrefix(name, exportGlobal) {
				return fmt.Errorf("it exports %q, which is the host's own: expected other exports", name)
			}
			if i, _ := u32At(r.in, at+size+1); r.in[at+size] == exportedFunction && int(i) >= r.imported {
				r.exported = append(r.exported, int(i)-r.imported)
			}
			at = skipNumber(r.in, at+size+1)
		}
	}
	return nil
}

// prepare counts what is added and looks for leaves.
func (r *rewriter) prepare() {
	m := r.m
	r.funcTypes = make([]uint32, 0, r.imported+len(m.Bodies))
	for _, i := range m.Imports {
		if i.Kind == gate.KindFunction {
			r.funcTypes = append(r.funcTypes, i.Type)
		}
	}
	for i := range m.Bodies {
		r.funcTypes = append(r.funcTypes, m.Bodies[i].Type)
	}
	r.leaves = make([]uint8, len(m.Bodies))
	for f := range r.leaves {
		if cost, ok := r.isLeaf(f); ok {
			r.leaves[f] = uint8(cost)
		}
	}
	if r.limits.Exports {
		for _, f := range r.exported {
			r.leaves[f] = 0
		}
	}
	r.unroll = unrollMore
	for _, k := range m.Marks {
		r.unroll += k.Run()
	}
	r.findHelpers()
	r.refill = uint32(r.imported)
	r.helper0 = uint32(r.imported + 1 + len(m.Bodies))
	r.fuelGlobal, r.roomGlobal = uint32(m.Globals), uint32(m.Globals)+1 // and ownGlobals is their number
}

// marks are those of a function.
func (r *rewriter) marks(f int) []gate.Mark {
	end := uint32(len(r.m.Marks))
	if f+1 < len(r.m.Bodies) {
		end = r.m.Bodies[f+1].Marks
	}
	return r.m.Marks[r.m.Bodies[f].Marks:end]
}

// shifted is the index of a function after the rewrite. One that does not exist may have a name, and keeps it.
func (r *rewriter) shifted(index uint32) uint32 {
	if index >= uint32(r.imported) && index < uint32(len(r.funcTypes)) {
		index++
	}
	return index
}

// copy copies a part of the original, with the function indices in it shifted.
func (r *rewriter) copy(w *buffer, from, to uint32) {
	for len(r.ahead) > 0 && r.ahead[0] < to {
		at := r.ahead[0]
		r.ahead = r.ahead[1:]
		index, next := u32At(r.in, at)
		if global, ok := r.refOf[index]; ok && r.code && r.in[at-1] == opRefFunc {
			w.b = append(w.b, r.in[from:at-1]...)
			w.op(opGlobalGet, global)
		} else {
			w.b = append(w.b, r.in[from:at]...)
			w.u32(r.shifted(index))
		}
		from = next
	}
	w.b = append(w.b, r.in[from:to]...)
}
