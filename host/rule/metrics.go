package rule

import (
	"sync/atomic"
	"time"
)

// metrics are a node's counters. Writers are the goroutines that run it.
type metrics struct {
	records, emitted, processed, faults atomic.Int64

	latency    atomic.Int64 // of the last row that was timed, in nanoseconds
	invoked    atomic.Int64 // when the message of the last row came, in milliseconds since 1970
	fault      atomic.Pointer[fault]
	connection atomic.Pointer[connection]
}

// fault is the last one.
type fault struct {
	text string
	at   time.Time
}

// connection is what is known of a source's or sink's plugin.
type connection struct {
	status  int // -1 there is none, 0 it is looked for, 1 it is open
	message string
	up      time.Time
	down    time.Time
	tried   time.Time
}

// timing is how many rows share one reading of the clock for their latency.
const timing = 64

func (m *metrics) in(n int64) { m.records.Add(n) }

func (m *metrics) out(n int64) { m.emitted.Add(n) }

// begin returns the clock for a row that is timed.
func (m *metrics) begin() (t time.Time) {
	if m.processed.Load()%timing == 0 {
		t = time.Now()
	}
	return t
}

// end counts a row of a message that came at now, in milliseconds since 1970.
func (m *metrics) end(t time.Time, now int64) {
	m.processed.Add(1)
	if m.invoked.Load() != now { // a load is cheaper than a store
		m.invoked.Store(now)
	}
	if !t.IsZero() {
		m.latency.Store(int64(time.Since(t)))
	}
}

// fail counts a fault and keeps its text.
func (m *metrics) fail(err error) {
	m.faults.Add(1)
	m.fault.Store(&fault{err.Error(), time.Now()})
}

// connected says how it is with the plugin.
func (m *metrics) connected(status int, err error) {
	now := time.Now()
	c := connection{status: status, tried: now}
	if old := m.connection.Load(); old != nil {
		c.up, c.down = old.up, old.down
		if err == nil && status != 1 {
			c.message = old.message
		}
	}
	if status == 1 {
		c.up = now
	} else {
		c.down = now
	}
	if err != nil {
		c.message = err.Error()
	}
	m.connection.Store(&c)
}
