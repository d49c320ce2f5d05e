package native

import (
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
	e := g.fault(symbol, host.FaultReturned, err)
	e.Class = classOf(err)
	return e
}

// trap makes the error of a call from what it panicked with. It is called in
// the deferred function that recovered it.
func (g *guest) trap(symbol string, p any) *host.GuestError {
	err, ok := p.(error)
	if !ok {
		err = fmt.Errorf("%v", p)
	}
	e := g.fault(symbol, host.FaultTrap, fmt.Errorf("panic: %w", err))
	e.Output = firstFrames(string(debug.Stack()))
	return e
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
