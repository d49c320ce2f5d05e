//go:build unix

package child

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Spec is what is to be started.
type Spec struct {
	Name   string     // for errors and logs
	Path   string     // of the program, absolute; argv[0] is it
	Args   []string   // after argv[0]
	Dir    string     // "" for the folder of Path
	Env    []string   // the whole environment: nothing is inherited
	Files  []*os.File // fd 3, 4, ... of the child; they stay the caller's
	Tmp    string     // folder that the child sees as /tmp, which the caller made (0700); "" for the real one
	Keep   []string   // folders below /tmp that the child sees there nevertheless, as it does Dir and that of Path
	Output io.Writer  // gets stdout and stderr as they come, from one goroutine; it should not block
	Limits Limits
}

// Limits are set a moment after the child has begun to run, for it and what it
// starts from then on. Zero inherits the host's. They are in force on Linux only.
type Limits struct {
	AddressSpace uint64 // bytes
	OpenFiles    uint64
}

// check refuses what cannot be started on this level.
func (s *Spec) check(l Level) error {
	if s.Dir == "" {
		s.Dir = filepath.Dir(s.Path)
	}
	switch {
	case !filepath.IsAbs(s.Path) || !filepath.IsAbs(s.Dir):
		return fmt.Errorf("%s: %q in %q: a program needs absolute paths", s.Name, s.Path, s.Dir)
	case s.Tmp != "" && !l.PrivateTmp():
		return fmt.Errorf("%s: %w: level %s", s.Name, ErrNoTmp, l)
	case s.Tmp != "" && !filepath.IsAbs(s.Tmp):
		return fmt.Errorf("%s: %q: a private /tmp needs an absolute path", s.Name, s.Tmp)
	case slices.Contains(s.Files, nil):
		return fmt.Errorf("%s: a file to inherit is nil", s.Name)
	}
	// The fork would name the program in its error.
	info, err := os.Stat(s.Dir)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = e.Err
		}
		return &fs.PathError{Op: "chdir", Path: s.Dir, Err: err}
	}
	return nil
}

// launch is a Spec made ready: what the thread needs for the fork.
type launch struct {
	spec  Spec
	argv0 string   // what is executed
	argv  []string // what the program is told
	files []*os.File
	own   []*os.File // of files: closed when the child has them
	out   *os.File   // where the output is read, nil without
	in    *os.File   // its other end, which the child inherits

	boundary // of the platform
}

// release closes what only the child needs.
func (l *launch) release() {
	for _, f := range l.own {
		f.Close()
	}
	l.own = nil
}

// close is for a launch of which nothing came.
func (l *launch) close() {
	l.release()
	if l.out != nil {
		l.out.Close()
		l.in.Close()
	}
}

// explain is the error of a start as Go words it, with what else must be there
// for the program to run.
func explain(path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok && e.Op == "fork/exec" {
		err = e.Err
	}
	if errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENOEXEC) {
		if why := unrunnable(path); why != "" {
			err = fmt.Errorf("%w: %s", err, why)
		}
	}
	return &fs.PathError{Op: "fork/exec", Path: path, Err: err}
}

// unrunnable says why a file that is there cannot be executed, if it knows.
func unrunnable(path string) string {
	head, err := readHead(path)
	if err != nil {
		return ""
	}
	if interpreter, _, ok := shebang(head); ok {
		if _, err := os.Stat(interpreter); err != nil {
			return fmt.Sprintf("its interpreter %s is missing", interpreter)
		}
		return ""
	}
	machine, loader, err := program(path)
	if err != nil {
		return "it is neither a program of this machine nor a script that names its interpreter (#!)"
	}
	if _, err := os.Stat(loader); loader != "" && err != nil {
		return fmt.Sprintf("its loader %s is missing: it was built for another C library", loader)
	}
	return "it was built for " + strings.TrimPrefix(machine.String(), "EM_")
}

// readHead returns as much of a file as the kernel looks at to find out what it is.
func readHead(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, syscall.EACCES // as execve; opening a pipe would wait
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 256)
	n, err := io.ReadFull(f, b)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// shebang returns the interpreter that a script names, and its one argument, as
// the kernel reads them.
func shebang(head []byte) (interpreter, arg string, ok bool) {
	rest, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return "", "", false
	}
	line, _, _ := bytes.Cut(rest, []byte{'\n'})
	line, _, _ = bytes.Cut(line, []byte{0})
	interpreter = strings.Trim(string(line), " \t")
	if i := strings.IndexAny(interpreter, " \t"); i >= 0 {
		interpreter, arg = interpreter[:i], strings.Trim(interpreter[i:], " \t")
	}
	return interpreter, arg, interpreter != ""
}
