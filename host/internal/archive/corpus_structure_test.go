package archive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// overlaps are how few bytes become many: several entries share contents.
func overlaps() family {
	a, b := stored("a", "same"), stored("b", "same")
	shared := rawZip{entries: []rawEntry{a, b}}
	shared.entries[1].ghost = true
	shared.entries[1].central = func(h *header) { h.offset, h.name = 0, "b" }
	same := shared
	same.entries = []rawEntry{a, a}
	same.entries[1].ghost = true
	same.entries[1].central = func(h *header) { h.offset = 0 }
	return family{
		name: "overlaps",
		bad: []sample{
			{"shared local header", shared.bytes(), `"b": its local header says "a"`},
			{"same entry twice", same.bytes(), `"a": overlaps "a"`},
			{"quoted headers", quoted(5), "overlaps"},
			{"into the next entry", archiveOf(stored("a", "x").both(func(h *header) { h.packed, h.size = 20, 20 }), stored("b", "y")), `"b": overlaps "a"`},
			{"over two entries", archiveOf(stored("a", "x").both(func(h *header) { h.packed, h.size = 50, 50 }), stored("b", "y"), stored("c", "z")), `"b": overlaps "a"; "c": overlaps "a"`},
			{"into the directory", archiveOf(stored("a", "x").both(func(h *header) { h.packed, h.size = 60, 60 })), "lies outside the archive"},
			{"beyond the end", archiveOf(stored("a", "x").both(func(h *header) { h.packed, h.size = 1<<20, 1<<20 })), "lies outside the archive"},
			{"header in the directory", archiveOf(stored("a", "x").inCentral(func(h *header) { h.offset = 10 })), "lies outside the archive"},
			{"header beyond the end", archiveOf(stored("a", "x").inCentral(func(h *header) { h.offset = 1 << 30 })), "lies outside the archive"},
			{"names beyond the end", archiveOf(stored("a", "x").inLocal(func(h *header) { h.extraLenLie = 60000 })), "lies outside the archive"},
		},
		good: []sample{
			{"gaps", gapped(), ""},
			{"other order", reversed(), ""},
		},
	}
}

// quoted builds the overlap that fools readers which only compare local headers: the contents of
// each entry are the header and the contents of the next, quoted by a stored deflate block.
func quoted(n int) []byte {
	last := deflated("z", "kernel")
	next := append(localBytes(last), last.content...)
	entries := []rawEntry{last}
	for i := range n {
		head := make([]byte, 5) // not final, stored, as long as the next header
		quote := len(next) - len(entries[0].content)
		binary.LittleEndian.PutUint16(head[1:], uint16(quote))
		binary.LittleEndian.PutUint16(head[3:], ^uint16(quote))
		e := stored(fmt.Sprint("q", i), "")
		e.method, e.content = methodDeflate, append(head, next...)
		e.packed, e.size = uint32(len(e.content)), entries[0].size+uint32(quote)
		next = append(localBytes(e), e.content...)
		entries = append([]rawEntry{e}, entries...)
	}
	z := rawZip{entries: entries}
	at := uint32(0)
	for i := range z.entries {
		e, offset := &z.entries[i], at
		e.ghost = i > 0
		e.central = func(h *header) { h.offset = offset }
		at += uint32(localLen+len(e.name)) + 5
	}
	return z.bytes()
}

func localBytes(e rawEntry) []byte {
	e.content = nil
	b := archiveOf(e)
	return b[:localLen+len(e.name)]
}

func gapped() []byte {
	z := rawZip{entries: []rawEntry{stored("a", "x"), stored("b", "y")}, gap: []byte("signing block")}
	z.entries[0].descriptor = []byte("unused bytes")
	return z.bytes()
}

func reversed() []byte {
	a, b := stored("a", "x"), stored("b", "y")
	second := uint32(localLen + 2)
	// The directory names b first; the bytes of b come second.
	a.descriptor = append(localBytes(b), 'y')
	b.ghost = true
	z := rawZip{entries: []rawEntry{b, a}}
	z.entries[0].central = func(h *header) { h.offset = second }
	return z.bytes()
}

func headers() family {
	differ := func(name string, change func(*header), want string) sample {
		return sample{name, archiveOf(stored("a", "x").inLocal(change)), want}
	}
	wide := stored("a", "x").both(func(h *header) {
		h.size, h.packed, h.extra = 0xffffffff, 0xffffffff, field(extraZip64, wide64(1, 1))
	})
	return family{
		name: "headers",
		bad: []sample{
			differ("local name", func(h *header) { h.name = "../canary/evil" }, `"a": its local header says "../canary/evil"`),
			differ("local method", func(h *header) { h.method = methodDeflate }, "another method or other flags"),
			differ("local size", func(h *header) { h.size = 9 }, "another size or checksum"),
			differ("local compressed size", func(h *header) { h.packed = 9 }, "another size or checksum"),
			differ("local checksum", func(h *header) { h.crc++ }, "another size or checksum"),
			differ("local descriptor flag", func(h *header) { h.flags |= flagDescriptor }, "other flags"),
			{"no local header", archiveOf(stored("a", "xxxxxxxxxx").inCentral(func(h *header) { h.offset = 1 })), "no local header"},
			{"no descriptor", archiveOf(stored("a", "x").both(func(h *header) { h.flags |= flagDescriptor })), "data descriptor differs"},
			{"wrong descriptor", archiveOf(func() rawEntry {
				e := stored("a", "x").streamed(descriptorSignature, 4)
				e.descriptor[4]++
				return e
			}()), "data descriptor differs"},
			{"stored with two sizes", archiveOf(stored("a", "xy").both(func(h *header) { h.size = 1 })), "its two sizes differ"},
			{"zip64 field missing", archiveOf(stored("a", "x").both(func(h *header) { h.packed = 0xffffffff })), "zip64 field missing"},
			{"zip64 field short", archiveOf(stored("a", "x").both(func(h *header) { h.size, h.extra = 0xffffffff, field(extraZip64, []byte{1}) })), "zip64 field too short"},
			{"zip64 field twice", archiveOf(stored("a", "x").both(func(h *header) {
				h.extra = append(field(extraZip64, wide64(1)), field(extraZip64, wide64(2))...)
			})), "two zip64 fields"},
			{"zip64 offset", archiveOf(stored("a", "x").inCentral(func(h *header) {
				h.offset, h.extra = 0xffffffff, field(extraZip64, wide64(1<<63+5))
			})), "lies outside the archive"},
			{"zip64 sizes differ", archiveOf(wide.inLocal(func(h *header) { h.extra = field(extraZip64, wide64(1, 2)) })), "another size"},
		},
		good: []sample{
			{"descriptors", archiveOf(
				stored("a", "x").streamed(descriptorSignature, 4), deflated("b", "y").streamed(descriptorSignature, 8),
				stored("c", "x").streamed("", 4), deflated("d", "").streamed("", 8)), ""},
			{"zip64 fields", archiveOf(wide), ""},
			{"zip64 offset", archiveOf(stored("a", "x").inCentral(func(h *header) {
				h.offset, h.extra = 0xffffffff, field(extraZip64, wide64(0))
			})), ""},
			{"padded extra", archiveOf(stored("a", "x").both(func(h *header) { h.extra = []byte{0, 0, 0} })), ""},
		},
	}
}

func contents() family {
	lie := func(name string, e rawEntry, change func(*rawEntry), want string) sample {
		change(&e)
		return sample{name, archiveOf(e), want}
	}
	text := strings.Repeat("some text ", 100)
	return family{
		name: "contents",
		bad: []sample{
			lie("more than declared", deflated("a", text), func(e *rawEntry) { e.size = 10 }, `"a": holds more than the 10 bytes declared`),
			lie("less than declared", deflated("a", text), func(e *rawEntry) { e.size = 2000 }, "holds 1000 bytes, 2000 declared"),
			lie("none declared", deflated("a", text), func(e *rawEntry) { e.size = 0 }, "holds more than the 0 bytes declared"),
			lie("checksum", deflated("a", text), func(e *rawEntry) { e.crc++ }, `"a": checksum error`),
			lie("zero checksum", stored("a", text), func(e *rawEntry) { e.crc = 0 }, "checksum error"),
			lie("not deflate", deflated("a", text), func(e *rawEntry) { e.content = bytes.Repeat([]byte{0xff}, len(e.content)) }, "damaged contents"),
			lie("cut deflate", deflated("a", text), func(e *rawEntry) { e.packed-- }, "damaged contents"),
			lie("bytes after deflate", deflated("a", text), func(e *rawEntry) { e.content = append(e.content, 0); e.packed++ }, "bytes after the end of its contents"),
			lie("empty deflate", deflated("a", ""), func(e *rawEntry) { e.content, e.packed = nil, 0 }, "damaged contents"),
			{
				"two bad ones", archiveOf(
					stored("a", "x").both(func(h *header) { h.crc++ }), stored("ok", "x"), stored("b", "x").both(func(h *header) { h.crc++ })),
				`"a": checksum error; "b": checksum error`,
			},
		},
		good: []sample{{"text", archiveOf(deflated("a", text), stored("b", text), stored("c", "")), ""}},
	}
}
