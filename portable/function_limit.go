package portable

import (
	"context"
	"sync"
	"time"
)

// limited is a context with an earlier end, whose timer is made when somebody
// waits for it: most calls are answered before anybody does.
type limited struct {
	context.Context // the caller's
	end             time.Time

	mu     sync.Mutex      // guards what follows
	timed  context.Context // nil before somebody waits
	cancel context.CancelFunc
}

var _ context.Context = (*limited)(nil)

// release ends the context. Nobody may wait for it any more.
func (l *limited) release() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
	}
}

// timer returns the context that really ends.
func (l *limited) timer() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed == nil {
		l.timed, l.cancel = context.WithDeadline(l.Context, l.end)
	}
	return l.timed
}

// now returns that context if it is there, and else the caller's.
func (l *limited) now() (ctx context.Context, timed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed != nil {
		return l.timed, true
	}
	return l.Context, false
}

// Deadline implements context.Context.
func (l *limited) Deadline() (time.Time, bool) { return l.end, true }

// Done implements context.Context.
func (l *limited) Done() <-chan struct{} { return l.timer().Done() }

// Err implements context.Context.
func (l *limited) Err() error {
	ctx, timed := l.now()
	if !timed && !time.Now().Before(l.end) {
		ctx = l.timer()
	}
	return ctx.Err()
}

// Value implements context.Context. It is what the package context finds the
// cause of an end by.
func (l *limited) Value(key any) any {
	ctx, _ := l.now()
	return ctx.Value(key)
}
