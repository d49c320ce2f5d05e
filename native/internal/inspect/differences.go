package inspect

import (
	"debug/elf"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Contract is the module whose types host and plugins exchange.
const Contract = "github.com/lf-edge/ekuiper/contract/v2"

// Differences lists everything for which plugin.Open would refuse f in h, or
// end the process. Each is a sentence without a full stop: what was found, what
// was expected, what to do. It is empty for a plugin that opens.
//
// Flags and replaced modules are only named when the fingerprints of shared
// packages really differ, or when they cannot be compared since h has none.
func Differences(f *File, h *Host) []string {
	d := &differences{f: f, h: h}
	d.host()
	d.object()
	d.libc()
	if !f.IsPlugin() {
		d.add("%s", notPlugin(f))
		return d.list
	}
	d.path()
	if h.Build != nil { // without, it cannot open anything, which is said
		d.packages()
	}
	return d.list
}

// differences gathers the sentences of one comparison.
type differences struct {
	f    *File
	h    *Host
	list []string
}

func (d *differences) add(format string, a ...any) {
	d.list = append(d.list, fmt.Sprintf(format, a...))
}

// host says that this host opens no plugin at all.
func (d *differences) host() {
	if !d.h.CanOpen() {
		d.add("this host was built without cgo, or without Go plugins, and opens none: build it with CGO_ENABLED=1")
	}
}

// object compares the ELF headers and the systems.
func (d *differences) object() {
	f, h := d.f, d.h
	if f.Machine != h.Machine {
		d.add("built for %s, this host is %s: rebuild with GOARCH=%[2]s", goarch(f.Machine), goarch(h.Machine))
	}
	if f.Class != h.Class {
		d.add("it is %s, this host is %s: rebuild with GOARCH=%s", bits(f.Class), bits(h.Class), goarch(h.Machine))
	}
	if f.Data != h.Data {
		d.add("it is %s, this host is %s: rebuild with GOARCH=%s", endian(f.Data), endian(h.Data), goarch(h.Machine))
	}
	if a, b := f.Setting("GOOS"), h.Setting("GOOS"); a != b && a != "" && b != "" {
		d.add("built for %s, this host runs on %s: rebuild with GOOS=%[2]s", show(a), show(b))
	}
}

// libc compares the C libraries.
func (d *differences) libc() {
	f, h := d.f, d.h
	switch {
	case f.Libc != "" && h.Libc != "" && f.Libc != h.Libc:
		d.add("built against %s, this host runs on %s: build it in an image of the host's kind (%s)", f.Libc, h.Libc, kindOf(h.Libc))
	case h.Offers != "" && newer(f.Glibc, h.Offers):
		d.add("it needs glibc %s, this machine has %s: build it on the older system", f.Glibc, h.Offers)
	}
}

func kindOf(l Libc) string {
	if l == Musl {
		return "Alpine"
	}
	return "Debian, Ubuntu, ..., not Alpine"
}

// notPlugin says what it is instead.
func notPlugin(f *File) string {
	const todo = "build it with go build -buildmode=plugin -trimpath"
	mode := f.Setting("-buildmode")
	switch {
	case f.Type == elf.ET_EXEC || f.Interp != "":
		return "it is an executable, expected a Go plugin: " + todo
	case f.Type != elf.ET_DYN:
		return fmt.Sprintf("it is %v, expected a shared object (ET_DYN) that is a Go plugin: %s", f.Type, todo)
	case f.Build == nil:
		return "it is a shared object without Go build info, expected a Go plugin; opening it would end the host: " + todo
	case mode != "plugin":
		return fmt.Sprintf("it is a Go binary built with -buildmode=%s, expected plugin; opening it would end the host: %s", show(mode), todo)
	}
	return "it has no fingerprints of Go packages, which the linker writes into a plugin: " + todo
}

// path compares the plugin path with those that the process already has.
func (d *differences) path() {
	switch p := d.f.PluginPath; {
	case p == "":
		d.add("its plugin path is not the import path of its main package, %s, so that none of its symbols would be found: "+
			"build it without -ldflags=-pluginpath", show(d.f.Build.Path))
	case d.h.opened[p]:
		d.add("a plugin with the path %s was opened in this process before, and Go opens a path once: "+
			"restart the host, or build it as another module", show(p))
	}
}

// packages compares what was compiled: toolchain, flags, modules, fingerprints.
func (d *differences) packages() {
	c := clashes(d.f, d.h)
	before := len(d.list)
	d.toolchain()
	d.cpu()
	same := len(d.list) == before
	c = d.earlier(c)
	c = d.modules(c)
	d.flags(c)
	if same && len(d.list) == before && len(c.differ) > 0 {
		d.add("package %s was compiled from other sources or with other flags than in this host: rebuild with %s",
			several(c.differ), command(d.h))
	}
}

// toolchain compares Go's versions and the flags that change the runtime.
func (d *differences) toolchain() {
	f, h := d.f, d.h
	if a, b := release(f.Build.GoVersion), release(h.Build.GoVersion); a != b {
		d.add("built with %s, this host with %s: rebuild with GOTOOLCHAIN=%[2]s", show(a), show(b))
	}
	for _, flag := range []string{"-race", "-msan", "-asan"} {
		d.flag(flag)
	}
}

// cpu compares the instructions it was built for with those of the machine.
func (d *differences) cpu() {
	level, err := strconv.Atoi(strings.TrimPrefix(d.f.Setting("GOAMD64"), "v"))
	if err == nil && d.h.CPU > 0 && level > d.h.CPU {
		d.add("built for GOAMD64=v%d, this machine's CPU has v%d: rebuild with GOAMD64=v%[2]d", level, d.h.CPU)
	}
}

// flags names the flags that may be the reason why packages differ.
func (d *differences) flags(c comparison) {
	switch {
	case len(c.differ) > 0:
		for _, flag := range []string{"-trimpath", "-gcflags", "-tags", "GOEXPERIMENT", "GOFIPS140"} {
			d.flag(flag)
		}
	case !c.known:
		d.flag("-trimpath")
		d.flag("GOEXPERIMENT")
	}
}

// flag compares one build setting.
func (d *differences) flag(key string) {
	a, b := d.f.Setting(key), d.h.Setting(key)
	if a == b {
		return
	}
	todo := "rebuild without it"
	if b != "" {
		todo = "rebuild with " + assign(key, b)
	}
	d.add("built %s, this host %s: %s", with(key, a), with(key, b), todo)
}

func with(key, value string) string {
	if value == "" {
		return "without " + key
	}
	return "with " + assign(key, value)
}

func assign(key, value string) string {
	if value == "true" {
		return key
	}
	return key + "=" + show(value)
}

// release is the version without the experiments, which are a setting.
func release(version string) string {
	for _, cut := range []string{"-X:", " "} {
		version, _, _ = strings.Cut(version, cut)
	}
	return version
}

// several lists the first names and counts the rest.
func several(names []string) string {
	const most = 3
	list := make([]string, 0, most)
	for _, n := range names[:min(len(names), most)] {
		list = append(list, show(n))
	}
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s (and %d more)", strings.Join(list, ", "), more)
	}
	return strings.Join(list, ", ")
}

// show makes a text from a file fit for a sentence: printable, and not long.
func show(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "..."
	}
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}
