//go:build !race

package hold

// word is written by one goroutine, and read by others after [Settle], which is what orders the two.
type word struct{ v uint32 }

func (w *word) store(v uint32) { w.v = v }
func (w *word) load() uint32   { return w.v }
