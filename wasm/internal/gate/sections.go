package gate

import "strconv"

// Types of values.
const (
	typeI32       = 0x7f
	typeV128      = 0x7b
	typeFuncRef   = 0x70
	typeExternRef = 0x6f
)

func isValueType(t byte) bool {
	return t >= typeV128 && t <= typeI32 || t == typeFuncRef || t == typeExternRef
}

func (w *walker) valueType() byte {
	start := w.at
	t := w.byte("a value type")
	if !isValueType(t) && !w.failed() {
		w.fault(start, "type 0x"+strconv.FormatUint(uint64(t), 16), "value types are i32, i64, f32, f64, v128, funcref and externref")
	}
	return t
}

func (w *walker) refType() {
	start := w.at
	if t := w.byte("a reference type"); t != typeFuncRef && t != typeExternRef && !w.failed() {
		w.fault(start, "type 0x"+strconv.FormatUint(uint64(t), 16), "reference types are funcref and externref")
	}
}

func (w *walker) typeSection() {
	n := w.count("types", 3, w.caps.Types)
	w.types = make([]Type, 0, n)
	for range n {
		start := w.at
		if form := w.byte("a function type"); form != 0x60 && !w.failed() {
			w.fault(start, "form 0x"+strconv.FormatUint(uint64(form), 16), "every type is a function type, form 0x60")
		}
		params := w.valueTypes("parameters")
		results := w.valueTypes("results")
		if w.failed() {
			return
		}
		if w.values += params + results; w.values > w.caps.Values {
			w.tooMany(start, plural(w.values, "parameters and results")+" of types so far", w.caps.Values)
		}
		w.types = append(w.types, Type{uint32(start), uint16(params), uint16(results)})
	}
}

func (w *walker) valueTypes(things string) int {
	n := w.count(things, 1, min(w.caps.Params, 1<<16-1))
	for range n {
		w.valueType()
	}
	return n
}

func (w *walker) importSection() {
	n := w.count("imports", 4, w.caps.Imports)
	w.m.Imports = make([]Import, 0, n)
	for range n {
		i := Import{Module: w.name("the module of an import", w.caps.Name), Name: w.name("the name of an import", w.caps.Name)}
		start := w.at
		i.Kind = Kind(w.byte("the kind of an import"))
		if w.failed() {
			return
		}
		switch i.Kind {
		case KindFunction:
			i.Type = w.index("types", len(w.types))
			w.funcs = append(w.funcs, i.Type)
			w.imported++
		case KindTable:
			w.table(true)
		case KindMemory:
			w.memory(true)
		case KindGlobal:
			w.globals++
			w.globalType()
		default:
			w.fault(start, "an import of kind "+strconv.Itoa(int(i.Kind)), "kinds are 0 to 3, function, table, memory and global")
		}
		w.m.Imports = append(w.m.Imports, i)
	}
}

func (w *walker) functionSection() {
	n := w.count("functions", 1, w.caps.Functions)
	funcs := make([]uint32, w.imported, w.imported+n)
	copy(funcs, w.funcs)
	w.funcs = funcs
	for range n {
		w.funcs = append(w.funcs, w.index("types", len(w.types)))
		if w.failed() {
			return
		}
	}
}

// limits reads a minimum and maybe a maximum, both at most highest.
func (w *walker) limits(imported bool, highest uint32) Limits {
	l := Limits{At: uint32(w.at), Imported: imported}
	flags := w.byte("limits")
	if flags > 1 {
		w.fault(int(l.At), "limits with flags "+strconv.Itoa(int(flags)), "flags are 0, or 1 for a maximum")
		return l
	}
	l.Min = w.u32("a minimum")
	if flags == 0 {
		return l
	}
	l.HasMax = true
	start := w.at
	l.Max = w.u32("a maximum")
	switch {
	case w.failed():
	case l.Max < l.Min:
		w.fault(start, "a maximum of "+group(l.Max), "the minimum is "+group(l.Min))
	case l.Max > highest:
		w.tooMany(start, "a maximum of "+group(l.Max), int(highest))
	}
	return l
}

func (w *walker) tableSection() {
	for range w.count("tables", 3, w.caps.Tables) {
		w.table(false)
	}
}

func (w *walker) table(imported bool) {
	start := w.at
	if len(w.m.Tables) == w.caps.Tables {
		w.tooMany(start, plural(len(w.m.Tables)+1, "tables"), w.caps.Tables)
		return
	}
	w.refType()
	l := w.limits(imported, 1<<32-1)
	if w.failed() {
		return
	}
	if w.entries += uint64(l.Min); w.entries > uint64(w.caps.TableEntries) {
		w.tooMany(int(l.At), plural(w.entries, "table entries")+" at the start", w.caps.TableEntries)
	}
	w.m.Tables = append(w.m.Tables, l)
}

func (w *walker) memory(imported bool) {
	start := w.at
	if w.m.Memory != nil {
		w.tooMany(start, "2 memories", 1)
		return
	}
	l := w.limits(imported, 65_536)
	if uint64(l.Min) > uint64(w.caps.Pages) && !w.failed() {
		w.tooMany(int(l.At), "a memory of "+plural(l.Min, "pages")+" of 64 KiB at the start", w.caps.Pages)
	}
	w.m.Memory = &l
}

func (w *walker) globalType() {
	w.valueType()
	start := w.at
	if mutable := w.byte("whether a global is mutable"); mutable > 1 {
		w.fault(start, "mutability "+strconv.Itoa(int(mutable)), "0 is constant and 1 mutable")
	}
}

func (w *walker) globalSection() {
	n := w.count("globals", 5, w.caps.Globals)
	if w.globals+n > w.caps.Globals {
		w.tooMany(w.at, plural(w.globals+n, "globals"), w.caps.Globals)
	}
	for range n {
		if w.failed() {
			return
		}
		w.globalType()
		w.constant()
		w.globals++
	}
}

// constant reads a constant expression: one instruction and the end.
func (w *walker) constant() {
	start := w.at
	switch op := w.byte("a constant expression"); op {
	case opI32Const:
		w.signed(32, "an i32")
	case opI64Const:
		w.signed(64, "an i64")
	case opF32Const:
		w.skip(4, "an f32")
	case opF64Const:
		w.skip(8, "an f64")
	case opGlobalGet:
		w.index("globals", w.globals)
	case opRefNull:
		w.refType()
	case opRefFunc:
		w.funcIndex()
	case opVector:
		if w.byte("v128.const") != vecConst {
			w.fault(start, "a vector instruction in a constant expression", "only v128.const is constant")
		}
		w.skip(16, "a v128")
	default:
		w.fault(start, "instruction 0x"+strconv.FormatUint(uint64(op), 16)+" in a constant expression",
			"expected one constant, global.get, ref.null or ref.func")
	}
	start = w.at
	if w.byte("the end of a constant expression") != byte(OpEnd) {
		w.fault(start, "a second instruction in a constant expression", "expected its end")
	}
}

func (w *walker) elementSection() {
	w.elements = w.count("element segments", 3, w.caps.Elements)
	for range w.elements {
		if w.failed() {
			return
		}
		w.element()
	}
}

// element reads a segment. Bit 0 of its flags says that it is not active, bit 1 that the table stands there or that it is
// declared only, bit 2 that its entries are expressions.
func (w *walker) element() {
	start := w.at
	flags := w.u32("the flags of an element segment")
	if flags > 7 {
		w.fault(start, "an element segment with flags "+group(flags), "flags are 0 to 7")
		return
	}
	if flags&1 == 0 {
		if flags&2 != 0 {
			w.index("tables", len(w.m.Tables))
		} else if len(w.m.Tables) == 0 {
			w.noSuch(start, "tables", 0, 0)
		}
		w.constant()
	}
	if flags&3 != 0 {
		start = w.at
		if flags&4 != 0 {
			w.refType()
		} else if kind := w.byte("the kind of an element segment"); kind != 0 {
			w.fault(start, "an element segment of kind "+strconv.Itoa(int(kind)), "the only kind is 0, functions")
		}
	}
	smallest := 1
	if flags&4 != 0 {
		smallest = 3
	}
	start = w.at
	n := w.count("elements", smallest, w.caps.Inits)
	if w.inits += n; w.inits > w.caps.Inits {
		w.tooMany(start, plural(w.inits, "elements")+" of segments so far", w.caps.Inits)
	}
	for range n {
		if w.failed() {
			return
		}
		if flags&4 != 0 {
			w.constant()
		} else {
			w.funcIndex()
		}
	}
}

func (w *walker) dataSection() {
	w.segments = w.count("data segments", 2, w.caps.Data)
	if w.data >= 0 && w.segments != w.data {
		w.fault(w.at, plural(w.segments, "data segments"), "expected "+group(w.data)+", as the data count says")
	}
	for range w.segments {
		start := w.at
		flags := w.u32("the flags of a data segment")
		if w.failed() {
			return
		}
		if flags > 2 {
			w.fault(start, "a data segment with flags "+group(flags), "flags are 0 to 2")
			return
		}
		if flags != 1 {
			if w.m.Memory == nil {
				w.noSuch(start, "memories", 0, 0)
			}
			if flags == 2 {
				w.index("memories", 1)
			}
			w.constant()
		}
		w.skip(w.count("bytes", 1, len(w.b)), "the bytes of a data segment")
	}
}
