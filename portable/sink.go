package portable

import (
	"context"
	"errors"

	"github.com/vanth-io/vanth/host"
)

// sink is a host.Sink in a process. Where the plugin acknowledges, messages are
// kept until it does, and sent again to the next process when one ends.
type sink struct {
	*node
	window *window
}

var (
	_ host.Sink    = (*sink)(nil)
	_ host.Flusher = (*sink)(nil)
)

func newSink(n *node) *sink {
	s := &sink{node: n, window: newWindow()}
	n.acked = s.window.acked
	n.resume = func(ctx context.Context, at attachment) error {
		for _, p := range s.window.again() {
			if err := at.(sinkAttachment).write(ctx, p); err != nil {
				return err
			}
		}
		return nil
	}
	return s
}

// Open implements host.Sink.
func (s *sink) Open(ctx context.Context) error { return s.open(ctx) }

// Close implements host.Sink. What is not acknowledged is waited for, and its
// loss told.
func (s *sink) Close(ctx context.Context) error {
	err := s.Flush(ctx)
	if errors.Is(err, host.ErrClosed) {
		err = nil
	}
	return errors.Join(err, s.close(ctx))
}

// Write implements host.Sink. Where the plugin acknowledges, the error may be
// that of an earlier message.
func (s *sink) Write(ctx context.Context, m host.Message) error {
	ctx, cancel := context.WithTimeout(ctx, s.m.rt.opts.SendTimeout)
	defer cancel()
	var p *parcel
	for {
		at, err := s.attached(ctx)
		switch {
		case err != nil && p != nil && !errors.Is(err, host.ErrClosed) && s.window.holds(p):
			return s.window.trouble() // the next process gets it
		case err != nil:
			return s.late(err)
		case p != nil && s.window.resent(p):
			return s.window.trouble()
		}
		to := at.(sinkAttachment)
		if !to.acknowledges() {
			p = &parcel{message: m}
		} else if p == nil {
			if err := s.window.wait(ctx, windowSize-1, s.m.rt.opts.RecvTimeout, s.done); err != nil {
				return s.explain(err)
			}
			if p = s.window.add(m); p == nil {
				continue
			}
		}
		err = to.write(ctx, p)
		switch {
		case err == nil:
		case errors.Is(err, errNotSent) && (ctx.Err() == nil || to.acknowledges()), errors.Is(err, errGone) && to.acknowledges():
			// What is in the window goes to the next process, unless that one has
			// looked into it before.
			if late := s.left(ctx, at); late != nil {
				s.window.forget(p)
				return s.late(late)
			}
			continue
		default:
			s.window.forget(p)
			return s.late(err)
		}
		return s.window.trouble()
	}
}

// left waits until the node is no more where it was.
func (s *sink) left(ctx context.Context, at attachment) error {
	for {
		s.mu.Lock()
		now, changed := s.at, s.changed
		s.mu.Unlock()
		if now != at {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// late puts the end of a wait into eKuiper's words.
func (s *sink) late(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		g := s.m.fault(s.symbol.Name, host.FaultDeadline, &timedOut{err})
		g.Class = "io"
		return g
	}
	return s.explain(err)
}

// timedOut is eKuiper's error of a message that no process took.
type timedOut struct{ error }

func (e *timedOut) Error() string { return "send time out: " + e.error.Error() }
func (e *timedOut) Unwrap() error { return e.error }

// Flush implements host.Flusher.
func (s *sink) Flush(ctx context.Context) error {
	if err := s.window.wait(ctx, 0, s.m.rt.opts.RecvTimeout, s.done); err != nil {
		return s.explain(err)
	}
	return s.window.trouble()
}
