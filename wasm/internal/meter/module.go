package meter

import "github.com/vanth-io/vanth/wasm/internal/gate"

// Ids of sections.
const (
	secCustom   = 0
	secType     = 1
	secImport   = 2
	secFunction = 3
	secTable    = 4
	secGlobal   = 6
	secExport   = 7
	secStart    = 8
	secElement  = 9
	secCode     = 10
	secData     = 11
	secCount    = 12 // of data segments
)

// addition is what a section gets behind its own entries.
type addition struct {
	section byte
	entries uint32
	write   func(*buffer)
}

// writeModule writes the sections one by one. Those that are to get entries and are missing are put where they belong:
// all of them stand in front of the start section, where sections are in the order of their ids.
func (r *rewriter) writeModule() {
	w := &r.out
	w.b = append(w.b, r.in[:8]...)
	add := r.additions()
	for _, s := range r.m.Sections {
		if s.Kind == secCustom {
			r.writeNames(w, s)
			continue
		}
		for len(add) > 0 && add[0].section < s.Kind {
			r.writeGrown(w, nil, add[0])
			add = add[1:]
		}
		if r.opening.drops(s.Kind) {
			for len(r.ahead) > 0 && r.ahead[0] < s.Content.End {
				r.ahead = r.ahead[1:]
			}
			continue
		}
		switch {
		case len(add) > 0 && add[0].section == s.Kind:
			r.writeGrown(w, &s, add[0])
			add = add[1:]
		case s.Kind == secTable:
			r.writeSection(w, s.Kind, func() { r.writeTables(w, s) })
		case s.Kind == secCode:
			r.writeSection(w, s.Kind, func() { r.writeCode(w) })
		default:
			r.writeSection(w, s.Kind, func() { r.copy(w, s.Content.Start, s.Content.End) })
		}
	}
	for _, a := range add {
		r.writeGrown(w, nil, a)
	}
}

func (r *rewriter) writeSection(w *buffer, kind byte, content func()) {
	w.byte(kind)
	w.sized(content)
}

// writeGrown writes a section with its own entries, if there are any, and those that are added.
func (r *rewriter) writeGrown(w *buffer, s *gate.Part, a addition) {
	r.writeSection(w, a.section, func() {
		if s == nil {
			w.u32(a.entries)
		} else {
			n, at := u32At(r.in, s.Content.Start)
			w.u32(n + a.entries)
			r.copy(w, at, s.Content.End)
		}
		a.write(w)
	})
}

// additions lists what is added to which section, in the order of the sections, and gives the types their indices.
func (r *rewriter) additions() []addition {
	var types buffer
	next := uint32(len(r.m.Types))
	addType := func(t ...byte) uint32 {
		types.byte(t...)
		next++
		return next - 1
	}
	r.refillType = addType(typeFunc, 2, typeI64, typeI64, 1, typeI64)
	if len(r.helpers) > 0 {
		r.helperType = addType(typeFunc, 3, typeI32, typeI32, typeI32, 0)
	}
	r.blockOf = map[uint32]uint32{}
	for i, t := range r.m.Types {
		if t.Results > 1 {
			r.blockOf[uint32(i)] = addType(append([]byte{typeFunc, 0}, r.results(t)...)...)
		}
	}
	list := []addition{
		{secType, next - uint32(len(r.m.Types)), func(w *buffer) { w.b = append(w.b, types.b...) }},
		{secImport, 1, func(w *buffer) {
			w.name(ImportModule)
			w.name(ImportName)
			w.op(byte(gate.KindFunction), r.refillType)
		}},
	}
	if n := uint32(len(r.helpers)); n > 0 {
		list = append(list, addition{secFunction, n, func(w *buffer) {
			for range n {
				w.u32(r.helperType)
			}
		}})
	}
	return append(list,
		addition{secGlobal, ownGlobals + uint32(len(r.refs)), func(w *buffer) {
			for _, start := range []int64{0, int64(r.limits.Stack)} {
				w.byte(typeI64, 1) // mutable
				w.i64(start)
				w.byte(opEnd)
			}
			r.writeRefs(w)
		}},
		addition{secExport, 1 + r.opening.exports(), func(w *buffer) {
			w.name(ExportFuel)
			w.op(byte(gate.KindGlobal), r.fuelGlobal)
			r.writeOpening(w)
		}})
}

// results are the number of results of a type and the results, as they stand in the module.
func (r *rewriter) results(t gate.Type) []byte {
	n, at := u32At(r.in, t.At+1)
	at += n
	n, end := u32At(r.in, at)
	return r.in[at : end+n]
}

// resultType is the type of a block that returns what a function of a type returns.
func (r *rewriter) resultType(index uint32) []byte {
	switch t := r.m.Types[index]; t.Results {
	case 0:
		return []byte{noResult}
	case 1:
		list := r.results(t)
		return list[len(list)-1:]
	}
	var w buffer
	w.s64(int64(r.blockOf[index]))
	return w.b
}

// writeTables gives tables a maximum, or a lower one.
func (r *rewriter) writeTables(w *buffer, s gate.Part) {
	at := s.Content.Start
	for _, t := range r.m.Tables {
		if t.Imported {
			continue
		}
		most := uint32(r.limits.TableEntries)
		end := skipNumber(r.in, t.At+1)
		if t.HasMax {
			most = min(most, t.Max)
			end = skipNumber(r.in, end)
		}
		w.b = append(w.b, r.in[at:t.At]...)
		w.byte(1)
		w.u32(t.Min)
		w.u32(most)
		at = end
	}
	w.b = append(w.b, r.in[at:s.Content.End]...)
}

// writeCode writes the bodies, and those of the helpers.
func (r *rewriter) writeCode(w *buffer) {
	r.code = true
	defer func() { r.code = false }()
	w.u32(uint32(len(r.m.Bodies) + len(r.helpers)))
	for f := range r.m.Bodies {
		w.sized(func() { r.writeFunction(w, f) })
	}
	for _, h := range r.helpers {
		w.sized(func() { r.writeHelper(w, h) })
	}
}

// writeNames writes a custom section of names, and leaves out others.
func (r *rewriter) writeNames(w *buffer, s gate.Part) {
	const name = "name"
	n, at := u32At(r.in, s.Content.Start)
	if string(r.in[at:at+n]) != name {
		return
	}
	r.writeSection(w, secCustom, func() {
		w.name(name)
		for _, sub := range r.m.Names {
			r.writeSection(w, sub.Kind, func() { r.copy(w, sub.Content.Start, sub.Content.End) })
		}
	})
}
