package inspect

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// part is a section of a made-up file.
type part struct {
	name string
	typ  elf.SectionType
	link uint32
	data []byte
}

// tiny makes a plugin of about 2 KiB: everything that Read looks at, and no
// code. change may spoil the header and the sections before they are written.
func tiny(change func(h *elf.Header64, list []elf.Section64)) []byte {
	le := binary.LittleEndian
	names := newStrings()
	fingerprint := names.add(fingerprintPrefix + "example.com/tiny")
	echo, method := names.add("example.com/tiny.Echo"), names.add("example.com/tiny.(*echo).Exec")
	libc, v1, v2 := names.add("libc.so.6"), names.add("GLIBC_2.2.5"), names.add("GLIBC_2.34")
	const at = 0x1000 // where the file is mapped
	var syms []byte
	for _, s := range []elf.Sym64{
		{},
		{Name: fingerprint, Info: uint8(elf.STT_OBJECT), Shndx: 1, Value: at + 64 + 56, Size: 8},
		{Name: echo, Info: uint8(elf.STT_FUNC), Shndx: 1},
		{Name: method, Info: uint8(elf.STT_FUNC), Shndx: 1},
	} {
		syms, _ = binary.Append(syms, le, s)
	}
	dynamic, _ := binary.Append(nil, le, []elf.Dyn64{{Tag: int64(elf.DT_NEEDED), Val: uint64(libc)}, {}})
	// A library with two versions, and each: hash, flags and index, name, distance.
	var needs []byte
	for _, v := range []uint32{1 | 2<<16, libc, 16, 0, 0, 0, v1, 16, 0, 0, v2, 0} {
		needs = le.AppendUint32(needs, v)
	}
	mod := "0123456789abcdefpath\texample.com/tiny\nbuild\t-buildmode=plugin\nbuild\tGOARCH=amd64\n0123456789abcdef"
	info := append([]byte(buildInfoMagic+"\x08\x02"), make([]byte, 16)...)
	for _, s := range []string{"go1.26.8", mod} {
		info = append(binary.AppendUvarint(info, uint64(len(s))), s...)
	}
	titles := newStrings()
	parts := []part{
		{"", elf.SHT_NULL, 0, nil},
		{".data", elf.SHT_PROGBITS, 0, []byte("8 bytes!")},
		{".dynstr", elf.SHT_STRTAB, 0, names.b},
		{".dynsym", elf.SHT_DYNSYM, 2, syms},
		{".dynamic", elf.SHT_DYNAMIC, 2, dynamic},
		{".gnu.version_r", elf.SHT_GNU_VERNEED, 2, needs},
		{".go.buildinfo", elf.SHT_PROGBITS, 0, info},
		{".shstrtab", elf.SHT_STRTAB, 0, nil},
	}
	list := make([]elf.Section64, len(parts))
	for i, p := range parts {
		list[i].Name = titles.add(p.name)
	}
	parts[len(parts)-1].data = titles.b
	var body []byte
	for i, p := range parts {
		s := &list[i]
		s.Type, s.Link, s.Off, s.Size = uint32(p.typ), p.link, uint64(64+56+len(body)), uint64(len(p.data))
		body = append(body, p.data...)
	}
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Phentsize: 56, Phnum: 1,
		Shoff: uint64(64 + 56 + len(body)), Shentsize: 64, Shnum: uint16(len(list)), Shstrndx: uint16(len(list) - 1),
	}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	load := elf.Prog64{Type: uint32(elf.PT_LOAD), Vaddr: at, Filesz: 64 + 56 + uint64(len(body))}
	if change != nil {
		change(&h, list)
	}
	out, _ := binary.Append(nil, le, h)
	out, _ = binary.Append(out, le, load)
	out, _ = binary.Append(append(out, body...), le, list)
	return out
}

// stringTable is an ELF string table in the making.
type stringTable struct{ b []byte }

func newStrings() *stringTable { return &stringTable{[]byte{0}} }

func (s *stringTable) add(name string) uint32 {
	at := len(s.b)
	s.b = append(append(s.b, name...), 0)
	return uint32(at)
}

func readBytes(b []byte) (*File, error) { return read(bytes.NewReader(b), int64(len(b))) }

func TestTiny(t *testing.T) {
	f, err := readBytes(tiny(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Fingerprint{"example.com/tiny": Fingerprint([]byte("8 bytes!"))}
	if !f.IsPlugin() || f.PluginPath != "example.com/tiny" || fmt.Sprint(f.Symbols) != "[Echo]" ||
		f.Libc != Glibc || f.Glibc != "2.34" || !maps.Equal(f.Packages, want) {
		t.Errorf("%+v", f)
	}
}

// TestHostile spoils one number of the header or of a section.
func TestHostile(t *testing.T) {
	const huge = 1<<63 - 1
	for name, c := range map[string]struct {
		change func(h *elf.Header64, list []elf.Section64)
		want   error // nil: it is read, without what was spoiled
	}{
		"sections without end":   {func(h *elf.Header64, _ []elf.Section64) { h.Shnum = 0xffff }, ErrDamaged},
		"segments without end":   {func(h *elf.Header64, _ []elf.Section64) { h.Phnum = 0xffff }, ErrDamaged},
		"entry size":             {func(h *elf.Header64, _ []elf.Section64) { h.Shentsize = 1 }, ErrDamaged},
		"ELF version":            {func(h *elf.Header64, _ []elf.Section64) { h.Version = 7 }, ErrDamaged},
		"table far away":         {func(h *elf.Header64, _ []elf.Section64) { h.Shoff = huge }, ErrTruncated},
		"table wraps":            {func(h *elf.Header64, _ []elf.Section64) { h.Shoff = 1<<64 - 1 }, ErrDamaged},
		"section far away":       {func(_ *elf.Header64, l []elf.Section64) { l[2].Off = huge }, ErrTruncated},
		"section huge":           {func(_ *elf.Header64, l []elf.Section64) { l[3].Size = 1 << 60 }, ErrTruncated},
		"section wraps":          {func(_ *elf.Header64, l []elf.Section64) { l[3].Size = 1<<64 - 1 }, ErrDamaged},
		"build info huge":        {func(_ *elf.Header64, l []elf.Section64) { l[6].Size = 1 << 40 }, ErrTruncated},
		"build info cut":         {func(_ *elf.Header64, l []elf.Section64) { l[6].Size = 60 }, ErrDamaged},
		"no strings":             {func(_ *elf.Header64, l []elf.Section64) { l[3].Link = 1 << 31 }, nil},
		"no names":               {func(h *elf.Header64, _ []elf.Section64) { h.Shstrndx = 0xffff }, nil},
		"no sections":            {func(h *elf.Header64, _ []elf.Section64) { h.Shnum, h.Shoff = 0, 0 }, nil},
		"symbols cut in half":    {func(_ *elf.Header64, l []elf.Section64) { l[3].Size -= 12 }, nil},
		"versions cut in half":   {func(_ *elf.Header64, l []elf.Section64) { l[5].Size -= 12 }, nil},
		"strings without an end": {func(_ *elf.Header64, l []elf.Section64) { l[2].Size = 30 }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if f, err := readBytes(tiny(c.change)); !errors.Is(err, c.want) {
				t.Errorf("%+v, %v, expected %v", f, err, c.want)
			}
		})
	}
}

// TestEveryByte sets each byte of a small plugin to its extremes. Read must come
// back, and Differences must have an answer to whatever it read.
func TestEveryByte(t *testing.T) {
	b := tiny(nil)
	for i := range b {
		for _, v := range []byte{0, 0x7f, 0xff, b[i] + 1} {
			old := b[i]
			b[i] = v
			if f, err := readBytes(b); err == nil {
				Differences(f, &Host{})
			}
			b[i] = old
		}
	}
}

// TestLongNames: many symbols that share one long name cost neither time nor
// memory.
func TestLongNames(t *testing.T) {
	const n = 1 << 20
	m := &image{order: binary.LittleEndian, class: elf.ELFCLASS64}
	table := make([]byte, n*elf.Sym64Size)
	for i := range n {
		table[i*elf.Sym64Size+6] = 1
	}
	names := bytes.Repeat([]byte("x"), 32<<20)
	start := time.Now()
	if list, err := m.exported(table, names, "x"); err != nil || len(list) != 0 {
		t.Errorf("%d names, %v", len(list), err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

// facts makes a file and a host that differ in nothing.
func facts(t *testing.T) (*File, *Host) {
	t.Helper()
	f, err := readBytes(tiny(nil))
	if err != nil {
		t.Fatal(err)
	}
	f.Build.Settings = append(f.Build.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "1"})
	f.Build.Deps = []*debug.Module{{Path: Contract, Version: "v2.3.1"}, {Path: "a.org/a", Version: "v1.0.0"}}
	f.Packages[Contract+"/api"], f.Packages["a.org/a"] = Fingerprint{1}, Fingerprint{2}
	h := &Host{File: *f, Offers: "2.36", CPU: 2}
	h.Packages = maps.Clone(f.Packages)
	return f, h
}

// TestSentences changes one fact and expects its sentence.
func TestSentences(t *testing.T) {
	f, h := facts(t)
	if got := Differences(f, h); len(got) != 0 {
		t.Fatalf("differences %q", got)
	}
	set := func(f *File, key, value string) {
		f.Build.Settings = append(f.Build.Settings, debug.BuildSetting{Key: key, Value: value})
	}
	dep := func(f *File, m debug.Module) { f.Build.Deps = []*debug.Module{f.Build.Deps[0], &m} }
	for name, c := range map[string]struct {
		change func(f *File, h *Host)
		want   []string
	}{
		"musl host":   {func(_ *File, h *Host) { h.Libc = Musl }, []string{"built against glibc, this host runs on musl: build it in an image of the host's kind (Alpine)"}},
		"musl plugin": {func(f *File, _ *Host) { f.Libc = Musl }, []string{"built against musl, this host runs on glibc: build it in an image of the host's kind (Debian, Ubuntu, ..., not Alpine)"}},
		"newer glibc": {func(f *File, _ *Host) { f.Glibc = "2.38" }, []string{"it needs glibc 2.38, this machine has 2.36: build it on the older system"}},
		"older glibc": {func(f *File, _ *Host) { f.Glibc = "2.4" }, nil},
		"system":      {func(f *File, h *Host) { set(f, "GOOS", "freebsd"); set(&h.File, "GOOS", "linux") }, []string{"built for freebsd, this host runs on linux: rebuild with GOOS=linux"}},
		"CPU":         {func(f *File, _ *Host) { set(f, "GOAMD64", "v3") }, []string{"built for GOAMD64=v3, this machine's CPU has v2: rebuild with GOAMD64=v2"}},
		"CPU as such": {func(f *File, h *Host) { set(f, "GOAMD64", "v2"); set(&h.File, "GOAMD64", "v1") }, nil},
		"object file": {func(f *File, _ *Host) { f.Type = elf.ET_REL }, []string{"it is ET_REL, expected a shared object (ET_DYN) that is a Go plugin: build it with go build -buildmode=plugin -trimpath"}},
		"experiment":  {func(f *File, _ *Host) { set(f, "GOEXPERIMENT", "x"); f.Packages["a.org/a"] = Fingerprint{} }, nil},
		"other module": {func(f *File, _ *Host) {
			dep(f, debug.Module{Path: "a.org/a", Version: "v1.1.0"})
			f.Packages["a.org/a"] = Fingerprint{}
		}, []string{"built with a.org/a v1.1.0, this host has v1.0.0: go get a.org/a@v1.0.0 and rebuild"}},
		"unshared": {func(f *File, _ *Host) {
			dep(f, debug.Module{Path: "a.org/a", Version: "v1.1.0"})
			delete(f.Packages, "a.org/a")
		}, nil},
		"other sum": {func(f *File, h *Host) {
			dep(f, debug.Module{Path: "a.org/a", Version: "v1.0.0", Sum: "h1:1"})
			dep(&h.File, debug.Module{Path: "a.org/a", Version: "v1.0.0", Sum: "h1:2"})
			f.Packages["a.org/a"] = Fingerprint{}
		}, []string{"built with a.org/a v1.0.0, this host has v1.0.0: its sum differs, go mod verify and rebuild"}},
		"contract first": {func(f *File, _ *Host) {
			f.Build.Deps = []*debug.Module{{Path: "a.org/a", Version: "v1.1.0"}, {Path: Contract, Version: "v2.0.0\x1b[2J"}}
		}, []string{
			"built with " + Contract + ` "v2.0.0\x1b[2J", this host has v2.3.1: go get ` + Contract + "@v2.3.1 and rebuild",
			"built with a.org/a v1.1.0, this host has v1.0.0: go get a.org/a@v1.0.0 and rebuild",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f, h := facts(t)
			h.Build = &debug.BuildInfo{GoVersion: f.Build.GoVersion, Deps: f.Build.Deps, Settings: f.Build.Settings}
			h.Build.Settings = append([]debug.BuildSetting(nil), f.Build.Settings...)
			c.change(f, h)
			got := Differences(f, h)
			if name == "experiment" { // the module's package differs: the flag is why
				if len(got) != 1 || !strings.HasPrefix(got[0], "built with GOEXPERIMENT=x, this host without GOEXPERIMENT") {
					t.Errorf("got  %q", got)
				}
				return
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"2.34", "2.4", true},
		{"2.4", "2.34", false},
		{"2.34", "2.34", false},
		{"2.2.5", "2.2", true},
		{"PRIVATE", "", false},
		{"2.1", "", true},
		{"", "2.1", false},
		{"3", "2.99", true},
		{"ABI_DT_RELR", "2.1", false},
	} {
		if got := newer(c.a, c.b); got != c.want {
			t.Errorf("newer(%q, %q) = %v", c.a, c.b, got)
		}
	}
}

func TestX86Level(t *testing.T) {
	v2 := "fpu cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
	v3 := v2 + " avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
	for flags, want := range map[string]int{
		"fpu": 1, v2: 2, v3: 3, v3 + " avx512f": 3, v3 + " avx512f avx512bw avx512cd avx512dq avx512vl": 4,
		"avx avx2 bmi1 bmi2 f16c fma abm movbe xsave": 1,
	} {
		if got := x86Level(flags); got != want {
			t.Errorf("level %d of %q, expected %d", got, flags, want)
		}
	}
}

// FuzzRead: no input makes Read panic, hang or take more than its bounds, and
// what it read can always be compared.
func FuzzRead(f *testing.F) {
	f.Add(tiny(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := readBytes(b)
		if err == nil {
			h := &Host{File: *x}
			Differences(x, h)
			Differences(x, h.With(x))
			_ = NewSDK(h).String()
			return
		}
		if strings.Contains(err.Error(), "reading it failed") {
			t.Fatal(err)
		}
	})
}
