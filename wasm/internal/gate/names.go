package gate

func (w *walker) customSection() {
	w.customs++
	start := w.at
	if w.customs > w.caps.Customs {
		w.tooMany(start, plural(w.customs, "custom sections"), w.caps.Customs)
	}
	s := w.name("the name of a custom section", w.caps.Name)
	if w.failed() {
		return
	}
	if string(w.b[s.Start:s.End]) != "name" {
		w.at = w.end
		return
	}
	w.section = "custom name"
	if w.named {
		w.fault(start, "a second section of names", "at most 1 is allowed")
	}
	w.named = true
	w.nameSection()
}

// nameSection reads the names of the module, of functions and of locals. The engine reads these and skips others.
func (w *walker) nameSection() {
	whole := w.end
	for w.at < whole && !w.failed() {
		start := w.at
		id := w.byte("a subsection")
		sizeAt := w.at
		size := w.u32("the size of a subsection")
		if left := whole - w.at; uint64(size) > uint64(left) && !w.failed() {
			w.fault(sizeAt, "a size of "+group(size), atMost(left, "bytes are left", "byte is left"))
		}
		if w.failed() {
			return
		}
		w.end = w.at + int(size)
		if w.caps.Positions {
			w.m.Names = append(w.m.Names, Part{id, uint32(start), Span{uint32(w.at), uint32(w.end)}})
		}
		switch id {
		case 0:
			w.name("the name of the module", w.caps.Name)
		case 1:
			for range w.entriesOf("names of functions") {
				w.namedFunc()
				w.name("the name of a function", w.caps.Name)
			}
		case 2:
			for range w.entriesOf("functions with names of locals") {
				w.namedFunc()
				for range w.entriesOf("names of locals") {
					w.u32("the index of a local")
					w.name("the name of a local", w.caps.Name)
				}
			}
		default:
			w.at = w.end
		}
		if w.at != w.end {
			w.fault(w.at, plural(w.end-w.at, "bytes")+" behind the last name", "expected the end")
		}
		w.end = whole
	}
}

// namedFunc reads the index of a function that has a name, and that there need not be.
func (w *walker) namedFunc() {
	if w.caps.Positions {
		w.m.FuncRefs = append(w.m.FuncRefs, uint32(w.at))
	}
	w.u32("the index of a function")
}

// entriesOf counts names.
func (w *walker) entriesOf(things string) int {
	start := w.at
	n := w.count(things, 2, w.caps.Names)
	if w.names += n; w.names > w.caps.Names {
		w.tooMany(start, plural(w.names, "names")+" so far", w.caps.Names)
	}
	return n
}
