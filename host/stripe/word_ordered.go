//go:build amd64 || 386

package stripe

// word says who has a thing. These processors show stores to others in the order in which they were made, and the
// compiler makes them in the order in which they are written. So whoever sees that a thing is free sees all that was
// done to it. An atomic store would cost more than all the rest of Put.
type word struct{ v uint32 }

func (w *word) store(v uint32) { w.v = v }
func (w *word) load() uint32   { return w.v }
