//go:build unix

package child

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// forced is how long Stop waits for a process that was killed because its context
// had ended.
const forced = 2 * time.Second

// Process is a child that was started. It is safe for concurrent use.
type Process struct {
	name    string
	pid     int
	started time.Time
	log     *slog.Logger
	spawner *Spawner
	proc    *os.Process
	tree    tree // what is known of its descendants
	out     *copier
	patient atomic.Int64 // until when descendants of one that has ended may live, in Unix nanoseconds
	done    chan struct{}
	exit    Exit // valid once done is closed

	mu     sync.Mutex // guards reaped: while it is held and reaped is false, pid is ours
	reaped bool
}

// Exit is how a process ended.
type Exit struct {
	Code         int            // -1 if a signal ended it
	Signal       syscall.Signal // 0 if none did
	Text         string         // as Go's: "exit status 1", "signal: killed"
	At           time.Time
	User, System time.Duration // with descendants that were waited for
	MaxRSS       int64         // bytes, of the largest process of them
}

// Usage is what a process and its living descendants use.
type Usage struct {
	Started   time.Time
	RSS       int64         // bytes; what processes share is counted for each
	CPU       time.Duration // with descendants that have ended and were waited for
	Processes int
}

func newProcess(s *Spawner, l *launch, proc *os.Process, pidfd int) *Process {
	p := &Process{
		name: l.spec.Name, pid: proc.Pid, started: time.Now(), log: s.log, spawner: s,
		proc: proc, done: make(chan struct{}),
	}
	p.tree.plant(p.pid, pidfd, l)
	l.release()
	if l.out != nil {
		l.in.Close()
		p.out = newCopier(l.out, l.spec.Output)
	}
	return p
}

// watch waits for the end and clears up.
func (p *Process) watch() {
	p.exit = newExit(p.wait())
	if p.out != nil {
		p.out.finish()
	}
	close(p.done)
	p.spawner.forget(p)
}

func newExit(state *os.ProcessState, err error) Exit {
	if err != nil {
		return Exit{Code: -1, Text: err.Error(), At: time.Now()}
	}
	e := Exit{
		Code: state.ExitCode(), Text: state.String(), At: time.Now(),
		User: state.UserTime(), System: state.SystemTime(),
	}
	if w, ok := state.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		e.Signal = w.Signal()
	}
	if u, ok := state.SysUsage().(*syscall.Rusage); ok {
		if e.MaxRSS = int64(u.Maxrss); runtime.GOOS != "darwin" && runtime.GOOS != "ios" { //nolint:unconvert // int32 on some; these count bytes
			e.MaxRSS <<= 10
		}
	}
	return e
}

// PID returns the process id, as the host sees it.
func (p *Process) PID() int { return p.pid }

// Started returns when it was started.
func (p *Process) Started() time.Time { return p.started }

// Done is closed when the process has been waited for, its descendants have been
// killed, and Spec.Output has all that they printed.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit returns how the process ended. Before Done it is the zero Exit.
func (p *Process) Exit() Exit {
	select {
	case <-p.done:
		return p.exit
	default:
		return Exit{}
	}
}

// Owns reports whether pid, a process id as the host sees it, is this process or
// a descendant of it. It is false when the process has ended.
func (p *Process) Owns(pid int) bool {
	return pid > 0 && p.ours() && (pid == p.pid || p.tree.owns(pid)) && p.ours()
}

// ours reports whether p.pid is still this process: a zombie keeps it.
func (p *Process) ours() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.reaped
}

// Usage returns what the process and its descendants use, as far as the system
// tells; os.ErrProcessDone when it has ended.
func (p *Process) Usage() (Usage, error) {
	u, err := p.tree.usage(p.pid)
	if !p.ours() {
		return Usage{}, os.ErrProcessDone
	}
	u.Started = p.started
	return u, err
}

// Stop asks the process to end, by SIGTERM, and kills it after grace, or when ctx
// ends. It returns when Done is closed, or with ctx's error.
//
// The signal goes to the whole process group, which has the grace, too, when its
// first process has ended before the others. A process that does not catch it
// would end on it; the pid 1 of a namespace does not, and gets SIGINT instead if
// it catches that, as Python does, or SIGKILL if nobody is left below it that it
// could wait for.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	nudge := time.NewTicker(nudgeEvery)
	defer nudge.Stop()
	p.patient.Store(time.Now().Add(grace).UnixNano())
	p.signalGroup(syscall.SIGTERM)
	interrupted := false
	for {
		interrupted = p.insist(interrupted) || interrupted
		select {
		case <-p.done:
			return nil
		case <-nudge.C:
			continue
		case <-timer.C:
			p.Kill()
		case <-ctx.Done():
			p.Kill()
		}
		break
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(forced):
		return ctx.Err()
	}
}

// nudgeEvery is how often Stop looks whether a pid 1 is alone.
const nudgeEvery = 20 * time.Millisecond

// Kill kills the process and its descendants at once. It does not wait.
func (p *Process) Kill() {
	p.patient.Store(0)
	strays := p.tree.strays(p.pid)
	p.signalGroup(syscall.SIGKILL)
	_ = p.proc.Kill() // if it has left its group, or ended
	if p.ours() {
		strays.kill()
	}
}

// signalGroup signals the process group.
func (p *Process) signalGroup(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = syscall.Kill(-p.pid, sig)
	}
}
