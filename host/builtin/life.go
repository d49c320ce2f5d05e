package builtin

import (
	"context"
	"fmt"
	"time"

	"github.com/vanth-io/vanth/host"
)

// life is how a source or a sink lives: made, open, closed. Whoever uses the node
// has its turn; Close first ends what waits, then takes the turn itself, so that
// nothing is freed under its user.
type life struct {
	owner *Module
	name  string // "source file"
	call  *host.Call
	self  node

	over context.Context // ends when Close begins
	end  context.CancelFunc
	turn chan struct{} // holds one token while the node is used

	// Guarded by turn:
	opened bool
	closed bool
	result error // what the first Close returned
}

func newLife(m *Module, name string, c *host.Call) *life {
	l := &life{owner: m, name: name, call: c, turn: make(chan struct{}, 1)}
	l.over, l.end = context.WithCancel(context.Background())
	return l
}

func (l *life) gone() error { return host.Errorf(host.ErrClosed, "%s: closed", l.name) }

// take takes the turn.
func (l *life) take() error {
	select {
	case l.turn <- struct{}{}:
	case <-l.over.Done():
		return l.gone()
	}
	if l.over.Err() != nil {
		l.leave()
		return l.gone()
	}
	return nil
}

// enter takes the turn of an open node.
func (l *life) enter() error {
	if err := l.take(); err != nil {
		return err
	}
	if !l.opened {
		l.leave()
		return host.Errorf(host.ErrInvalid, "%s: not open", l.name)
	}
	return nil
}

func (l *life) leave() { <-l.turn }

// open runs f once, with the turn.
func (l *life) open(f func() error) error {
	if err := l.take(); err != nil {
		return err
	}
	defer l.leave()
	if l.opened {
		return host.Errorf(host.ErrInvalid, "%s: open already", l.name)
	}
	err := f()
	l.opened = err == nil
	return err
}

// close ends what waits, and runs free once when nobody uses the node.
func (l *life) close(ctx context.Context, free func(context.Context) error) error {
	l.end()
	select {
	case l.turn <- struct{}{}:
	default:
		select {
		case l.turn <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("%s: close: still in use: %w", l.name, ctx.Err())
		}
	}
	defer l.leave()
	if !l.closed {
		l.closed = true
		if free != nil && l.opened {
			l.result = free(ctx)
		}
		l.owner.forget(l)
	}
	return l.result
}

// wait lets d pass.
func (l *life) wait(ctx context.Context, d time.Duration) error {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
		case <-l.over.Done():
		}
	}
	return l.interrupted(ctx)
}

// interrupted says that ctx or the node has ended; nil when neither has.
func (l *life) interrupted(ctx context.Context) error {
	if l.over.Err() != nil {
		return l.gone()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	return nil
}

// bind returns a context that ends with ctx, with the node, or after d.
func (l *life) bind(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	stop := context.AfterFunc(l.over, cancel)
	return ctx, func() { stop(); cancel() }
}

// rule names on whose behalf the node runs, for the log.
func (l *life) rule() string {
	if l.call == nil {
		return ""
	}
	return l.call.Rule
}
