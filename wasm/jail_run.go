package wasm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/host"
)

// patience is how many times its time of the processor a child may take: it yields
// to everything else on the machine.
const patience = 6

// errStorage says that a folder cannot hold compiled code. Another one may.
var errStorage = errors.New("compiled code cannot be written")

// run is the life of one child: started, given its task and the bytes over its
// standard input, which stays open for as long as we live, and waited for.
func (j *jail) run(ctx context.Context, dir string, t task, code []byte) error {
	order, err := json.Marshal(t)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, patience*t.Time)
	defer cancel()
	var said head
	cmd := exec.CommandContext(limited, j.command[0], append(j.command[1:len(j.command):len(j.command)], dir)...)
	cmd.Env = childEnv()
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second
	cmd.Cancel = func() error {
		killGroup(cmd.Process.Pid)
		return cmd.Process.Kill() // where it has no group of its own
	}
	dieWithParent(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer stdin.Close()

	// A parent-death signal belongs to the thread that forked, which must stay.
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			done <- fmt.Errorf("%s: cannot start a process that compiles it: %w", t.file, err)
			return
		}
		if _, err := stdin.Write(append(order, '\n')); err == nil { // a child that did not read it says so, or died
			_, _ = stdin.Write(code)
		}
		done <- cmd.Wait()
	}()
	err = <-done
	switch {
	case cmd.ProcessState == nil: // it was not started
		return err
	case cmd.ProcessState.Success():
		return nil
	}
	return t.verdict(cmd.ProcessState, limited.Err() != nil, said.String())
}

// verdict says why a child ended other than well, from how it did, whether it had
// no time left, and what it said.
func (t *task) verdict(end *os.ProcessState, late bool, said string) error {
	used := end.UserTime() + end.SystemTime()
	killed := false
	if status, ok := end.Sys().(syscall.WaitStatus); ok {
		killed = status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	said = strings.TrimSpace(said)
	switch code := end.ExitCode(); {
	case code == exitRefused:
		return host.Errorf(host.ErrInvalid, "compile: %s", said)
	case code == exitAlone:
		return fmt.Errorf("%s: a process that compiles it cannot be limited: %s", t.file, said)
	case code == exitStorage:
		return fmt.Errorf("%w: %s", errStorage, said)
	case code == exitTime, killed && used >= t.Time:
		return host.Errorf(host.ErrInvalid, "%s: compiling took more than %v of processor time (wasm.compileTime): allow more, or split its largest functions", t.file, t.Time)
	case code == exitMemory, code == exitCrash && lackedMemory(said):
		return host.Errorf(host.ErrInvalid, "%s: compiling took more than %d MiB of memory (%s", t.file, t.MiB, t.bound)
	case late:
		return host.Errorf(host.ErrInvalid, "%s: compiling did not end within %v, of which it had %v of processor time (wasm.compileTime): try again when the machine is less busy",
			t.file, patience*t.Time, used.Round(time.Millisecond))
	case killed:
		return host.Errorf(host.ErrInvalid, "%s: compiling was killed from outside, after %v of processor time: the machine may lack memory; try again",
			t.file, used.Round(time.Millisecond))
	default:
		line, _, _ := strings.Cut(said, "\n")
		return host.Errorf(host.ErrInvalid, "%s: the compiler failed: %v: %s", t.file, end, line)
	}
}

// lackedMemory reports what Go's runtime says when it gets none, also for a thread. Its
// collector does not look in all places, and faults.
func lackedMemory(said string) bool {
	for _, s := range []string{"out of memory", "cannot allocate memory", "pthread_create failed", "failed to create new OS thread"} {
		if strings.Contains(said, s) {
			return true
		}
	}
	_, trace, _ := strings.Cut(said, "]:\n")
	return strings.HasPrefix(said, "SIGSEGV") && strings.Contains(said, " sigcode=1 ") && strings.HasPrefix(trace, "runtime.")
}

// childEnv is all that a child sees of the environment: where its loader finds the
// C library, in a build that has one. One thread runs Go code, and a crash is told
// in a line.
func childEnv() []string {
	env := []string{"GOMAXPROCS=1", "GOTRACEBACK=none"}
	if v, ok := os.LookupEnv("LD_LIBRARY_PATH"); ok {
		env = append(env, "LD_LIBRARY_PATH="+v)
	}
	return env
}

// head keeps the first bytes written to it: a dying Go process says why at once,
// and then much more.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	const limit = 4 << 10
	h.Buffer.Write(p[:min(len(p), max(0, limit-h.Len()))])
	return len(p), nil
}
