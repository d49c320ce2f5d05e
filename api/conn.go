package api

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a counted connection. fasthttp sets four deadlines a request, each of
// which costs a lock and a timer; but most requests are read by one system call
// and answered by another. So a deadline is only noted, and the timer is set by
// the read or the write that may have to wait.
type conn struct {
	net.Conn
	gate  *gate
	local bool        // TCP that only this machine reaches
	host  string      // the last Host that was accepted; for addressed alone
	heard atomic.Bool // it sent something
	once  sync.Once

	reads, writes due
}

// due is a deadline that was noted, and the one that is set. Not one goroutine
// alone uses it: TLS sets the one of writes when the connection is closed.
type due struct {
	noted, set atomic.Int64 // nanoseconds since 1970; 0 for none
}

// dueSlack is how much too late a deadline may be: within it, the one that is set
// does for the next ones too.
const dueSlack = 20 * time.Millisecond

// note notes a deadline.
func (d *due) note(t time.Time) {
	if t.IsZero() {
		d.noted.Store(0)
		return
	}
	d.noted.Store(t.UnixNano())
}

// arm has set put the deadline into force, unless one is that will do. latest is
// a bound of all deadlines; nil for none.
func (d *due) arm(latest *time.Time, set func(time.Time) error) error {
	at := d.noted.Load()
	if latest != nil {
		if end := latest.UnixNano(); at == 0 || at > end {
			at = end
		}
	}
	set0 := d.set.Load()
	if at == set0 || at > 0 && at <= set0 && set0 <= at+int64(dueSlack) {
		return nil
	}
	if at == 0 {
		d.set.Store(0)
		return set(time.Time{})
	}
	at += int64(dueSlack)
	d.set.Store(at)
	return set(time.Unix(0, at))
}

// Read reads what has come, or waits for it until the deadline.
func (c *conn) Read(b []byte) (int, error) {
	for {
		closing := c.gate.closing.Load()
		if err := c.reads.arm(closing, c.Conn.SetReadDeadline); err != nil {
			return 0, err
		}
		if closing == c.gate.closing.Load() {
			break // else what close has set was undone
		}
	}
	n, err := c.Conn.Read(b)
	if n > 0 && !c.heard.Load() {
		c.heard.Store(true)
	}
	return n, err
}

// Write writes, and waits for room until the deadline.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.writes.arm(nil, c.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// SetReadDeadline notes the time by which the next bytes must have come. A read
// that waits already is not told.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reads.note(t)
	return nil
}

// SetWriteDeadline notes the time by which the next bytes must have gone.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writes.note(t)
	return nil
}

// SetDeadline notes both.
func (c *conn) SetDeadline(t time.Time) error {
	c.reads.note(t)
	c.writes.note(t)
	return nil
}

// Close is called by fasthttp when it is done with the connection.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.gate.leave(c) })
	return err
}
