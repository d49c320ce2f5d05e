//go:build unix

package child

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Level says how far a child is kept apart from the host, as it is shown in a
// status. The package comment has what each one promises.
type Level string

// The levels, best first.
const (
	LevelNamespaces Level = "namespaces" // PID namespace, private /tmp
	LevelPIDs       Level = "pids"       // PID namespace, everybody's /tmp
	LevelProcess    Level = "process"    // session and process group, everybody's /tmp
)

// PrivateTmp reports whether Spec.Tmp is honoured.
func (l Level) PrivateTmp() bool { return l == LevelNamespaces }

// ErrClosed is the error of Start after Close.
var ErrClosed = errors.New("the spawner is closed")

// ErrNoTmp is the error of Start with a Spec.Tmp that this level cannot honour.
var ErrNoTmp = errors.New("a private /tmp is not permitted here")

// Options of a Spawner. Zero values mean the defaults.
type Options struct {
	Log   *slog.Logger // default: discarded
	Level Level        // the best level to try; default LevelNamespaces
}

// Spawner starts children, in the order of the calls. It is safe for concurrent
// use:
//
//  1. NewSpawner starts the thread, which tries what is permitted
//  2. Start looks at the files in the caller's goroutine, has the thread fork, and
//     returns when the child runs the new program
//  3. a goroutine of the Process waits for its end and clears up after it
//  4. Close kills and waits for what is left, then ends the thread
type Spawner struct {
	log   *slog.Logger
	sys   system // of the thread; its level and reason do not change after NewSpawner
	jobs  chan *job
	quit  chan struct{} // closed when no more jobs are taken
	idle  chan struct{} // closed when no more jobs are run
	end   chan struct{} // closed when the thread may end
	gone  chan struct{} // closed when it has
	null  *os.File
	clear sync.Once

	mu     sync.Mutex // guards what follows
	closed bool
	live   map[*Process]struct{}
}

// NewSpawner returns a spawner with the best level that is permitted.
func NewSpawner(o Options) *Spawner {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Level == "" {
		o.Level = LevelNamespaces
	}
	s := &Spawner{
		log: o.Log, jobs: make(chan *job), live: map[*Process]struct{}{},
		quit: make(chan struct{}), idle: make(chan struct{}), end: make(chan struct{}), gone: make(chan struct{}),
	}
	ready := make(chan struct{})
	go s.lock(o.Level, ready) // Close waits for it
	<-ready
	return s
}

// Level returns what children get.
func (s *Spawner) Level() Level { return s.sys.level }

// Reason says why it is not the level that was asked for; nil if it is.
func (s *Spawner) Reason() error { return s.sys.reason }

// lock finds a thread that is not the main one, which outlives its goroutine and
// stands for the whole process in /proc.
func (s *Spawner) lock(l Level, ready chan<- struct{}) {
	runtime.LockOSThread() // for good: a thread that ends locked is not used again
	if !mainThread() {
		s.serve(l, ready)
		return
	}
	locked := make(chan struct{})
	go func() {
		runtime.LockOSThread() // not the main one, which we hold
		close(locked)
		s.serve(l, ready)
	}()
	<-locked
	runtime.UnlockOSThread()
}

// serve is the life of the thread.
func (s *Spawner) serve(l Level, ready chan<- struct{}) {
	defer close(s.gone)
	s.sys.setup(l)
	close(ready)
	for {
		select {
		case j := <-s.jobs:
			s.run(j)
			continue
		case <-s.quit:
		}
		break
	}
	close(s.idle)
	<-s.end
}

// job is one fork. Whoever comes second, the caller that gives up or the thread
// with the child, clears up.
type job struct {
	launch  *launch
	settled atomic.Bool
	done    chan struct{}
	process *Process // valid once done is closed, as is
	err     error
}

func (s *Spawner) run(j *job) {
	defer close(j.done)
	if j.settled.Load() {
		j.launch.close()
		return
	}
	proc, pidfd, err := s.sys.fork(j.launch)
	if err != nil {
		if j.err = err; !j.settled.CompareAndSwap(false, true) {
			j.launch.close()
		}
		return
	}
	j.process = s.adopt(j.launch, proc, pidfd)
	if !j.settled.CompareAndSwap(false, true) {
		j.process.Kill()
	}
}

// adopt makes a Process of a child that runs.
func (s *Spawner) adopt(l *launch, proc *os.Process, pidfd int) *Process {
	p := newProcess(s, l, proc, pidfd)
	s.mu.Lock()
	s.live[p] = struct{}{}
	closed := s.closed
	s.mu.Unlock()
	go p.watch() // Done says that it has ended
	if closed {
		p.Kill()
	}
	return p
}

func (s *Spawner) forget(p *Process) {
	s.mu.Lock()
	delete(s.live, p)
	s.mu.Unlock()
}

// Start starts a child. When it returns the child has executed its program, or the
// error says why not, as Go does: fork/exec /a/b: permission denied. A ctx that
// ends later does not touch the child.
func (s *Spawner) Start(ctx context.Context, spec Spec) (*Process, error) {
	// A program that was written a moment ago is busy as long as a child that was
	// forked meanwhile by somebody else has not executed its own program.
	for wait := time.Millisecond; ; wait *= 2 {
		p, err := s.start(ctx, spec)
		if err == nil || wait > 64*time.Millisecond || !errors.Is(err, syscall.ETXTBSY) {
			return p, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (s *Spawner) start(ctx context.Context, spec Spec) (*Process, error) {
	l, err := s.prepare(spec)
	if err != nil {
		return nil, err
	}
	j := &job{launch: l, done: make(chan struct{})}
	select {
	case s.jobs <- j:
	case <-ctx.Done():
		err = ctx.Err()
	case <-s.quit:
		err = ErrClosed
	}
	if err != nil {
		l.close()
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.settled.CompareAndSwap(false, true) {
			return nil, fmt.Errorf("%s: %w", spec.Name, ctx.Err())
		}
		<-j.done
	}
	if j.err != nil {
		l.close()
		return nil, explain(spec.Path, j.err)
	}
	return j.process, nil
}

// prepare looks at all that a start needs, which may take its time: nobody waits
// for it but the caller.
func (s *Spawner) prepare(spec Spec) (*launch, error) {
	if err := spec.check(s.sys.level); err != nil {
		return nil, err
	}
	l := &launch{spec: spec, argv0: spec.Path, argv: append([]string{spec.Path}, spec.Args...)}
	if err := s.sys.prepare(l); err != nil {
		return nil, err
	}
	null, err := s.devNull()
	if err != nil {
		return nil, err
	}
	// The caller may give up, and close its files, while the thread still forks.
	for _, f := range spec.Files {
		own, err := duplicate(f)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("%s: a file to inherit: %w", spec.Name, err)
		}
		l.own = append(l.own, own)
	}
	l.files = append([]*os.File{null, null, null}, l.own...)
	if spec.Output == nil {
		return l, nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		l.close()
		return nil, err
	}
	l.out, l.in = r, w
	l.files[1], l.files[2] = w, w
	return l, nil
}

// duplicate returns another descriptor of a file.
func duplicate(f *os.File) (*os.File, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	err = c.Control(func(old uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, failed = syscall.Dup(int(old)); failed == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

func (s *Spawner) devNull() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	var err error
	if s.null == nil {
		s.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0)
	}
	return s.null, err
}

// Close kills what still runs and waits for it until ctx ends. Then it ends the
// thread, whatever is left. Further calls wait with the first.
func (s *Spawner) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.quit)
	}
	s.mu.Unlock()
	var err error
	select {
	case <-s.idle: // live does not grow any more
	case <-ctx.Done():
	}
	s.mu.Lock()
	live := slices.Collect(maps.Keys(s.live))
	s.mu.Unlock()
	for _, p := range live {
		p.Kill()
	}
	for _, p := range live {
		select {
		case <-p.Done():
		case <-ctx.Done():
			err = fmt.Errorf("%s: pid %d has not ended: %w", p.name, p.pid, ctx.Err())
		}
	}
	s.clear.Do(func() { close(s.end) })
	select {
	case <-s.gone:
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.null != nil {
		s.null.Close()
		s.null = nil
	}
	return err
}
