package wasm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/spawn"
)

// patience is how many times its time of the processor a child may take: it yields
// to everything else on the machine.
const patience = 6

// errStorage says that a folder cannot hold compiled code. Another one may.
var errStorage = errors.New("compiled code cannot be written")

// run is the life of one child: started, given its task, the module and its husk over its
// standard input, which stays open for as long as we live, and waited for.
func (j *jail) run(ctx context.Context, dir string, t task, p *prepared) error {
	order, err := json.Marshal(t)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, patience*t.Time)
	defer cancel()
	said := spawn.Head{Limit: 4 << 10}
	cmd := spawn.Command(limited, j.command, dir)
	cmd.Env = childEnv()
	cmd.Stderr = &said
	err = spawn.Run(cmd, append(order, '\n'), p.code, p.shown[:t.Husk])
	switch {
	case cmd.ProcessState == nil: // it was not started
		return fmt.Errorf("%s: cannot start a process that compiles it: %w", t.file, err)
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
	return append([]string{"GOMAXPROCS=1", "GOTRACEBACK=none"}, spawn.Inherit("LD_LIBRARY_PATH")...)
}
