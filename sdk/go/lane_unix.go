//go:build unix

package vanth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"

	"github.com/vanth-io/vanth/sdk/go/internal/ring"
)

// serveLane speaks the fast lane on the descriptors that the host has given.
func serveLane(ctx context.Context, p *plugin, lane, shared string) error {
	fd, err := descriptor("VANTH_LANE", lane)
	if err != nil {
		return err
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		return fmt.Errorf("VANTH_LANE: %w", err)
	}
	if shared == "" {
		return runLane(ctx, p, socket(fd), nil)
	}
	m, err := descriptor("VANTH_RING", shared)
	if err != nil {
		return err
	}
	r, err := ring.Map(m, false)
	_ = syscall.Close(m)
	if err != nil { // the socket does as well
		p.log.line(LevelWarn, "", err.Error())
		return runLane(ctx, p, socket(fd), nil)
	}
	// It is not unmapped: user code that hangs may still look at it, and the process ends now.
	return runLane(ctx, p, socket(fd), r)
}

// descriptor takes what the environment names, for this process alone.
func descriptor(name, text string) (int, error) {
	_ = os.Unsetenv(name)
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 0 {
		return 0, fmt.Errorf("%s: %q is no descriptor", name, text)
	}
	syscall.CloseOnExec(fd)
	return fd, nil
}

// socket is a stream socket in blocking mode: a read sleeps in the system, which wakes sooner than
// the scheduler's poller does.
type socket int

func (s socket) Read(p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(s), p)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (s socket) Write(p []byte) (written int, err error) {
	for written < len(p) {
		n, err := syscall.Write(int(s), p[written:])
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return written, err
		}
		written += max(n, 0)
	}
	return written, nil
}

// isGone reports that the other side has closed.
func isGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
