package inspect

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"
)

// The sentinels of Read. Each error says what was found beside it.
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrNotELF     = errors.New("not an ELF file")
	ErrTruncated  = errors.New("truncated")
	ErrDamaged    = errors.New("damaged")
)

// maxFile bounds what Read looks at, in bytes.
const maxFile uint64 = 2 << 30

// Libc is a C library.
type Libc string

// The libraries that are told apart. Empty is none, or one that is not known.
const (
	Glibc Libc = "glibc"
	Musl  Libc = "musl"
)

// Fingerprint is what the runtime compares of a package: the hash of its export
// data.
type Fingerprint [8]byte

// File holds the facts of a .so, or of any other ELF file. Texts come from the
// file as they are: quote them before they reach a terminal.
type File struct {
	Size int64 // bytes

	Class   elf.Class
	Data    elf.Data // byte order
	Machine elf.Machine
	OSABI   elf.OSABI
	Type    elf.Type // ET_DYN for a plugin

	Interp string   // the dynamic loader that it names; executables have one
	Needed []string // libraries, in the file's order
	Libc   Libc
	Glibc  string // highest GLIBC_x.y that it needs, "2.34"; empty if none

	// Build is Go's build info; nil without it. GoVersion, Main, Deps with
	// version, sum and replacement, and the settings (-trimpath, GOAMD64, ...).
	Build *debug.BuildInfo

	// PluginPath is what the runtime tells plugins apart by, unescaped. Empty
	// if it is no plugin, or if it was linked with a -pluginpath of its own.
	PluginPath string
	// Symbols are the exported functions and variables of the main package,
	// without the path, sorted.
	Symbols []string
	// Packages has the fingerprint of each Go package; empty in what is neither
	// a plugin nor an executable that can open one.
	Packages map[string]Fingerprint
}

// Setting returns a build setting such as "-trimpath" or "GOARCH"; empty if the
// file does not state it.
func (f *File) Setting(key string) string {
	if f.Build == nil {
		return ""
	}
	for _, s := range f.Build.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// IsPlugin reports whether it was built with -buildmode=plugin. What is not may
// end a process that opens it.
func (f *File) IsPlugin() bool {
	return f.Type == elf.ET_DYN && f.Interp == "" && len(f.Packages) > 0 &&
		f.Setting("-buildmode") == "plugin"
}

// Read returns the facts of the ELF file at path, which need not be a plugin. It
// does not run, map or change it. The error says what was found and expected,
// and wraps one of the sentinels or an error of the file system.
func Read(path string) (*File, error) {
	r, err := open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // changed since open looked
		return nil, fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	f, err := read(r, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// open opens a regular file. It looks first, since opening some devices has
// effects, and does not wait for the other end of a FIFO that came between.
func open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w but %s", path, ErrNotRegular, kind(info.Mode()))
	}
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

func kind(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&os.ModeNamedPipe != 0:
		return "a named pipe"
	case m&os.ModeSocket != 0:
		return "a socket"
	case m&os.ModeDevice != 0:
		return "a device"
	}
	return "something else (" + m.Type().String() + ")"
}

// read takes the facts from an ELF file of that size.
func read(r io.ReaderAt, size int64) (f *File, err error) {
	// No input is known that gets here; a fault in the reading must still be
	// the file's error and not the host's end.
	defer func() {
		if p := recover(); p != nil {
			f, err = nil, fmt.Errorf("%w: reading it failed: %v", ErrDamaged, p)
		}
	}()
	m, err := parse(r, size)
	if err != nil {
		return nil, err
	}
	f = &File{
		Size: size, Class: m.class, Data: m.data, Machine: elf.Machine(m.head.Machine),
		OSABI: elf.OSABI(m.head.Ident[elf.EI_OSABI]), Type: elf.Type(m.head.Type),
	}
	if f.Build, err = m.buildInfo(); err != nil {
		return nil, err
	}
	if err := m.libraries(f); err != nil {
		return nil, err
	}
	if err := m.symbols(f); err != nil {
		return nil, err
	}
	return f, nil
}
