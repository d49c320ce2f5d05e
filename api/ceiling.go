package api

import (
	"context"
	"errors"
	"fmt"
)

// timer is the end of a ceiling; the zero value is that of none.
type timer struct{ cancel context.CancelFunc }

// stop ends the ceiling's timer.
func (t timer) stop() {
	if t.cancel != nil {
		t.cancel()
	}
}

// ceiling returns what a call runs under: it ends when the server's calls are
// cancelled, or at the ceiling on calls. The timer must be stopped.
func (s *Server) ceiling() (context.Context, timer) {
	if s.opts.CallTimeout <= 0 {
		return s.calls, timer{}
	}
	ctx, cancel := context.WithTimeout(s.calls, s.opts.CallTimeout)
	return ctx, timer{cancel}
}

// over says of a call's error when it was the ceiling. Others it returns as they
// are.
func (s *Server) over(ctx context.Context, f *callee, err error) error {
	if s.opts.CallTimeout > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("function %s: found no result within %s, the server's ceiling on calls: %w", f.Name(), s.opts.CallTimeout, err)
	}
	return err
}
