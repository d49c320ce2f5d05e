//go:build race || !(amd64 || arm64 || riscv64)

package hold

import "sync/atomic"

// wide is atomic where the race detector looks, and where 64 bits are written in two goes.
type wide struct{ v atomic.Uint64 }

func (w *wide) store(v uint64) { w.v.Store(v) }
func (w *wide) load() uint64   { return w.v.Load() }
