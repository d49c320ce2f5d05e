package sp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Handshake is what a plugin says when it has nothing to answer.
const Handshake = "handshake"

// dialer keeps a connection to a path and makes a new one when it breaks.
type dialer struct {
	path     string
	own      Proto
	patience time.Duration // how long to look for somebody who listens; 0: until the context ends
	gone     func() bool   // nobody will listen any more
	conn     *Conn
}

// Connect makes the connection if there is none.
func (d *dialer) Connect(ctx context.Context) error {
	if d.conn != nil {
		return nil
	}
	start := time.Now()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		c, err := Dial(ctx, d.path, d.own)
		if err == nil {
			d.conn = c
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if d.patience > 0 && time.Since(start) > d.patience || d.gone != nil && d.gone() {
			return fmt.Errorf("nobody listens at %s: %w", d.path, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// Close closes the connection.
func (d *dialer) Close() {
	if d.conn != nil {
		_ = d.conn.Close()
		d.conn = nil
	}
}

// Requester is the REQ end. It never repeats a request: what was under way when the connection broke
// is lost, and the host that comes back hears a handshake. It is one goroutine's.
type Requester struct {
	dialer
	id uint32
}

// NewRequester makes one for the socket at path. It gives up when gone says so, or when nobody has
// listened for that long.
func NewRequester(path string, patience time.Duration, gone func() bool) *Requester {
	return &Requester{dialer: dialer{path: path, own: Req, patience: patience, gone: gone}, id: uint32(time.Now().UnixNano())}
}

// Ask sends a request and waits for its reply, which the caller owns.
func (r *Requester) Ask(ctx context.Context, request []byte) ([]byte, error) {
	for ; ; request = []byte(Handshake) {
		if err := r.Connect(ctx); err != nil {
			return nil, err
		}
		conn := r.conn
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
		reply, err := r.once(request)
		stop()
		if err == nil {
			return reply, nil
		}
		r.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if r.gone != nil && r.gone() {
			return nil, err
		}
		pause(ctx)
	}
}

func (r *Requester) once(request []byte) ([]byte, error) {
	r.id++
	id := binary.BigEndian.AppendUint32(nil, r.id|1<<31)
	if err := r.conn.Send(id, request); err != nil {
		return nil, err
	}
	for {
		m, err := r.conn.Receive()
		if err != nil {
			return nil, err
		}
		if len(m) < len(id) {
			return nil, errFrame
		}
		if bytes.Equal(m[:len(id)], id) {
			return m[len(id):], nil
		}
	}
}

// Pusher is the PUSH end. It is one goroutine's.
type Pusher struct{ dialer }

// NewPusher makes one for the socket at path.
func NewPusher(path string) *Pusher { return &Pusher{dialer{path: path, own: Push}} }

// Push sends a message, to whoever comes to listen if nobody does. It waits while the other end does
// not read.
func (p *Pusher) Push(ctx context.Context, message []byte) error {
	for {
		if err := p.Connect(ctx); err != nil {
			return err
		}
		conn := p.conn
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
		err := conn.Send(message)
		stop()
		if err == nil {
			return nil
		}
		p.Close()
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		pause(ctx)
	}
}

// pause keeps a host that takes connections and closes them from being dialled without end.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
}
