package archive

import (
	"fmt"
	"strings"
)

// testLimits are small so that the corpus is.
func testLimits() Limits {
	return Limits{Entries: 64, EntryBytes: 2 << 20, TotalBytes: 3 << 20, Ratio: 100, PathBytes: 128, Depth: 8}
}

// sample is one archive. want is the reason for which it must be refused; good ones have none.
type sample struct {
	name string
	zip  []byte
	want string
}

// family is one way to attack, with the nearest archives that are legitimate.
type family struct {
	name      string
	bad, good []sample
}

func corpus() []family {
	return []family{
		traversal(), names(), devices(), types(), collisions(), methods(), bombs(), overlaps(),
		headers(), contents(), ends32(), ends64(), split(), counts(),
	}
}

func single(e rawEntry, want string) sample {
	return sample{e.name + " " + want, archiveOf(e), want}
}

func traversal() family {
	evil := func(name, want string) sample { return single(stored(name, "evil"), want) }
	return family{
		name: "traversal",
		bad: []sample{
			evil("../canary/evil", `"../canary/evil": path component ".."`),
			evil("a/../../canary/evil", `path component ".."`),
			evil("a/..", `path component ".."`),
			evil("./a", `path component "."`),
			evil("a/./b", `path component "."`),
			evil("/a", "absolute path"),
			evil("//a", "absolute path"),
			evil("a//b", "empty path component"),
			evil(`..\canary\evil`, "backslash in name"),
			evil(`a\b`, "backslash in name"),
			evil(`C:\a`, "backslash in name"),
			evil("C:/a", "drive letter in name"),
			evil("c:a", "drive letter in name"),
			single(folder("../canary/evil/"), `path component ".."`),
			single(folder("/"), "absolute path"),
			single(folder("a//"), "empty path component"),
			{"two bad ones", archiveOf(stored("ok", "x"), stored("../a", "x"), stored("/b", "x")), `"../a": path component ".."; "/b": absolute path`},
		},
		good: []sample{
			{"dots in names", archiveOf(stored("..a/b..c", "x"), stored("...d/.hidden", "y"), stored("1:2", "z")), ""},
			{"deep", archiveOf(stored("a/b/c/d/e/f/g/h", "x")), ""},
		},
	}
}

func names() family {
	named := func(name, want string) sample { return single(stored(name, "x"), want) }
	long := strings.Repeat("n", 200)
	return family{
		name: "names",
		bad: []sample{
			named("", "empty name"),
			named("a\x00.txt", "control character"),
			named("a\nb", "control character"),
			named("a\x7f", "control character"),
			named("a\u0085", "control character"),
			named("a\xff", "not UTF-8"),
			named("a\xc0\xae", "not UTF-8"),
			named("a.", "dot or space at the end"),
			named("a. /b", "dot or space at the end"),
			named("a /b", "dot or space at the end"),
			named(long, "path too long: found 200 bytes, limit 128"),
			named(strings.Repeat("d/", 8)+"f", "path too deep: found 9 components, limit 8"),
			{"second name", archiveOf(stored("a", "x").both(func(h *header) { h.extra = field(extraUnicode, []byte("\x01crc!../canary/evil")) })), `second name "../canary/evil"`},
		},
		good: []sample{
			{"unicode", archiveOf(stored("Grüße/файл 1.txt", "x"), stored("\u202eabc", "y")), ""},
			{"at the limits", archiveOf(stored(strings.Repeat("n", 128), "x")), ""},
			{"same second name", archiveOf(stored("a", "x").both(func(h *header) { h.extra = field(extraUnicode, []byte("\x01crc!a")) })), ""},
		},
	}
}

func devices() family {
	f := family{
		name: "device names",
		good: []sample{{"longer names", archiveOf(stored("CONFIG.json", "{}"), stored("auxiliary/nul1", "x"), stored("com.txt", "x"), stored("COM10", "x"), stored("lpt", "x"), stored("x.con", "x")), ""}},
	}
	for _, n := range []string{"CON", "con.txt", "dir/PRN", "Aux/x", "nul.tar.gz", "COM1", "com9.log", "LPT0", "COM¹.x", "CONIN$", "nul:x", "CON .txt"} {
		f.bad = append(f.bad, single(stored(n, "x"), "device name on Windows"))
	}
	return f
}

func types() family {
	link := stored("link", "../canary").mode(0o120777)
	return family{
		name: "types and modes",
		bad: []sample{
			{"link and write through it", archiveOf(link, stored("link/evil", "x")), `"link": symbolic link`},
			{"link by a DOS writer", archiveOf(link.both(func(h *header) { h.made = 20 })), "symbolic link"},
			{"link named as a folder", archiveOf(stored("link/", "").mode(0o120777)), "symbolic link"},
			single(stored("b", "").mode(0o060644), "device"),
			single(stored("c", "").mode(0o020644), "device"),
			single(stored("p", "").mode(0o010644), "named pipe"),
			single(stored("s", "").mode(0o140644), "socket"),
			single(stored("?", "").mode(0o150644), "unknown file type"),
			single(stored("suid", "x").mode(0o104755), "setuid, setgid or sticky bit"),
			single(stored("sgid", "x").mode(0o102755), "setuid, setgid or sticky bit"),
			single(stored("sticky", "x").mode(0o101755), "setuid, setgid or sticky bit"),
			single(stored("suid without type", "x").mode(0o4755), "setuid, setgid or sticky bit"),
			single(folder("tmp/").mode(0o041777), "setuid, setgid or sticky bit"),
			single(stored("folder", "").mode(0o040755), "a folder by its mode, a file by its name"),
			single(stored("dos", "").both(func(h *header) { h.attrs = 0x10 }), "a folder by its mode, a file by its name"),
			single(folder("file/").mode(0o100644), "a file by its mode, a folder by its name"),
			single(stored("full/", "x").mode(0o040755), "folder with contents"),
		},
		good: []sample{
			{"plain modes", archiveOf(folder("d/").mode(0o040700), stored("d/f", "x").mode(0o100600), stored("d/x", "x").mode(0o100711), stored("none", "x").mode(0)), ""},
			{"dos", archiveOf(folder("d/").both(func(h *header) { h.made, h.attrs = 20, 0x10 }), stored("d/f", "x").both(func(h *header) { h.made, h.attrs = 20, 0x20 })), ""},
		},
	}
}

func collisions() family {
	pair := func(a, b, want string) sample {
		return sample{a + " and " + b, archiveOf(stored(a, "1"), stored(b, "2")), want}
	}
	return family{
		name: "collisions",
		bad: []sample{
			pair("a", "a", `"a": twice in the archive`),
			pair("a", "A", `"A": "A" and "a" differ in case only`),
			pair("k", "\u212a", "differ in case only"),
			pair("s", "\u017f", "differ in case only"),
			pair("Straße", "STRAẞE", "differ in case only"),
			pair("σ", "ς", "differ in case only"),
			pair("dir/x", "Dir/y", `"Dir" and "dir" differ in case only`),
			pair("a", "a/b", `"a/b": "a" is a file and a folder`),
			pair("a/b", "a", `"a": "a" is a file and a folder`),
			pair("a", "A/b", "differ in case only"),
			{"folder twice", archiveOf(folder("d/"), folder("d/")), "twice in the archive"},
			{"folder and file", archiveOf(folder("d/"), stored("d", "x")), "is a file and a folder"},
		},
		good: []sample{
			{"folder after its file", archiveOf(stored("d/f", "x"), folder("d/"), stored("d/g", "y")), ""},
			{"prefix of a name", archiveOf(stored("a", "1"), stored("ab", "2"), stored("a-/b", "3")), ""},
			{"full folding only", archiveOf(stored("Straße", "1"), stored("STRASSE", "2")), ""},
		},
	}
}

func methods() family {
	flagged := func(bits uint16) rawEntry {
		return stored("f", "secret").both(func(h *header) { h.flags |= bits })
	}
	method := func(m uint16) rawEntry { return stored("f", "x").both(func(h *header) { h.method = m }) }
	f := family{
		name: "methods",
		bad: []sample{
			{"encrypted", archiveOf(flagged(flagEncrypted)), `"f": encrypted`},
			{"strongly encrypted", archiveOf(flagged(flagStrong)), "encrypted"},
			{"masked", archiveOf(flagged(flagMasked)), "encrypted"},
			{"patch", archiveOf(flagged(flagPatch)), "holds a patch"},
			{"encrypted by its local header", archiveOf(stored("f", "x").inLocal(func(h *header) { h.flags |= flagEncrypted })), "other flags"},
		},
		good: []sample{
			{"both methods", archiveOf(stored("s", "x"), deflated("d", strings.Repeat("deflate ", 50)), deflated("empty", "")), ""},
			{"UTF-8 flag", archiveOf(stored("ü", "x").both(func(h *header) { h.flags = 1 << 11 })), ""},
			{"deflated folder", archiveOf(deflated("d/", "").mode(0o040755)), ""},
		},
	}
	for _, m := range []uint16{1, 6, 9, 12, 14, 93, 95, 98, 99, 0xffff} {
		f.bad = append(f.bad, sample{fmt.Sprint("method ", m), archiveOf(method(m)), "unknown compression method"})
	}
	return f
}

func bombs() family {
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	noise := func(n int) string { // incompressible enough
		b, x := make([]byte, n), uint32(1)
		for i := range b {
			x = x*1664525 + 1013904223
			b[i] = byte(x >> 24)
		}
		return string(b)
	}
	var thirds, smalls, halves []rawEntry
	for i := range 3 {
		thirds = append(thirds, stored(fmt.Sprint("f", i), noise(5<<18)))
	}
	for i := range 4 {
		smalls = append(smalls, deflated(fmt.Sprint("f", i), zeros(600<<10)))
		halves = append(halves, deflated(fmt.Sprint("f", i), zeros(200<<10)))
	}
	return family{
		name: "bombs",
		bad: []sample{
			{"ratio", archiveOf(deflated("f", zeros(2<<20))), "compressed too well: 2097152 bytes in"},
			{"ratio of all", archiveOf(smalls...), "contents compressed too well"},
			{"size", archiveOf(stored("f", noise(2<<20+1))), "too large: found 2097153 bytes, limit 2097152"},
			{"total", archiveOf(thirds...), "contents too large: found 3932160 bytes, limit 3145728"},
			{"declared size", archiveOf(stored("f", "x").both(func(h *header) { h.size, h.packed = 0xfffffffe, 0xfffffffe })), "too large"},
			{"declared zip64 size", archiveOf(stored("f", "x").both(func(h *header) {
				h.size, h.packed, h.extra = 0xffffffff, 0xffffffff, field(extraZip64, wide64(1<<63, 1<<63))
			})), "too large: found 9223372036854775808 bytes"},
		},
		good: []sample{
			{"small zeros", archiveOf(halves...), ""},
			{"noise", archiveOf(deflated("f", noise(1<<20))), ""},
		},
	}
}
