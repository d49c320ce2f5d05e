package sp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	firstRedial = 100 * time.Millisecond
	lastRedial  = 5 * time.Second
	goodLife    = time.Second // a connection that lasted so long makes the next redial prompt again
)

var errStranger = errors.New("another process listens")

// Pusher is a PUSH socket that dials: the plugin listens. It is safe for concurrent use; messages go out one by one.
type Pusher struct {
	path string
	opts Options

	turn    chan struct{} // holds one while a Send is under way
	kick    chan struct{} // a Send cannot wait for the next redial
	stop    context.CancelFunc
	closing <-chan struct{} // stop was called
	done    chan struct{}   // the goroutine has ended

	mu   sync.Mutex // guards what follows
	conn *conn      // nil while there is none
	up   chan struct{}
}

// DialPusher connects to the plugin that listens at path, or will before ctx ends. Then the connection is kept up until
// Close, whatever becomes of the plugin.
func DialPusher(ctx context.Context, path string, o Options) (*Pusher, error) {
	p := &Pusher{
		path: path, opts: o.withDefaults(),
		turn: make(chan struct{}, 1), kick: make(chan struct{}, 1), done: make(chan struct{}), up: make(chan struct{}),
	}
	var last error
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, firstRedial) {
		k, err := p.dial(ctx)
		if err == nil {
			life, stop := context.WithCancel(context.WithoutCancel(ctx))
			p.stop, p.closing = stop, life.Done()
			p.set(k)
			go p.run(life, k)
			return p, nil
		}
		ending := ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) // the dialer may notice first
		if !absent(err) && (!ending || last == nil) {
			return nil, fmt.Errorf("socket %s: %w", path, err)
		}
		if absent(err) {
			last = err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("socket %s: %w: %w", path, context.Cause(ctx), last)
		case <-time.After(pause):
		}
	}
}

// absent says that an error of dial may pass: the plugin does not listen yet, or not any more.
func absent(err error) bool {
	for _, e := range []error{
		fs.ErrNotExist, syscall.ECONNREFUSED, syscall.EAGAIN, syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF, errStranger,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (p *Pusher) dial(ctx context.Context) (*conn, error) {
	uc, err := connect(ctx, p.path)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = uc.Close() })
	k, err := newConn(uc, &p.opts)
	if err == nil && !owned(p.opts.Owns, k.peer) {
		err = fmt.Errorf("%w: pid %d, uid %d", errStranger, k.peer.PID, k.peer.UID)
	}
	if err == nil {
		err = k.hello(protoPush, protoPull, p.opts.HelloTimeout)
	}
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = uc.Close()
		return nil, err
	}
	return k, nil
}

// run watches the connection and makes a new one when it ends.
func (p *Pusher) run(ctx context.Context, k *conn) {
	defer close(p.done)
	pause, since := firstRedial, time.Now()
	for {
		if err := watch(k); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
			p.opts.Log.Warn("sp: connection dropped", "socket", p.path, "pid", k.peer.PID, "error", err)
		}
		_ = k.uc.Close()
		p.lose(k)
		if time.Since(since) > goodLife {
			pause = firstRedial
		}
		for k = nil; k == nil; pause = min(2*pause, lastRedial) {
			select {
			case <-ctx.Done():
				return
			case <-p.kick:
			case <-time.After(pause):
			}
			var err error
			if k, err = p.dial(ctx); err != nil {
				p.opts.Log.Debug("sp: dial", "socket", p.path, "error", err)
			}
		}
		since = time.Now()
		if !p.set(k) {
			_ = k.uc.Close()
			return
		}
	}
}

// watch returns when the connection ends. A PULL peer has nothing to say after hello.
func watch(k *conn) error {
	var b [1]byte
	if _, err := k.uc.Read(b[:]); err != nil {
		return err
	}
	return fmt.Errorf("%w: a message from a PULL socket", ErrFrame)
}

func (p *Pusher) set(k *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.closing:
		return false
	default:
		p.conn = k
		close(p.up)
		return true
	}
}

// lose forgets a connection, if it is still the one in use.
func (p *Pusher) lose(k *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == k {
		p.conn, p.up = nil, make(chan struct{})
	}
}

// Send hands one message to the kernel, on the calling goroutine. While there is no connection, or the plugin does not
// read, it waits as long as ctx lives, and for the latter no longer than the write timeout. An error wraps ErrNotSent
// and the cause: the plugin has not got the message.
func (p *Pusher) Send(ctx context.Context, payload []byte) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
	case <-p.closing:
		return fmt.Errorf("%w: %w", ErrNotSent, ErrClosed)
	}
	defer func() { <-p.turn }()
	for kicked := false; ; {
		p.mu.Lock()
		k, up := p.conn, p.up
		p.mu.Unlock()
		if k != nil {
			clean, err := k.send(ctx, 0, payload)
			if err == nil {
				return nil
			}
			if !clean {
				_ = k.uc.Close()
				p.lose(k)
			}
			if clean || ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("%w: %w", ErrNotSent, err)
			}
			continue
		}
		if !kicked { // once: a plugin that lets go of every connection is not dialled in a tight loop
			kicked = true
			select {
			case p.kick <- struct{}{}:
			default:
			}
		}
		select {
		case <-up:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
		case <-p.closing:
			return fmt.Errorf("%w: %w", ErrNotSent, ErrClosed)
		}
	}
}

// Peer is the process at the other end now; false while there is none.
func (p *Pusher) Peer() (Peer, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		return Peer{}, false
	}
	return p.conn.peer, true
}

// Close drops the connection and waits for the goroutine that keeps it up. It may be called again.
func (p *Pusher) Close() error {
	p.stop()
	p.mu.Lock()
	if p.conn != nil {
		_ = p.conn.uc.Close()
	}
	p.mu.Unlock()
	<-p.done
	return nil
}
