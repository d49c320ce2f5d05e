package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// fault makes the error of a call into the plugin.
func (g *guest) fault(symbol string, f host.Fault, err error) *host.GuestError {
	return &host.GuestError{Plugin: g.id, Version: g.ver, Symbol: symbol, Fault: f, Err: err}
}

// returned makes the error of a call from an error that the plugin returned.
func (g *guest) returned(symbol string, err error) *host.GuestError {
	t, class := tell(err)
	e := g.fault(symbol, host.FaultReturned, t)
	e.Class = class
	return e
}

// returnedBy is returned, with the method that returned it.
func (g *guest) returnedBy(symbol, method string, err error) *host.GuestError {
	return g.returned(symbol, fmt.Errorf("%s: %w", method, err))
}

// trap makes the error of a call from what it panicked with. It is called in
// the deferred function that recovered it.
func (g *guest) trap(symbol string, p any) *host.GuestError {
	e := g.fault(symbol, host.FaultTrap, fmt.Errorf("panic: %v", p))
	e.Output = firstFrames(string(debug.Stack()))
	return e
}

// told is what is kept of a plugin's error: its text, and whether it says that a
// context ended. The error itself is not, since its methods are the plugin's
// code, which would run wherever the host looks at the error.
type told struct {
	text  string
	ended error
}

func (t *told) Error() string { return t.text }
func (t *told) Unwrap() error { return t.ended }

func tell(err error) (t *told, class string) {
	t = &told{text: fmt.Sprintf("%v", err)} // fmt catches what Error panics with
	class = frame.ClassFatal
	defer func() { _ = recover() }() // its Is, As and Unwrap
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, ended) {
			t.ended = ended
		}
	}
	class = classOf(err)
	return t, class
}

// stackLines is how much of a panic's stack an error shows: six frames.
const stackLines = 12

// firstFrames returns the lines of a stack that follow its call of panic.
func firstFrames(stack string) string {
	if _, after, ok := strings.Cut(stack, "\npanic("); ok {
		stack = after
		for range 2 { // the rest of the line, and the place of panic itself
			_, stack, _ = strings.Cut(stack, "\n")
		}
	}
	lines := strings.SplitAfterN(stack, "\n", stackLines+1)
	return strings.TrimSpace(strings.Join(lines[:min(len(lines), stackLines)], ""))
}

// netError is net.Error, without the package.
type netError interface {
	error
	Timeout() bool
	Temporary() bool
}

// classOf tells an error that may pass when retried from others. Plugins carry
// eKuiper's own marks in packages that the host cannot name, so it goes by what
// the standard library returns: errors of the network and of the system.
func classOf(err error) string {
	if _, ok := errors.AsType[netError](err); ok {
		return frame.ClassIO
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return frame.ClassIO
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) {
		return frame.ClassIO
	}
	return frame.ClassFatal
}
