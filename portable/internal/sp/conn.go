package sp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// The protocol numbers of the ends of a connection.
const (
	protoReq  = 0x30
	protoRep  = 0x31
	protoPush = 0x50
	protoPull = 0x51
)

// copyMax is the longest payload that is copied behind its header, to go out in one piece.
const copyMax = 64 << 10

// conn is one connection: read by one goroutine, written by at most one at a time.
type conn struct {
	uc     stream // nil while a Caller's is away from the poller, see there
	peer   Peer
	frames frames

	raw      syscall.RawConn
	patience time.Duration
	head     []byte // header and, if it is short, payload
	parts    net.Buffers
	partsMem [2][]byte
	try      func(fd uintptr) bool // bound once, so that a write allocates nothing
	tried    int
	tryErr   error

	// Of a Caller, under its lock.
	exchange exchange
	call     *call
	up, dead bool
	reads    reader
	turns    uint64 // how often a call began to read
	solo     int    // how many calls in a row nothing kept in the poller, since it last left
	poked    bool   // the watcher wants that call to stop
	handed   chan struct{}

	// Of a Caller, of whoever reads.
	asking  bool // a call does
	lookout lookout

	plain *os.File   // of a Caller: its second descriptor, which raw is of
	mu    sync.Mutex // guards uc, and what follows
	spare int        // a third for uc, if that is nil
	shut  bool
}

func newConn(uc *net.UnixConn, o *Options) (*conn, error) {
	raw, err := uc.SyscallConn()
	if err != nil {
		return nil, err
	}
	k := &conn{uc: uc, raw: raw, patience: o.WriteTimeout, frames: frames{max: o.MaxFrame}}
	k.frames.src = k
	if k.peer, err = peerOf(raw); err != nil {
		return nil, fmt.Errorf("who connected: %w", err)
	}
	k.try = func(fd uintptr) bool {
		for {
			k.tried, k.tryErr = syscall.Write(int(fd), k.head)
			if !errors.Is(k.tryErr, syscall.EINTR) {
				return true
			}
		}
	}
	return k, nil
}

// hello says what we are, and checks that the other end is the partner.
func (k *conn) hello(mine, theirs byte, within time.Duration) error {
	if err := k.uc.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := k.uc.Write([]byte{0, 'S', 'P', 0, 0, mine, 0, 0}); err != nil {
		return err
	}
	var got [8]byte
	if _, err := io.ReadFull(k.uc, got[:]); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if want := [8]byte{0, 'S', 'P', 0, 0, theirs, 0, 0}; got != want {
		return fmt.Errorf("%w: hello %x, want %x", ErrFrame, got, want)
	}
	return k.uc.SetDeadline(time.Time{})
}

// send writes one message on the calling goroutine: header, the id if there is one, and payload. When it fails the
// other end has not got the message; clean says that it has got nothing of it, so that the connection is still good.
func (k *conn) send(ctx context.Context, id uint32, payload []byte) (clean bool, err error) {
	size := len(payload)
	k.head = append(k.head[:0], 1)
	if id != 0 {
		k.head = binary.BigEndian.AppendUint64(k.head, uint64(size+4))
		k.head = binary.BigEndian.AppendUint32(k.head, id)
	} else {
		k.head = binary.BigEndian.AppendUint64(k.head, uint64(size))
	}
	var rest []byte
	if size <= copyMax {
		k.head = append(k.head, payload...)
	} else {
		rest = payload
	}
	if err := k.raw.Write(k.try); err != nil {
		return false, err
	}
	k.tried = max(k.tried, 0)
	if k.tryErr != nil && !errors.Is(k.tryErr, syscall.EAGAIN) {
		return false, k.tryErr
	}
	if k.tried == len(k.head) && rest == nil {
		return true, nil
	}
	n, err := k.finish(ctx, k.head[k.tried:], rest)
	return n+int64(k.tried) == 0, err
}

// finish writes what did not go out at once: it waits for the other end to read, at most its patience and while ctx
// lives.
func (k *conn) finish(ctx context.Context, head, rest []byte) (int64, error) {
	uc, err := k.polled()
	if err != nil {
		return 0, err
	}
	if err := uc.SetWriteDeadline(time.Now().Add(k.patience)); err != nil {
		return 0, err
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = uc.SetWriteDeadline(time.Unix(1, 0))
		close(stopped)
	})
	k.partsMem = [2][]byte{head, rest}
	k.parts = k.partsMem[:]
	n, err := k.parts.WriteTo(uc)
	k.partsMem = [2][]byte{}
	if !stop() {
		<-stopped
		if err != nil {
			err = context.Cause(ctx)
		}
	}
	_ = uc.SetWriteDeadline(time.Time{}) // fails on a closed connection only, whose reader says so
	return n, err
}
