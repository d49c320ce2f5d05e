package sp

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A connection that Go's poller knows wakes a thread of its own whenever something comes, although the call that waits
// for it has a thread already. Where calls follow each other and are alone, their connection therefore leaves the
// poller: a call sleeps in poll(2), on its own thread, and is woken by its answer and nothing else. That thread holds a
// processor of Go's for as long, so that it is not for long, not for many, and not where there is but one.

const (
	// napFor is how long a call reads before the watcher does.
	napFor = time.Millisecond
	// soloFor is how many calls in a row were alone before their connection leaves the poller.
	soloFor = 4
)

// errLong: the answer takes longer than a call may sleep on its thread.
var errLong = errors.New("the answer takes long")

// stream is what Go's poller knows of a connection.
type stream interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// double gives a connection a second descriptor that the poller never knows. Nobody may read or write meanwhile.
func (k *conn) double() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shut {
		return net.ErrClosed
	}
	fd, err := duplicate(k.raw)
	if err != nil {
		return err
	}
	// The poller takes what does not block when a file is made of it.
	if err = syscall.SetNonblock(fd, false); err != nil {
		return errors.Join(err, syscall.Close(fd))
	}
	k.plain = os.NewFile(uintptr(fd), "sp")
	if err = syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	k.raw, err = k.plain.SyscallConn()
	return err
}

func duplicate(raw syscall.RawConn) (fd int, err error) {
	failed := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(failed, err)
}

// leave takes the connection from the poller. Nobody may be reading or writing it. The descriptor to come back with is
// made now, as there may be none left then.
func (k *conn) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shut || k.uc == nil {
		return
	}
	spare, err := duplicate(k.raw)
	if err != nil {
		return // it stays
	}
	_ = k.uc.Close()
	k.uc, k.spare = nil, spare
}

// polled returns the connection as the poller knows it, after bringing it back there.
func (k *conn) polled() (stream, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shut {
		return nil, net.ErrClosed
	}
	if k.uc == nil {
		k.uc = os.NewFile(uintptr(k.spare), "sp")
	}
	return k.uc, nil
}

// deadline sets when a read by the poller's help ends; false where there is none.
func (k *conn) deadline(at time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.uc != nil && k.uc.SetReadDeadline(at) == nil
}

// away says whether the poller does not know the connection.
func (k *conn) away() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.uc == nil
}

// close ends the connection, for whoever reads or writes it too. It may be called again.
func (k *conn) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.shut {
		return
	}
	k.shut = true
	if k.plain != nil {
		_ = k.raw.Control(func(fd uintptr) { _ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
		_ = k.plain.Close()
	}
	if k.uc != nil {
		_ = k.uc.Close()
	} else {
		_ = syscall.Close(k.spare)
	}
}

// Read implements io.Reader, for frames.
func (k *conn) Read(p []byte) (int, error) {
	if k.asking {
		if n, err := k.hurry(p); n > 0 || err != nil {
			return n, err
		}
	}
	uc, err := k.polled()
	if err != nil {
		return 0, err
	}
	return uc.Read(p)
}

// hurry reads for a call without the poller's help. It returns 0 where the poller must be asked: it knows the
// connection, or something is wrong.
func (k *conn) hurry(p []byte) (n int, err error) {
	o, away := &k.lookout, k.away()
	o.into, o.n, o.late = p, 0, !time.Now().Before(o.until)
	if !o.late && o.worth() {
		err = k.raw.Read(o.looks)
	}
	if !o.late && away && o.n == 0 && o.alone() && err == nil {
		err = k.raw.Read(o.naps)
	}
	o.into = nil
	if o.late && away && err == nil {
		err = errLong
	}
	return o.n, err
}
