package wat

import "encoding/binary"

// Section ids of the binary format.
const (
	secCustom = iota
	secType
	secImport
	secFunc
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElem
	secCode
	secData
	secDataCount
	numSections
)

// section collects the entries of one section, which come in the order of the text.
type section struct {
	count uint32
	body  []byte
}

func (s *section) add(entry []byte) {
	s.count++
	s.body = append(s.body, entry...)
}

// binary puts the sections in the order that the format demands, which is that of their ids except for the data count:
// it stands before the code that needs it.
func (m *module) binary() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, id := range []int{
		secType, secImport, secFunc, secTable, secMemory, secGlobal, secExport, secStart, secElem,
		secDataCount, secCode, secData,
	} {
		s := &m.sections[id]
		switch {
		case id == secDataCount && m.usesDataCount:
			out = appendSection(out, id, appendU32(nil, m.sections[secData].count))
		case id == secStart && s.count > 0:
			out = appendSection(out, id, s.body)
		case s.count > 0:
			out = appendSection(out, id, append(appendU32(nil, s.count), s.body...))
		}
	}
	return m.appendNames(out)
}

// appendNames appends the name section: the name of the module and those of its functions, without their $.
func (m *module) appendNames(out []byte) []byte {
	body := appendVec(nil, "name")
	empty := len(body)
	if m.name != "" {
		body = appendSection(body, 0, appendVec(nil, m.name[1:]))
	}
	var named section
	for i, name := range m.spaces[classFunc].names {
		if name != "" {
			named.add(appendVec(appendU32(nil, uint32(i)), name[1:]))
		}
	}
	if named.count > 0 {
		body = appendSection(body, 1, append(appendU32(nil, named.count), named.body...))
	}
	if len(body) == empty {
		return out
	}
	return appendSection(out, secCustom, body)
}

func appendSection(out []byte, id int, body []byte) []byte {
	return appendVec(append(out, byte(id)), body)
}

// appendVec appends the length of v and v.
func appendVec[T string | []byte](out []byte, v T) []byte {
	return append(appendU32(out, uint32(len(v))), v...)
}

// appendU32 appends v as unsigned LEB128.
func appendU32(out []byte, v uint32) []byte { return binary.AppendUvarint(out, uint64(v)) }

// appendS64 appends v as signed LEB128, which for a value that fits 32 bits is also its 32-bit encoding.
func appendS64(out []byte, v int64) []byte {
	for v < -64 || v > 63 {
		out = append(out, byte(v)|0x80)
		v >>= 7
	}
	return append(out, byte(v)&0x7f)
}

// appendTo appends the entries as a vector.
func (s *section) appendTo(out []byte) []byte {
	return append(appendU32(out, s.count), s.body...)
}
