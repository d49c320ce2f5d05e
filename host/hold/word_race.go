//go:build race

package hold

import "sync/atomic"

// word is atomic where the race detector looks, which knows nothing of a stopped world.
type word struct{ v atomic.Uint32 }

func (w *word) store(v uint32) { w.v.Store(v) }
func (w *word) load() uint32   { return w.v.Load() }
