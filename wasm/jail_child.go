package wasm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/host/spawn"
)

// task is what a child is told, in a line of JSON before the bytes of the module and of its husk.
type task struct {
	file  string // what errors call the module
	bound string // what MiB comes from, and the end of the error

	Bytes       int           `json:"bytes"` // of the module
	Husk        int           `json:"husk"`  // bytes of its husk, which follow it; 0 for none
	Engine      string        `json:"engine"`
	Interpreted bool          `json:"interpreted"` // Engine is the interpreter, or will be
	Pages       uint32        `json:"pages"`
	Time        time.Duration `json:"time"` // of the processor
	MiB         int           `json:"mib"`  // beside what a process has that does nothing
}

// config is how the engine is set, here and in a child: code that was compiled in
// another way is not found.
func (t *task) config() wazero.RuntimeConfig {
	return engineConfig(t.Engine).WithMemoryLimitPages(t.Pages)
}

// How a child ends. Codes from 3 are told by what it says.
const (
	exitDone    = 0
	exitAlone   = 1 // it was told nothing, or its parent is gone
	exitCrash   = 2 // what a Go process has that panics
	exitRefused = 3 // the engine refused the module
	exitTime    = 4
	exitMemory  = 5
	exitStorage = 6 // the folder cannot be written
)

// markName is the file that a child leaves for the interpreter, which keeps no code:
// the module was compiled within the limits.
const markName = "interpreted"

// Compile is the whole of the child: it reads from its standard input what to
// compile, confines itself and leaves the code in the folder dir. It ends when its
// standard input does, that is, with its parent. It returns the exit code, and says
// on stderr what went wrong.
func Compile(dir string, stdin io.Reader, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintln(stderr, err)
		return code
	}
	in := bufio.NewReader(stdin)
	var t task
	line, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &t)
	}
	if err == nil {
		err = t.confine()
	}
	if err != nil {
		return fail(exitAlone, fmt.Errorf("the task: %w", err))
	}
	code := make([]byte, t.Bytes+t.Husk)
	if _, err := io.ReadFull(in, code); err != nil {
		return fail(exitAlone, fmt.Errorf("the module: %w", err))
	}
	go spawn.EndWith(in)
	switch err := t.compile(dir, code[:t.Bytes:t.Bytes], code[t.Bytes:]); {
	case err == nil:
		return exitDone
	case errors.Is(err, syscall.ENOMEM):
		return fail(exitMemory, err)
	case isStorage(err):
		return fail(exitStorage, err)
	default:
		return fail(exitRefused, err)
	}
}

// confine takes from this process what it does not need. What it has when it does
// nothing is not counted: on 64 bits Go reserves some 100 MiB that it never touches.
func (t *task) confine() error {
	startThreads()
	debug.SetMemoryLimit(int64(t.MiB) << 20) // collect before there is no more
	if err := confine(t.Time, uint64(t.MiB)<<20); err != nil {
		return err
	}
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			if used() > t.Time {
				os.Exit(exitTime)
			}
		}
	}()
	return nil
}

// startThreads has Go make the threads that it will need: in a build with cgo each has
// 8 MiB that it may write, and hardly does. Go keeps them.
func startThreads() {
	const threads = 6
	var held sync.WaitGroup
	held.Add(threads)
	end := make(chan struct{})
	for range threads {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			held.Done()
			<-end
		}()
	}
	held.Wait()
	close(end)
}

// compile leaves in the folder dir what a host needs to have the module without compiling it.
func (t *task) compile(dir string, code, husk []byte) error {
	if len(husk) > 0 {
		return t.compileAs(dir, code, husk)
	}
	e, err := t.engine(context.Background(), dir, code)
	if err != nil {
		return err
	}
	e.close()
	if t.Interpreted {
		return os.WriteFile(filepath.Join(dir, markName), nil, 0o600)
	}
	return nil
}

// compileAs leaves the code in dir where the engine looks for that of the husk. It names its files by what it is shown,
// in its own way; so it compiles the husk too, which is soon done, and the code takes that file's name. Both happen in
// folders of their own: the code of a husk is never where a host may find it.
func (t *task) compileAs(dir string, code, husk []byte) error {
	apart, err := os.MkdirTemp(dir, "apart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(apart)
	made, err := t.fileOf(filepath.Join(apart, "whole"), code)
	if err != nil {
		return err
	}
	folder := filepath.Join(apart, "husk")
	named, err := t.fileOf(folder, husk)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(folder, named)
	if err != nil {
		return err
	}
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.Rename(made, name)
}

// fileOf compiles into a new folder, and returns the file that the engine keeps there.
func (t *task) fileOf(dir string, code []byte) (string, error) {
	e, err := t.engine(context.Background(), dir, code)
	if err != nil {
		return "", err
	}
	e.close()
	var files []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) != 1 {
		err = &fs.PathError{Op: "compile", Path: dir, Err: fmt.Errorf("the engine keeps %d files, expected 1", len(files))}
	}
	if err != nil {
		return "", err
	}
	return files[0], nil
}

// isStorage reports an error of a file.
func isStorage(err error) bool {
	_, ofOne := errors.AsType[*fs.PathError](err)
	_, ofTwo := errors.AsType[*os.LinkError](err)
	return ofOne || ofTwo
}
