package archive

import (
	"bytes"
	"fmt"
	"strings"
)

const notZip = "zip: not a valid zip file"

func plain() rawZip { return rawZip{entries: []rawEntry{stored("a", "x"), stored("b", "y")}} }

func ended(change func(*endRecord)) []byte {
	z := plain()
	z.end = change
	return z.bytes()
}

func ends32() family {
	good := plain().bytes()
	commented := rawZip{entries: plain().entries, comment: "made by hand"}
	return family{
		name: "end of directory",
		bad: []sample{
			{"nothing", nil, notZip},
			{"text", []byte("this is not a zip"), notZip},
			{"page", []byte(strings.Repeat("<html>", 30000)), notZip},
			{"signature only", []byte(endSignature), notZip},
			{"end record cut", good[:len(good)-1], notZip},
			{"comment cut", commented.bytes()[:len(commented.bytes())-1], notZip},
			{"comment too long", ended(func(e *endRecord) { e.commentLen = 100 }), notZip},
			{"size", ended(func(e *endRecord) { e.size++ }), notZip},
			{"size too small", ended(func(e *endRecord) { e.size-- }), notZip},
			{"huge size", ended(func(e *endRecord) { e.size = 0xfffffff0 }), "does not fit before its end record"},
			{"offset", ended(func(e *endRecord) { e.offset++ }), "does not fit before its end record"},
			{"count too small", ended(func(e *endRecord) { e.count, e.countHere = 1, 1 }), notZip + ": 47 bytes after the last directory entry"},
			{"count too large", ended(func(e *endRecord) { e.count, e.countHere = 60000, 60000 }), "60000 entries do not fit into a directory of 94 bytes"},
			{"name beyond the directory", archiveOf(stored("a", "x").inCentral(func(h *header) { h.nameLenLie = 1000 })), "truncated in directory entry 0"},
			{"slack in the directory", rawZip{entries: plain().entries, slack: []byte("12345")}.bytes(), "5 bytes after the last directory entry"},
			{"hidden end record", hiddenEnd(), "two end of directory records"},
			{"two directories", twoDirectories(), "two directories"},
		},
		good: []sample{
			{"plain", good, ""},
			{"comment", commented.bytes(), ""},
			{"bytes after", append(bytes.Clone(good), "\r\n"...), ""},
			{"bytes before, not counted", rawZip{prefix: []byte("#!/bin/sh\n"), entries: plain().entries}.bytes(), ""},
			{"an archive as prefix", append(archiveOf(stored("other", "z")), good...), ""},
			{"archive in an archive", archiveOf(stored("inner.zip", string(good))), ""},
		},
	}
}

// hiddenEnd has two end records: the last, and one whose comment covers the last.
func hiddenEnd() []byte {
	z := plain()
	inner := archiveOf(stored("hidden", "x"))
	z.comment = string(inner)
	return z.bytes()
}

// twoDirectories shows one archive to readers that add the length of a prefix to all offsets, and
// another to those that take them literally.
func twoDirectories() []byte {
	shown := archiveOf(stored("shown", "x"))
	offset := len(shown) - endLen - centralLen - len("shown")
	z := plain()
	z.prefix = shown
	z.end = func(e *endRecord) { e.offset = uint32(offset) }
	return z.bytes()
}

func wide(change func(*end64Record)) []byte {
	z := plain()
	z.zip64 = change
	return z.bytes()
}

func ends64() family {
	return family{
		name: "zip64",
		bad: []sample{
			{"count", wide(func(w *end64Record) { w.count, w.countHere = 1<<60, 1<<60 }), "do not fit into a directory"},
			{"count wraps", wide(func(w *end64Record) { w.count, w.countHere = 1<<32+2, 1<<32+2 }), "do not fit into a directory"},
			{"size", wide(func(w *end64Record) { w.size = 1 << 63 }), "does not fit before its end record"},
			{"offset wraps", wide(func(w *end64Record) { w.offset = ^uint64(0) - 10 }), "does not fit before its end record"},
			{"locator", wide(func(w *end64Record) { w.locatorOffset = 3 }), "contradicts its locator"},
			{"prefix not counted", rawZip{prefix: []byte("#!"), entries: plain().entries, zip64: func(*end64Record) {}}.bytes(), "contradicts its locator"},
			{"no record", wide(func(w *end64Record) { w.skipRecord = true }), "no zip64 end record"},
			{"long record", wide(func(w *end64Record) { w.recordSize++ }), "no zip64 end record"},
			{"contradiction", wide(func(w *end64Record) { w.keepEnds, w.count, w.countHere = true, 1, 1 }), "contradicts"},
			{"locator alone", append(append([]byte(locator64Signature), make([]byte, 16)...), archiveOf()...), "zip64 locator without its record"},
		},
		good: []sample{
			{"zip64", wide(func(*end64Record) {}), ""},
			{"both forms", wide(func(w *end64Record) { w.keepEnds = true }), ""},
		},
	}
}

func split() family {
	return family{
		name: "split archives",
		bad: []sample{
			{"disk", ended(func(e *endRecord) { e.disk = 1 }), "split archive"},
			{"start disk", ended(func(e *endRecord) { e.startDisk = 1 }), "split archive"},
			{"counts differ", ended(func(e *endRecord) { e.countHere = 1 }), "split archive"},
			{"entry on disk 1", archiveOf(stored("a", "x").both(func(h *header) { h.disk = 1 })), "on disk 1 of a split archive"},
			{"zip64 disk", wide(func(w *end64Record) { w.keepEnds, w.disk = false, 7 }), "contradicts"},
			{"zip64 disks", wide(func(w *end64Record) { w.locatorDisks = 2 }), "split archive"},
		},
		good: []sample{{"one disk", plain().bytes(), ""}},
	}
}

func counts() family {
	many := func(n int, name string) (list []rawEntry) {
		for i := range n {
			list = append(list, stored(fmt.Sprintf(name, i), ""))
		}
		return list
	}
	return family{
		name: "counts",
		bad: []sample{
			{"entries", archiveOf(many(65, "f%d")...), "too many entries: found 65, limit 64"},
			{"folders in paths", archiveOf(many(33, "d%d/f")...), "too many files and folders: limit 64"},
			{"faults", archiveOf(many(30, "../f%d")...), "; and 10 more"},
		},
		good: []sample{
			{"none", archiveOf(), ""},
			{"entries", archiveOf(many(64, "f%d")...), ""},
			{"folders in paths", archiveOf(many(32, "d%d/f")...), ""},
		},
	}
}
