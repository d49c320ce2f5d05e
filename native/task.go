package native

import (
	"context"
	"errors"
	"fmt"

	"github.com/vanth-io/vanth/host"
)

// errGoexit is what a plugin did that ended the goroutine it was called on.
var errGoexit = errors.New("runtime.Goexit was called")

// task is code of a plugin on a goroutine of its own, since such code cannot be
// interrupted: whoever began it waits for it with a bound, and reports what has
// not returned by then.
type task struct {
	what string
	done chan struct{} // closed when it has returned
	err  error         // valid once done is closed
}

// begin runs fn. What it panics with is the error of the symbol.
func (g *guest) begin(symbol, what string, fn func() error) *task {
	t := &task{what: what, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		t.err = g.fault(symbol, host.FaultExit, fmt.Errorf("%s: %w", what, errGoexit))
		t.err = g.guard(symbol, what, fn)
	}()
	return t
}

// guard runs fn and makes an error of what it panics with.
func (g *guest) guard(symbol, what string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e := g.trap(symbol, p)
			e.Err = fmt.Errorf("%s: %w", what, e.Err)
			err = e
		}
	}()
	return fn()
}

// wait returns the task's error, or ctx's when that ends first.
func (t *task) wait(ctx context.Context) error {
	if !t.running() {
		return t.err
	}
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
		return fmt.Errorf("%s has not returned: %w", t.what, ctx.Err())
	}
}

// running reports whether the task has not returned. A nil task has.
func (t *task) running() bool {
	if t == nil {
		return false
	}
	select {
	case <-t.done:
		return false
	default:
		return true
	}
}
