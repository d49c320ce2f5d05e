package inspect

import (
	"bufio"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// Host holds the facts of the binary that is to open plugins.
type Host struct {
	File

	// Offers is the highest GLIBC_x.y of the C library in the running process,
	// "2.36"; empty if it is not glibc or not known.
	Offers string
	// CPU is the machine's x86-64 level, 1 to 4; 0 if not known.
	CPU int

	opened map[string]bool   // plugin paths
	from   map[string]string // package -> plugin path that brought it
}

// Self returns the facts of the running binary. It works after the file was
// replaced or deleted.
func Self() (*Host, error) {
	path := "/proc/self/exe" // the very file that runs
	if runtime.GOOS != "linux" {
		var err error
		if path, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	f, err := Read(path)
	if err != nil {
		return nil, err
	}
	if f.Build == nil {
		f.Build, _ = debug.ReadBuildInfo()
	}
	return on(f), nil
}

// on is the host that f would be on this machine.
func on(f *File) *Host {
	h := &Host{File: *f, Offers: glibcMapped()}
	if runtime.GOARCH == "amd64" {
		h.CPU = cpuLevel()
	}
	return h
}

// With returns a host like h in whose process f was opened, or tried: what the
// loader mapped stays, even of a plugin that was refused.
func (h *Host) With(f *File) *Host {
	c := *h
	c.Packages, c.from, c.opened = maps.Clone(h.Packages), maps.Clone(h.from), maps.Clone(h.opened)
	if c.Packages == nil {
		c.Packages = make(map[string]Fingerprint)
	}
	if c.from == nil {
		c.from, c.opened = make(map[string]string), make(map[string]bool)
	}
	for p, print := range f.Packages {
		if _, ok := c.Packages[p]; !ok {
			c.Packages[p], c.from[p] = print, f.PluginPath
		}
	}
	c.opened[f.PluginPath] = true
	return &c
}

// CanOpen reports whether the host is able to open plugins: built with cgo, and
// with the plugin package in it.
func (h *Host) CanOpen() bool {
	return h.Setting("CGO_ENABLED") == "1" && len(h.Packages) > 0
}

// glibcMapped reads the versions that the mapped C library offers. What the
// binary itself asks for is often far below.
func glibcMapped() string {
	list, err := os.Open("/proc/self/maps")
	if err != nil {
		return ""
	}
	defer list.Close()
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		i := strings.IndexByte(lines.Text(), '/')
		if i < 0 {
			continue
		}
		path := lines.Text()[i:]
		base := path[strings.LastIndexByte(path, '/')+1:]
		if base == "libc.so.6" || strings.HasPrefix(base, "libc-2.") {
			return glibcOffered(path)
		}
	}
	return ""
}

func glibcOffered(path string) string {
	r, err := open(path)
	if err != nil {
		return ""
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return ""
	}
	m, err := parse(r, info.Size())
	if err != nil {
		return ""
	}
	versions, err := m.versionsOffered()
	if err != nil {
		return ""
	}
	return highest(versions)
}

// cpuLevel reads the x86-64 level of the machine from the kernel's flags.
func cpuLevel() int {
	r, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return 0
	}
	defer r.Close()
	lines := bufio.NewScanner(io.LimitReader(r, 1<<20))
	for lines.Scan() {
		if key, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(key) == "flags" {
			return x86Level(value)
		}
	}
	return 0
}

// x86Level is the highest level whose flags, and those below, are all there.
func x86Level(flags string) int {
	has := make(map[string]bool)
	for _, f := range strings.Fields(flags) {
		has[f] = true
	}
	level := 1
	for _, need := range []string{
		"cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
		"avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
		"avx512f avx512bw avx512cd avx512dq avx512vl",
	} {
		for _, f := range strings.Fields(need) {
			if !has[f] {
				return level
			}
		}
		level++
	}
	return level
}
