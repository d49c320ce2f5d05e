package portable

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/portable/internal/child"
	"github.com/vanth-io/vanth/portable/internal/sp"
)

// outside is a process that somebody else starts, from a shell or a debugger,
// and the host waits for: Options.Outside.
//
//  1. expect: the control socket listens. From the second process on it does
//     while the one before still serves, so that a plugin that is ended and
//     started again at once, as debuggers do, finds it: SDKs dial once
//  2. its handshake comes; from now on other processes that dial are refused
//  3. its control connection ends, or the host is done with it. Nobody is killed
type outside struct {
	log     *slog.Logger
	after   <-chan struct{} // closed at the end of the process before
	came    atomic.Bool
	pid     atomic.Int64
	refused atomic.Int64 // the last one told
	done    chan struct{}
	once    sync.Once
	at      time.Time // of the end, valid once done is closed
}

var _ program = (*outside)(nil)

// expect listens for a process that follows the one whose end closes after.
func (s *slot) expect(after <-chan struct{}) (*process, error) {
	o := &outside{log: s.m.log, after: after, done: make(chan struct{})}
	p := &process{m: s.m, child: o, tmp: "/tmp", forked: make(chan struct{})}
	close(p.forked)
	w, err := newWire(p)
	if err != nil {
		return nil, err
	}
	p.link = w
	return p, nil
}

// await is startProcess for a process from outside. It has all the time in the
// world, and an error only if the socket cannot listen or ctx ends.
func (s *slot) await(ctx context.Context) (_ *process, err error) {
	p := s.next
	s.next = nil
	if p == nil {
		now := make(chan struct{})
		close(now)
		if p, err = s.expect(now); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			p.discard()
		}
	}()
	w, o := p.link.(*wire), p.child.(*outside)
	s.m.log.Info("waiting for the plugin: start it", "socket", w.path("plugin_"+s.m.id.Name))
	select {
	case <-w.up:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.since = time.Now()
	s.m.log.Info("the plugin came", "pid", o.PID())
	s.next, err = s.expect(o.done)
	return p, err
}

// dismiss stops listening for a next process.
func (s *slot) dismiss() {
	if s.next != nil {
		s.next.discard()
	}
}

// attend has the events of the control socket tell of the process.
func (o *outside) attend(claim *sp.Claim, events *sp.CallerEvents) {
	claim.Owns = o.expects
	up := events.Up
	events.Up = func(peer sp.Peer) {
		o.pid.Store(int64(peer.PID))
		o.came.Store(true)
		up(peer)
	}
	events.Down = func(sp.Peer, error) { o.over() }
}

// expects tells whether a peer of the control socket is the process.
func (o *outside) expects(peer sp.Peer) bool {
	if peer.UID != os.Getuid() || !isClosed(o.after) || isClosed(o.done) {
		return false
	}
	if !o.came.Load() {
		return true
	}
	if o.refused.Swap(int64(peer.PID)) != int64(peer.PID) {
		o.log.Warn("a second process dials and is refused: end the first one", "pid", peer.PID, "first", o.PID())
	}
	return false
}

// over ends it as far as the host is concerned.
func (o *outside) over() {
	o.once.Do(func() {
		o.at = time.Now()
		close(o.done)
	})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// PID implements program.
func (o *outside) PID() int { return int(o.pid.Load()) }

// Owns implements program.
func (o *outside) Owns(pid int) bool { return pid == o.PID() }

// Done implements program.
func (o *outside) Done() <-chan struct{} { return o.done }

// Exit implements program.
func (o *outside) Exit() child.Exit {
	if !isClosed(o.done) {
		return child.Exit{}
	}
	return child.Exit{Text: "the plugin went away", At: o.at}
}

// Usage implements program.
func (*outside) Usage() (child.Usage, error) { return child.Usage{}, errors.ErrUnsupported }

// Stop implements program: the process is not ours to stop.
func (o *outside) Stop(context.Context, time.Duration) error {
	o.over()
	return nil
}

// Kill implements program: the process is not ours to kill.
func (o *outside) Kill() { o.over() }
