package portable

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"time"
)

// errPoked ends a read that somebody else shall go on with. Nothing is lost.
var errPoked = errors.New("another shall read")

// lookFor is how long a call looks for its answer before it sleeps, where that pays: what a plugin needs that computes
// little, with the time that an idle machine takes to wake up. watchFor is the same for the watcher.
const (
	lookFor  = 200 * time.Microsecond
	watchFor = 25 * time.Microsecond
	// napFor bounds one sleep, so that a plugin that forgets to wake costs little, and one that has the kernel wake
	// somebody else holds nobody.
	napFor = time.Second
)

// read is the watcher: the handshake, then what comes.
func (l *lane) read() {
	err := l.shake()
	if err == nil {
		err = l.serve()
	}
	if !l.told.Load() && (errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)) {
		err = errLaneUnused
	}
	l.say(err)
	l.broke(err)
}

// broke ends the lane because of what was read, or was not.
func (l *lane) broke(err error) {
	if errors.Is(err, errProtocol) {
		l.p.m.log.Warn("the lane is ended, and its process with it", "err", err)
		l.kill()
	}
	l.fail(fmt.Errorf("%w: %w", errGone, err))
}

func (l *lane) kill() {
	<-l.p.forked
	if l.p.child != nil {
		l.p.child.Kill()
	}
}

// serve reads frames until the lane ends, whenever it is the watcher's turn.
func (l *lane) serve() error {
	if l.ring != nil {
		l.frames = newFrameReader(l.ring)
		l.ring.attend(0, napFor)
		if several() {
			l.ring.attend(watchFor, napFor)
			l.pending.lead()
		}
	}
	l.say(nil)
	for {
		h, payload, err := l.frames.next()
		switch {
		case err == errPoked: //nolint:errorlint // it is never wrapped; meant for a call that has read meanwhile
			l.ring.calm()
			continue
		case err != nil:
			return err
		case h.op != opResult:
			err = l.take(h, payload)
		case l.pending.answer(h, payload, !l.frames.buffered()):
			if !l.standBy() {
				return errGone
			}
			l.ring.attend(watchFor, napFor)
		}
		if err != nil {
			return err
		}
		if !l.frames.buffered() {
			l.kick()
			runtime.Gosched() // a wait keeps its processor for a while: first those who are ready for it
		}
	}
}

// several says that there is a processor to spare.
func several() bool { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) > 1 }

// take does what a frame that is no result asks for.
func (l *lane) take(h head, payload []byte) error {
	switch h.op {
	case opMessage, opFailure, opEnd:
		return l.nodes.take(h, payload)
	case opGet, opPut, opDelete, opAdd, opCount:
		return l.state(h, payload)
	}
	return nil
}

// standBy leaves reading to the calls until they stop coming or one takes long;
// false when the lane has ended.
func (l *lane) standBy() bool {
	tick := time.NewTicker(patrol)
	defer tick.Stop()
	for seen := uint64(0); ; {
		select {
		case <-l.pending.handed:
			return true
		case <-l.down:
			return false
		case <-tick.C:
		}
		reads, late := l.pending.look(&seen)
		if late {
			l.ring.poke()
		}
		if reads {
			return true
		}
	}
}

// lead reads on behalf of the waiter w, on its goroutine, until it has its answer.
// If that cannot go on the watcher takes over, and answered is false.
func (l *lane) lead(w *waiter) (answered bool) {
	look, counts := l.trial.Begin()
	var begun time.Time
	if counts {
		begun = time.Now()
	}
	if look && l.looks() {
		l.ring.attend(lookFor, napFor)
	} else {
		l.ring.attend(0, napFor)
	}
	for {
		h, payload, err := l.frames.next()
		switch {
		case err == errPoked: //nolint:errorlint // it is never wrapped
			l.ring.calm()
			l.pending.handOver(w)
			return false
		case err != nil:
			l.broke(err)
			return false
		case h.op == opResult && h.id == w.id:
			w.take(h, payload)
			if counts {
				l.trial.End(time.Since(begun))
			} else {
				l.trial.End(0)
			}
			return true
		case h.op == opResult:
			l.pending.answer(h, payload, false)
		default:
			err = l.take(h, payload)
		}
		if err != nil {
			l.broke(err)
			return false
		}
		if !l.frames.buffered() && !l.push() {
			l.pending.handOver(w)
			return false
		}
	}
}

// looks reports whether a call of this lane may look. Those of one lane in the host do
// at a time: of the last whose call found no call of another at it.
func (l *lane) looks() bool {
	looker := &l.p.m.rt.looker
	other := looker.Load()
	if other == l {
		return true
	}
	return (other == nil || other.pending.who() != caller) && looker.CompareAndSwap(other, l)
}
