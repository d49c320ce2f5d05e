package spawn

import (
	"context"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Command prepares a child: command is its program and first arguments, last the last one. Its environment is empty
// until Env gets some. When ctx ends it is killed, and what it started in its process group.
func Command(ctx context.Context, command []string, last string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], last)...)
	cmd.Env = []string{} // nil would be all of ours
	cmd.WaitDelay = time.Second
	cmd.Cancel = func() error {
		KillGroup(cmd.Process.Pid)
		return cmd.Process.Kill() // where it has no group of its own
	}
	dieWithParent(cmd)
	return cmd
}

// Start starts what Command prepared, and has ended called with what its Wait returns. Standard input stays open until
// it is closed, the child has ended, or we have.
func Start(cmd *exec.Cmd, ended func(error)) (stdin io.WriteCloser, err error) {
	stdin, err = cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error)
	go func() {
		// A parent-death signal belongs to the thread that forked, which must stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended(cmd.Wait())
		}
	}()
	if err := <-started; err != nil {
		stdin.Close()
		return nil, err
	}
	return stdin, nil
}

// Run starts what Command prepared, writes input to it, waits for its end, and leaves nothing of its process group. The
// error is that of the start, when there is no ProcessState, or of Wait.
func Run(cmd *exec.Cmd, input ...[]byte) error {
	end := make(chan error, 1)
	stdin, err := Start(cmd, func(err error) { end <- err })
	if err != nil {
		return err
	}
	defer stdin.Close()
	for _, b := range input {
		if _, err := stdin.Write(b); err != nil {
			break // a child that did not read it says so, or died
		}
	}
	err = <-end
	KillGroup(cmd.Process.Pid) // what it started
	return err
}

// KillGroup kills a child and what it started in its process group. On systems other than Linux it has none.
func KillGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// Inherit is what our environment has of the given variables, for a child's. It is not nil.
func Inherit(names ...string) []string {
	env := []string{}
	for _, name := range names {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// EndWith is for the child: it ends this process when stdin does, that is, with the parent.
func EndWith(stdin io.Reader) {
	_, _ = io.Copy(io.Discard, stdin)
	os.Exit(1)
}
