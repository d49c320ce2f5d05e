//go:build unix

package child

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// The bounds of copying.
const (
	copyChunk  = 32 << 10
	copyWindow = 50 * time.Millisecond
	copyBytes  = 4 << 20 // in a window; more waits for the next one, and the child with it
	copyLast   = 1 << 20 // of a process that has ended: as much as a pipe holds
)

// copier hands on what a child prints, until its end of the pipe is closed or
// finish is called.
type copier struct {
	r      *os.File
	w      io.Writer
	ending chan struct{}
	done   chan struct{}
}

func newCopier(r *os.File, w io.Writer) *copier {
	c := &copier{r: r, w: w, ending: make(chan struct{}), done: make(chan struct{})}
	go c.copy() // finish waits for it
	return c
}

// copy reads no faster than copyBytes in a copyWindow: a flood costs the host a
// small part of a processor.
func (c *copier) copy() {
	defer close(c.done)
	defer c.r.Close()
	buf := make([]byte, copyChunk)
	window, n := time.Now(), 0
	for {
		got, err := c.r.Read(buf)
		_, _ = c.w.Write(buf[:got])
		if err != nil {
			break
		}
		if n += got; n < copyBytes {
			continue
		}
		if rest := copyWindow - time.Since(window); rest > 0 {
			select {
			case <-time.After(rest):
			case <-c.ending:
			}
		}
		window, n = time.Now(), 0
	}
	select {
	case <-c.ending:
		c.drain(buf)
	default: // the pipe has ended
	}
	// What a process did not finish does not run into what the next one says.
	if l, ok := c.w.(interface{ EndLine() }); ok {
		l.EndLine()
	}
}

// drain takes what is in the pipe and does not wait for more: somebody may still
// hold the other end.
func (c *copier) drain(buf []byte) {
	conn, err := c.r.SyscallConn()
	if err != nil || c.r.SetReadDeadline(time.Time{}) != nil {
		return
	}
	for left := copyLast; left > 0; {
		n, readErr := 0, error(nil)
		err = conn.Read(func(fd uintptr) bool {
			n, readErr = syscall.Read(int(fd), buf)
			return true
		})
		interrupted := errors.Is(readErr, syscall.EINTR)
		if err != nil || !interrupted && (readErr != nil || n == 0) {
			return
		}
		_, _ = c.w.Write(buf[:max(n, 0)])
		left -= max(n, 0)
	}
}

// finish returns when all that was printed before it was called has been handed
// on.
func (c *copier) finish() {
	close(c.ending)
	_ = c.r.SetReadDeadline(time.Unix(1, 0)) // wakes the reader; fails if it has ended
	<-c.done
}
