package api

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
)

// gate knows every connection of every listener: it bounds their number and
// ends them when the server closes, which fasthttp does for idle ones only.
type gate struct {
	max int
	// turnedAway is written to a plain connection beyond max.
	turnedAway []byte

	closing atomic.Pointer[time.Time] // when reading ends, once close was called

	mu        sync.Mutex // guards what follows
	closed    bool
	listeners []*listener
	conns     map[*conn]struct{}
	empty     chan struct{} // closed when closed and the last connection ended
}

func newGate(limit int) *gate {
	return &gate{
		max: limit, conns: map[*conn]struct{}{}, empty: make(chan struct{}),
		turnedAway: fullAnswer(limit),
	}
}

// listen takes over a listener. After close it is closed at once.
func (g *gate) listen(ln net.Listener, plain bool) (*listener, error) {
	l := &listener{Listener: ln, gate: g, plain: plain}
	if a, ok := ln.Addr().(*net.TCPAddr); ok {
		l.local = a.IP.IsLoopback()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		ln.Close()
		return nil, host.Errorf(host.ErrClosed, "api: the server is closed")
	}
	g.listeners = append(g.listeners, l)
	return l, nil
}

// patience is how long requests that have not come whole are waited for when
// the server closes: a client that stalls must not use up the time that calls
// in flight have to end.
const patience = time.Second

// close closes the listeners, and the connections that never sent a byte; the
// others may send for a moment more.
func (g *gate) close() {
	end := time.Now().Add(patience)
	g.closing.Store(&end)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, l := range g.listeners {
		_ = l.Close()
	}
	for c := range g.conns {
		if !c.heard.Load() {
			_ = c.Conn.Close()
		} else {
			_ = c.Conn.SetReadDeadline(end)
		}
	}
	g.settle()
}

// force cuts every connection and waits until ctx ends for their goroutines.
func (g *gate) force(ctx context.Context) {
	g.mu.Lock()
	for c := range g.conns {
		_ = c.Conn.Close()
	}
	g.mu.Unlock()
	select {
	case <-g.empty:
	case <-ctx.Done():
	}
}

// settle requires g.mu.
func (g *gate) settle() {
	if !g.closed || len(g.conns) > 0 {
		return
	}
	select {
	case <-g.empty:
	default:
		close(g.empty)
	}
}

// admit counts a connection; false when there are too many or the gate closed.
func (g *gate) admit(nc net.Conn, local bool) (c *conn, full bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || len(g.conns) >= g.max {
		return nil, !g.closed
	}
	c = &conn{Conn: nc, gate: g, local: local}
	g.conns[c] = struct{}{}
	return c, false
}

func (g *gate) leave(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
	g.settle()
}

// listener hands admitted connections to fasthttp.
type listener struct {
	net.Listener
	gate  *gate
	plain bool // not TLS: a connection too many can be told so
	local bool // TCP that only this machine reaches
	once  sync.Once
	err   error
}

// Close may be called twice: by the gate and by fasthttp.
func (l *listener) Close() error {
	l.once.Do(func() { l.err = l.Listener.Close() })
	return l.err
}

// Accept goes on after errors that pass, such as a shortage of descriptors:
// fasthttp would stop serving for good.
func (l *listener) Accept() (net.Conn, error) {
	const longest = time.Second
	pause := 5 * time.Millisecond
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			//nolint:staticcheck // Temporary is deprecated for its vagueness, and is what net/http uses here.
			if t, ok := errors.AsType[net.Error](err); ok && t.Temporary() {
				time.Sleep(pause)
				pause = min(2*pause, longest)
				continue
			}
			return nil, err
		}
		c, full := l.gate.admit(nc, l.local)
		if c != nil {
			return c, nil
		}
		if full && l.plain {
			_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = nc.Write(l.gate.turnedAway)
		}
		_ = nc.Close()
	}
}
