package host

import (
	"context"
	"sync"
	"sync/atomic"
)

// retired is far below any count of references that a host can have.
const retired = -1 << 62

// lease counts the calls in flight on a module. acquire and release are one
// atomic addition each; retire refuses further calls and tells when the last
// one ended.
type lease struct {
	n       atomic.Int64
	idle    chan struct{} // closed when retired and unused
	settled sync.Once
}

func (l *lease) init() { l.idle = make(chan struct{}) }

// acquire counts a call; false when the module was withdrawn.
func (l *lease) acquire() bool {
	if l.n.Add(1) > 0 {
		return true
	}
	l.release()
	return false
}

func (l *lease) release() {
	if l.n.Add(-1) == retired {
		// A late acquire that was refused passes here too.
		l.settled.Do(func() { close(l.idle) })
	}
}

// retire refuses calls from now on. It must be called once.
func (l *lease) retire() {
	if l.n.Add(retired) == retired {
		l.settled.Do(func() { close(l.idle) })
	}
}

// wait blocks until no call is in flight, or ctx ends.
func (l *lease) wait(ctx context.Context) error {
	select {
	case <-l.idle:
		return nil
	case <-ctx.Done():
	}
	// Both may be true, and select is blind.
	select {
	case <-l.idle:
		return nil
	default:
		return ctx.Err()
	}
}
