//go:build unix && !linux

package child

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// EnvMark is a variable that only Linux uses.
const EnvMark = "VANTH_CHILD"

var errLinuxOnly = errors.New("namespaces are Linux's")

type system struct {
	level  Level
	reason error
}

type boundary struct{}

func mainThread() bool { return false } // no thread is special without namespaces

func (s *system) setup(best Level) {
	s.level = LevelProcess
	if best != LevelProcess {
		s.reason = errLinuxOnly
	}
}

func (s *system) prepare(*launch) error { return nil }

func (s *system) fork(l *launch) (*os.Process, int, error) {
	proc, err := os.StartProcess(l.argv0, l.argv, &os.ProcAttr{
		Dir: l.spec.Dir, Env: append([]string{}, l.spec.Env...), Files: l.files,
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	return proc, -1, err
}

// tree is a session.
type tree struct{ root int }

func (t *tree) plant(root, _ int, _ *launch) { t.root = root }

func (t *tree) owns(pid int) bool {
	session, err := unix.Getsid(pid)
	return err == nil && session == t.root
}

func (t *tree) usage(int) (Usage, error) { return Usage{}, errors.ErrUnsupported }

func (p *Process) wait() (*os.ProcessState, error) {
	state, err := p.proc.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // a group keeps its number while it has members
	p.reaped = true
	return state, err
}

type strays struct{}

func (t *tree) strays(int) strays { return strays{} }

func (strays) kill() {}

func (p *Process) insist(bool) bool { return false }
