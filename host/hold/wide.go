//go:build !race && (amd64 || arm64 || riscv64)

package hold

// wide is written by one goroutine and read by others, where a word of 64 bits is written in one go.
type wide struct{ v uint64 }

func (w *wide) store(v uint64) { w.v = v }
func (w *wide) load() uint64   { return w.v }
