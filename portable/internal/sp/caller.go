package sp

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

const (
	maxSpare   = 64
	maxResends = 16 // plugins that give up an id at the very moment it is answered do so once in a blue moon
)

// CallerEvents tell what happens to connections. They are called without locks held and must neither block nor close
// the Caller; nil ones are not called.
type CallerEvents struct {
	// Up: a connection has sent its first message, so that calls can be made.
	Up func(Peer)
	// Down: a connection that was up has gone. Not called for what Close ends.
	Down func(Peer, error)
}

// Caller is the host's end of a REP socket used inside out. It is safe for concurrent use: as many calls are in flight
// as there are connections.
type Caller struct {
	endpoint
	events CallerEvents

	// Guarded by endpoint.mu.
	idle    []*conn // that have a token and no call; the last was used last
	waiting queue
	spare   []*call
}

// call is one Call on its way: first in the queue, then of a connection.
type call struct {
	conn       *conn // guarded by the Caller's lock
	prev, next *call
	queued     bool
	dst        []byte     // of the reader from the moment it takes conn.call away until it says answered
	events     chan event // never full: at most a turn or a resend, and the end, are unread
	err        error      // of gone
}

type event uint8

const (
	turn     event = iota // the call has a connection
	resend                // the connection's token has changed and the call must be sent to the new one
	answered              // dst has the answer
	gone                  // err says why there will be none
)

// Caller listens at the claimed path.
func (h *Hub) Caller(c Claim, events CallerEvents) (*Caller, error) {
	r := &Caller{endpoint: newEndpoint(h, c, protoRep, protoReq), events: events}
	r.serve, r.ended, r.shut = r.watch, r.lost, r.refuse
	if err := h.join(&r.endpoint); err != nil {
		return nil, err
	}
	return r, nil
}

// Close stops listening, ends the connections and every Call, and waits for the goroutines that read them. It may be
// called again.
func (c *Caller) Close() error { return c.close() }

// Call sends request on a connection that has a token, waiting for one in turn, and appends the answer to dst. It is
// written and awaited while ctx lives; that ctx was cancelled may be noticed 10 ms late, a deadline is kept. The errors: ErrBusy, ErrClosed; ErrNotSent, with the cause, if the other end has
// not got the request; ErrPeerGone, ErrRestless or the cause of ctx's end if it may have run.
//
// After ctx has ended the connection gets no other call until its plugin has spoken again; the late answer is dropped.
func (c *Caller) Call(ctx context.Context, request, dst []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return dst, fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
	}
	l, k, err := c.enter(dst)
	if err != nil {
		return dst, err
	}
	if k == nil {
		k, err = c.await(ctx, l)
	}
	if err == nil {
		err = c.exchange(ctx, l, k, request)
	}
	dst = l.dst
	c.mu.Lock()
	*l = call{events: l.events}
	if len(c.spare) < maxSpare {
		c.spare = append(c.spare, l)
	}
	c.mu.Unlock()
	return dst, err
}

// enter gives the call a connection, or a place in the queue for one.
func (c *Caller) enter(dst []byte) (*call, *conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.idle)
	switch {
	case c.closed:
		return nil, nil, fmt.Errorf("%w: %w", ErrNotSent, ErrClosed)
	case n == 0 && c.waiting.len >= c.hub.opts.MaxQueue:
		return nil, nil, fmt.Errorf("%w: %w", ErrNotSent, ErrBusy)
	}
	var l *call
	if s := len(c.spare); s > 0 {
		l, c.spare = c.spare[s-1], c.spare[:s-1]
	} else {
		l = &call{events: make(chan event, 2)}
	}
	l.dst = dst
	if n == 0 {
		c.waiting.push(l)
		return l, nil, nil
	}
	k := c.idle[n-1]
	c.idle = c.idle[:n-1]
	k.call, l.conn = l, k
	return l, k, nil
}

// await waits in the queue. After an error nobody else knows the call, and its channel is empty.
func (c *Caller) await(ctx context.Context, l *call) (*conn, error) {
	select {
	case e := <-l.events:
		if e == turn {
			return l.conn, nil
		}
		return nil, fmt.Errorf("%w: %w", ErrNotSent, l.err)
	case <-ctx.Done():
	}
	c.mu.Lock()
	k := l.conn
	switch {
	case l.queued:
		c.waiting.remove(l)
		c.mu.Unlock()
	case k != nil && k.call == l: // the turn came just now: it is the next one's
		k.call = nil
		c.free(k)
		c.mu.Unlock()
		<-l.events
	default:
		c.mu.Unlock()
		l.end()
	}
	return nil, fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
}

// exchange sends the call and waits for its answer. When it returns nobody else knows the call, and its channel is empty.
func (c *Caller) exchange(ctx context.Context, l *call, k *conn, request []byte) error {
	patient := patient(ctx)
	c.hub.asked.Add(1)
	defer c.hub.asked.Add(-1)
	for resends := 0; ; resends++ {
		id, mine, self := c.address(l, k, patient)
		if !mine {
			l.end()
			return fmt.Errorf("%w: %w", ErrNotSent, l.err)
		}
		if clean, err := k.send(ctx, id, request); err != nil {
			if self {
				c.handOver(k)
			}
			if _, last := c.detach(l, k, clean); !clean || last == answered { // or answered unasked
				k.close()
			}
			return fmt.Errorf("%w: %w", ErrNotSent, err)
		}
		var e event
		if self {
			e, self = c.readAnswer(l, k)
		}
		if !self {
			select {
			case e = <-l.events:
			case <-ctx.Done():
				return c.leave(l, k, context.Cause(ctx))
			}
		}
		switch {
		case e == answered:
			c.rest(k)
			return nil
		case e == gone:
			return fmt.Errorf("%w: %w", ErrPeerGone, l.err)
		case resends == maxResends:
			if self {
				c.handOver(k)
			}
			return c.leave(l, k, ErrRestless)
		}
	}
}

// address uses up the token: what is sent next is its answer. mine is false if the connection has ended; self says that
// the calling goroutine must read the answer.
func (c *Caller) address(l *call, k *conn, patient bool) (id uint32, mine, self bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.call != l {
		return 0, false, false
	}
	k.exchange.state = out
	switch {
	case k.reads == nobody && patient:
		k.reads = caller
		k.turns++
		k.solo++
		if !k.lookout.several || !k.lookout.alone() {
			k.solo = 0
		}
		if k.solo >= soloFor {
			k.solo = 0
			k.leave()
		}
	case k.reads == nobody:
		k.reads = watcher
		k.handed <- struct{}{}
	}
	return k.exchange.token, true, k.reads == caller
}

// leave gives up a call that was sent, unless its end has come in this moment.
func (c *Caller) leave(l *call, k *conn, why error) error {
	switch was, last := c.detach(l, k, false); {
	case last == answered:
		c.rest(k)
		return nil
	case last == gone:
		return fmt.Errorf("%w: %w", ErrPeerGone, l.err)
	case was == again && !errors.Is(why, ErrRestless):
		return fmt.Errorf("%w: %w", ErrNotSent, why)
	default:
		return why
	}
}

// detach parts a call from its connection. The connection can be used at once if its token is still to be answered,
// because nothing was sent or what was sent was given up. Otherwise it is owing: the reader frees it when the plugin
// speaks. If the reader is ending the call right now, detach waits for that and returns how it ended.
func (c *Caller) detach(l *call, k *conn, unsent bool) (was stage, last event) {
	c.mu.Lock()
	mine := k.call == l
	if mine {
		k.call = nil
		was = k.exchange.state
		if unsent || was == again {
			k.exchange.state = ready
			c.free(k)
		}
	}
	c.mu.Unlock()
	if !mine {
		return was, l.end()
	}
	select {
	case <-l.events: // a resend that came too late
	default:
	}
	return was, turn
}

// end waits for the last event of a call.
func (l *call) end() event {
	for {
		if e := <-l.events; e == answered || e == gone {
			return e
		}
	}
}

// rest is the end of an answered call. It is for the call's goroutine to say, which until then may not have returned
// from writing.
func (c *Caller) rest(k *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.reads == caller {
		k.calm()
		k.reads = nobody
	}
	c.free(k)
}

// free gives a connection with a token to whoever waits longest. The lock is held.
func (c *Caller) free(k *conn) {
	if k.dead {
		return
	}
	l := c.waiting.pop()
	if l == nil {
		c.idle = append(c.idle, k)
		return
	}
	k.call, l.conn = l, k
	l.events <- turn
}

// lost is the end of a connection.
func (c *Caller) lost(k *conn, err error) {
	c.mu.Lock()
	l := k.call
	k.call, k.dead = nil, true
	if i := slices.Index(c.idle, k); i >= 0 {
		c.idle = slices.Delete(c.idle, i, i+1)
	}
	c.mu.Unlock()
	if l != nil {
		l.err = err
		l.events <- gone
	}
	if k.up && !errors.Is(err, ErrClosed) && c.events.Down != nil {
		c.events.Down(k.peer, err)
	}
}

// refuse ends the calls that wait, at close. The lock is held.
func (c *Caller) refuse() {
	for l := c.waiting.pop(); l != nil; l = c.waiting.pop() {
		l.err = ErrClosed
		l.events <- gone
	}
}
