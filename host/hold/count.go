package hold

// Count is a counter of one goroutine at a time, which pays for it what a plain one costs. Others may read it:
// who has heard from that goroutine reads no less than it had counted then.
type Count struct{ n wide }

// Add counts.
func (c *Count) Add(n uint64) { c.n.store(c.n.load() + n) }

// Load returns the count.
func (c *Count) Load() uint64 { return c.n.load() }
