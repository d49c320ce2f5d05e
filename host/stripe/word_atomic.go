//go:build !(amd64 || 386)

package stripe

import "sync/atomic"

// word says who has a thing. Here an atomic store costs hardly more than another one.
type word struct{ v atomic.Uint32 }

func (w *word) store(v uint32) { w.v.Store(v) }
func (w *word) load() uint32   { return w.v.Load() }
