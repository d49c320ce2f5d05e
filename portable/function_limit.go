package portable

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// limited is a context with an earlier end, whose timer is made when somebody
// waits for it, and whose end is reckoned when somebody asks for it: most calls are
// answered before anybody does, and the clock costs as much as the rest of them.
type limited struct {
	context.Context // the caller's
	limit           time.Duration
	patient         bool        // see the function
	asked           atomic.Bool // somebody has asked for its end

	mu     sync.Mutex      // guards what follows
	end    time.Time       // zero before somebody asks
	timed  context.Context // nil before somebody waits
	cancel context.CancelFunc
}

var _ context.Context = (*limited)(nil)

// patient says that nobody minds if the end of ctx is noticed two patrols late.
func patient(ctx context.Context) bool {
	if l, ok := ctx.(*limited); ok {
		return l.patient
	}
	end, has := ctx.Deadline()
	return !has || time.Until(end) > 4*patrol
}

// begin makes it that of a call.
func (l *limited) begin(ctx context.Context, limit time.Duration) {
	l.Context, l.limit, l.patient = ctx, limit, limit > 4*patrol
}

// release ends the context. Nobody may wait for it any more. It can begin again unless
// somebody has waited, who may have kept it.
func (l *limited) release() (again bool) {
	if l.asked.Load() && !l.forget() {
		return false
	}
	l.Context = nil
	return true
}

// forget forgets that somebody has asked; false if somebody has waited.
func (l *limited) forget() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
		return false
	}
	l.end = time.Time{}
	l.asked.Store(false)
	return true
}

// until returns the end. It requires l.mu.
func (l *limited) until() time.Time {
	if l.end.IsZero() {
		l.asked.Store(true)
		l.end = time.Now().Add(l.limit)
	}
	return l.end
}

// timer returns the context that really ends.
func (l *limited) timer() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed == nil {
		l.timed, l.cancel = context.WithDeadline(l.Context, l.until())
	}
	return l.timed
}

// now returns that context if it is there, and else the caller's; over says that
// its time has come.
func (l *limited) now() (ctx context.Context, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed != nil {
		return l.timed, false
	}
	return l.Context, !l.end.IsZero() && !time.Now().Before(l.end)
}

// Deadline implements context.Context.
func (l *limited) Deadline() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until(), true
}

// Done implements context.Context.
func (l *limited) Done() <-chan struct{} { return l.timer().Done() }

// Err implements context.Context.
func (l *limited) Err() error {
	if !l.asked.Load() {
		return l.Context.Err()
	}
	ctx, over := l.now()
	if over {
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
