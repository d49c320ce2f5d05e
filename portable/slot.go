package portable

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
)

// The delays between the starts of a process that ends without having done any
// useful work.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 30 * time.Second
	// burst is how many such starts there are in a window at most.
	burst       = 5
	burstWindow = 10 * time.Second
	// settled is how long a process lives before its predecessors' ends count no
	// more.
	settled = time.Minute
	// patience is how long a call waits for the next start; one that would have
	// to wait longer fails at once.
	patience = time.Second
)

// slot is the place of one process of a module, with its supervisor.
type slot struct {
	m     *module
	n     int
	jobs  chan job
	again chan chan error // asks for a restart, whose outcome it gets
	ended chan struct{}   // closed when the supervisor is over
	tmp   string          // what its processes see as /tmp; "" for the real one. Of the supervisor
	next  *process        // from outside, listened for while cur serves. Of the supervisor

	cur atomic.Pointer[process] // serves; nil while none does. Set under mu

	mu       sync.Mutex    // guards what follows
	changed  chan struct{} // closed at the next change
	state    string
	reason   error // why none serves; nil when one does
	after    time.Time
	restarts int
	exit     string
	exitAt   time.Time
}

// job is work on the process that serves, done by the supervisor, so that what
// is started is known to whoever starts it again.
type job struct {
	do   func(context.Context, *process) error
	done chan error
}

func newSlot(m *module, n int) *slot {
	return &slot{m: m, n: n, jobs: make(chan job), again: make(chan chan error), ended: make(chan struct{}), changed: make(chan struct{}), state: host.StateInitializing}
}

// errRestart is what ends a process that an operator wants restarted.
var errRestart = errors.New("restarted by hand")

// supervise starts the supervisor, which ends with the module. started gets the
// outcome of the first start; when that is an error no other is tried.
func (s *slot) supervise(started chan<- error) {
	go func() {
		defer close(s.ended)
		defer s.removeTmp()
		defer s.dismiss()
		p, err := s.bring(s.m.life)
		for err != nil && s.next != nil && s.m.life.Err() == nil {
			// It came and is no use: its author mends it and starts it again.
			s.pause(patience)
			p, err = s.bring(s.m.life)
		}
		started <- err
		if err != nil {
			return
		}
		var b backOff
		for {
			asked := s.watch(p)
			useful, lived := p.useful.Load(), time.Since(p.since)
			s.withdraw(p, asked)
			for {
				if s.m.life.Err() != nil {
					return
				}
				if asked == nil {
					delay := b.next(useful, lived)
					if s.next != nil {
						delay = min(delay, patience) // its start is not ours
					}
					asked = s.pause(delay)
				}
				next, err := s.bring(s.m.life)
				if asked != nil {
					asked <- err
					asked = nil
				}
				if err == nil {
					p = next
					break
				}
				useful, lived = false, 0 // the next start did not even come to live
			}
		}
	}()
}

// makeTmp makes the folder that the processes of the slot see as /tmp. One finds
// what the one before left.
func (s *slot) makeTmp() (err error) {
	if s.tmp == "" {
		s.tmp, err = os.MkdirTemp(s.m.rt.opts.Dir, "vanth-"+s.m.id.Name+"-")
	}
	return err
}

func (s *slot) removeTmp() {
	if s.tmp == "" {
		return
	}
	if left, _ := os.ReadDir(s.tmp); len(left) > 0 {
		names := make([]string, 0, len(left))
		for _, f := range left {
			if f.Type().IsRegular() {
				names = append(names, f.Name())
			}
		}
		if len(names) > 0 {
			s.m.log.Warn("files that the plugin left in its /tmp are removed; portable.tmp: shared gives plugins the real one", "files", names[:min(10, len(names))])
		}
	}
	if err := os.RemoveAll(s.tmp); err != nil {
		s.m.log.Warn("a folder remains", "err", err)
	}
}

// bring starts a process and everything that must run in it, then publishes it.
func (s *slot) bring(ctx context.Context) (*process, error) {
	s.say(host.StateInitializing, nil)
	p, err := s.startProcess(ctx)
	if err == nil {
		if err = s.furnish(ctx, p); err != nil {
			p.discard()
		}
	}
	if err != nil {
		s.fail(err)
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cur.Store(p)
	s.state, s.reason, s.after = host.StateRunning, nil, time.Time{}
	s.announce()
	return p, nil
}

// furnish starts the functions, and the sources and sinks that are open. A
// function that the plugin does not have is an error; one that fails for another
// reason is told by the status.
func (s *slot) furnish(ctx context.Context, p *process) error {
	p.dead = map[string]error{}
	for _, name := range s.m.manifest.Functions {
		err := s.m.startFunction(ctx, p, name)
		if no, ok := errors.AsType[*refusal](err); ok && no.text == unknownSymbol {
			return host.Errorf(host.ErrInvalid, "function %s is in the manifest, but the plugin says: %s", name, no.text)
		}
		if errors.Is(err, errGone) {
			return s.m.exitError("ended while it started function "+name, p)
		}
		if err != nil {
			s.m.log.Error("a function does not start", "function", name, "err", err)
			p.dead[name] = err
		}
	}
	for _, n := range s.m.open() {
		if n.slot == s {
			if err := n.attach(ctx, p); err != nil {
				s.m.log.Error("not started again", "symbol", n.symbol.String(), "rule", n.call.Rule, "err", err)
			}
		}
	}
	return nil
}

// unknownSymbol is how SDKs answer the start of what they do not know.
const unknownSymbol = "symbol not found"

// watch does the jobs of a process until it ends, is to be restarted, or the
// module is closed. asked is where the outcome of a restart by hand goes.
func (s *slot) watch(p *process) (asked chan error) {
	for {
		select {
		case <-p.child.Done():
			return nil
		case <-s.m.life.Done():
			return nil
		case asked := <-s.again:
			return asked
		case j := <-s.jobs:
			j.done <- j.do(s.m.life, p)
		}
	}
}

// run has the supervisor do something with the process that serves, and waits
// for one while ctx lives.
func (s *slot) run(ctx context.Context, do func(context.Context, *process) error) error {
	j := job{do, make(chan error, 1)}
	select {
	case s.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ended:
		return host.ErrClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// restart ends the process, if there is one, and starts another.
func (s *slot) restart(ctx context.Context) error {
	outcome := make(chan error, 1)
	select {
	case s.again <- outcome:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ended:
		return host.ErrClosed
	}
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ended:
		return host.ErrClosed
	}
}

// withdraw ends what is left of a process.
func (s *slot) withdraw(p *process, asked chan error) {
	s.mu.Lock()
	s.cur.Store(nil)
	s.state, s.reason = host.StateInitializing, errRestart
	s.announce()
	s.mu.Unlock()
	for _, n := range s.m.open() {
		if n.slot == s {
			n.lost(p)
		}
	}
	if asked != nil || s.m.life.Err() != nil {
		p.stop(context.Background())
	}
	p.discard()
	e := p.child.Exit()
	s.mu.Lock()
	s.exit, s.exitAt = e.Text, e.At
	if s.m.life.Err() != nil {
		s.state = host.StateStop
	} else if asked == nil {
		s.restarts++
		s.state, s.reason = host.StateError, errors.New(e.Text)
	}
	s.announce()
	s.mu.Unlock()
	if asked == nil && s.m.life.Err() == nil {
		s.m.log.Warn("a process ended by itself", "exit", e.Text, "useful", p.useful.Load())
	}
}

func (s *slot) say(state string, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
	if reason != nil {
		s.reason = reason
	}
	s.announce()
}

func (s *slot) fail(err error) {
	if s.m.life.Err() == nil {
		s.m.log.Error("a process does not start", "err", err)
	}
	s.say(host.StateError, err)
}

// announce wakes those who wait for a change. It requires s.mu.
func (s *slot) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// pause waits before the next start. A restart by hand ends it and is returned.
func (s *slot) pause(d time.Duration) (asked chan error) {
	if d <= 0 {
		return nil
	}
	s.mu.Lock()
	s.after = time.Now().Add(d)
	s.announce()
	s.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		jobs := s.jobs
		if d <= patience {
			jobs = nil // they wait for the start
		}
		select {
		case <-t.C:
			return nil
		case <-s.m.life.Done():
			return nil
		case asked := <-s.again:
			return asked
		case j := <-jobs:
			j.done <- s.unavailable()
		}
	}
}

// outlook is what to wait for while no process serves, and how long until the
// next start.
func (s *slot) outlook() (changed <-chan struct{}, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.after.IsZero() {
		delay = time.Until(s.after)
	}
	return s.changed, delay
}

// unavailable says why no process serves.
func (s *slot) unavailable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return host.Errorf(host.ErrUnavailable, "plugin %s does not run: %v", s.m.id.Name, s.reason)
}

// kill ends the process by force.
func (s *slot) kill() {
	if p := s.cur.Load(); p != nil {
		p.child.Kill()
	}
}

// backOff decides how long to wait before a start.
type backOff struct {
	delay time.Duration
	fails []time.Time // of starts that led to nothing, within the window
}

// next is the delay after a process that lived for lived.
func (b *backOff) next(useful bool, lived time.Duration) time.Duration {
	if lived >= settled {
		*b = backOff{}
	}
	if useful {
		b.delay = 0
		return 0
	}
	now := time.Now()
	for len(b.fails) > 0 && now.Sub(b.fails[0]) > burstWindow {
		b.fails = b.fails[1:]
	}
	b.fails = append(b.fails, now)
	b.delay = min(max(2*b.delay, firstDelay), lastDelay)
	d := b.delay + rand.N(b.delay/4+1)
	if len(b.fails) > burst {
		d = max(d, burstWindow-now.Sub(b.fails[0]))
	}
	return d
}
