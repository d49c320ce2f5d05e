package sp

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

const (
	idLen  = 4
	patrol = 5 * time.Millisecond
)

// reader is who reads a connection of a Caller. An answer that one goroutine reads and hands to another costs half as
// much again as one that the calling goroutine reads itself, so that there are two ways:
//
//	watcher --answer read--> nobody --next call--> caller --its answer read--> nobody
//	   ^                       |                     |
//	   +--no call for a while--+                     |
//	   +--the answer takes long, or anything else ---+
//
// The connection's own goroutine is the watcher. It reads while the connection is idle, so that nothing stays in the
// kernel, and it reads for slow calls, which then wait for ctx too. While calls follow each other it only looks twice
// in 10 ms whether they still do.
//
// How a call waits for its answer is in lookout.go and poller.go.
type reader uint8

const (
	watcher reader = iota
	caller         // the goroutine that Call was called on
	nobody         // between two calls
)

// watch is the life of a connection.
func (c *Caller) watch(k *conn) error {
	k.frames.max += idLen
	k.handed = make(chan struct{}, 1)
	k.lookout.attend(&c.hub.asked)
	if err := k.double(); err != nil {
		return err
	}
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		id, body, err := k.request()
		if err != nil {
			return err
		}
		n, l, first := c.take(k, id, body, watcher)
		if first && c.events.Up != nil {
			c.events.Up(k.peer)
		}
		if n == answer {
			l.dst = append(l.dst, body...)
			c.mu.Lock()
			k.reads = nobody
			c.mu.Unlock()
			l.events <- answered
			c.standBy(k, tick)
		}
	}
}

// request reads the next message of a REQ socket.
func (k *conn) request() (id uint32, body []byte, err error) {
	payload, err := k.frames.next()
	if err != nil {
		return 0, nil, err
	}
	if len(payload) < idLen || payload[0]&0x80 == 0 {
		return 0, nil, fmt.Errorf("%w: no request id", ErrFrame)
	}
	return binary.BigEndian.Uint32(payload), payload[idLen:], nil
}

// take looks at a request and does what it means, but for the answer, which is the caller's to copy. first says that the
// connection is up now.
func (c *Caller) take(k *conn, id uint32, body []byte, by reader) (n news, l *call, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, first = k.call, !k.up
	k.up = true
	n = k.exchange.take(id, string(body) == "handshake", l != nil)
	switch {
	case n == free:
		c.free(k)
	case n == answer:
		k.call = nil
	case n == retry && by == watcher:
		l.events <- resend
	}
	return n, l, first
}

// readAnswer reads on behalf of a call, on its goroutine. If that cannot go on the watcher takes over, and self is false.
func (c *Caller) readAnswer(l *call, k *conn) (e event, self bool) {
	k.lookout.begin()
	for {
		k.asking = true
		id, body, err := k.request()
		k.asking = false
		if err != nil { // the watcher meets it again, unless it was its own sign
			c.handOver(k)
			return 0, false
		}
		switch n, _, _ := c.take(k, id, body, caller); n {
		case answer:
			k.lookout.answered()
			l.dst = append(l.dst, body...)
			return answered, true
		case retry:
			return resend, true
		}
	}
}

// handOver lets the watcher read instead of the call.
func (c *Caller) handOver(k *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k.calm()
	k.reads, k.solo = watcher, 0
	k.handed <- struct{}{}
}

// standBy leaves reading to the calls until they stop coming or one takes long.
func (c *Caller) standBy(k *conn, tick *time.Ticker) {
	tick.Reset(patrol)
	defer tick.Stop()
	for seen, over := uint64(0), c.over; ; {
		select {
		case <-k.handed:
			return
		case <-over: // a call that reads meets the end too, and hands over
			over = nil
		case <-tick.C:
		}
		if c.look(k, &seen, over == nil) {
			return
		}
	}
}

// look is what the watcher does every now and then; true if it must read again.
func (c *Caller) look(k *conn, seen *uint64, over bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case k.turns != *seen && !over:
		*seen = k.turns
	case k.reads == nobody:
		k.reads, k.solo = watcher, 0
		return true
	case k.reads == caller && !k.poked:
		k.poked = k.deadline(time.Unix(1, 0)) // the call's read returns at once
	}
	return false
}

// calm takes the watcher's sign back.
func (k *conn) calm() {
	if k.poked {
		k.poked = false
		k.deadline(time.Time{})
	}
}

// patient says that nobody minds if the end of ctx is noticed two patrols late.
func patient(ctx context.Context) bool {
	end, has := ctx.Deadline()
	return !has || time.Until(end) > 4*patrol
}
