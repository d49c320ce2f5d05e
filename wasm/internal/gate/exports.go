package gate

import (
	"hash/maphash"
	"strconv"
)

func (w *walker) exportSection() {
	n := w.count("exports", 3, w.caps.Exports)
	seen := exportNames{w: w, seed: maphash.MakeSeed(), at: map[uint64]Span{}}
	for range n {
		start := w.at
		seen.add(start, w.name("the name of an export", w.caps.Name))
		start = w.at
		kind := w.byte("the kind of an export")
		if w.failed() {
			return
		}
		switch Kind(kind) {
		case KindFunction:
			w.funcIndex()
		case KindTable:
			w.index("tables", len(w.m.Tables))
		case KindMemory:
			memories := 0
			if w.m.Memory != nil {
				memories = 1
			}
			w.index("memories", memories)
		case KindGlobal:
			w.index("globals", w.globals)
		default:
			w.fault(start, "an export of kind "+strconv.Itoa(int(kind)), "kinds are 0 to 3, function, table, memory and global")
		}
	}
}

// exportNames finds a name that stands twice, without a copy of it. Its seed is its own, so that nobody can prepare names
// of the same hash.
type exportNames struct {
	w    *walker
	seed maphash.Seed
	at   map[uint64]Span
}

func (e *exportNames) add(start int, s Span) {
	w := e.w
	if w.failed() {
		return
	}
	name := w.b[s.Start:s.End]
	h := maphash.Bytes(e.seed, name)
	for {
		other, ok := e.at[h]
		if !ok {
			e.at[h] = s
			return
		}
		if string(w.b[other.Start:other.End]) == string(name) {
			w.fault(start, "a second export "+quote(name), "the names of exports are unique")
			return
		}
		h++
	}
}

// quote shows a name, and only the start of a long one.
func quote(name []byte) string {
	const limit = 40
	if len(name) > limit {
		return strconv.Quote(string(name[:limit]) + "...")
	}
	return strconv.Quote(string(name))
}
