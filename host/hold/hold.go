package hold

import (
	"runtime"
	"sync/atomic"
)

// Mark says whether its owner is using the thing. One goroutine at a time calls Begin and End.
type Mark struct{ busy word }

// Begin reports whether the owner may use the thing until End, which must follow either way. It may not
// while the thing is recalled.
func (m *Mark) Begin(recalled *atomic.Bool) bool {
	m.busy.store(1)
	return !recalled.Load()
}

// End is the end of the use. It reports whether the thing is recalled: then the owner gives it back, unless it was
// taken.
func (m *Mark) End(recalled *atomic.Bool) bool {
	m.busy.store(0)
	return recalled.Load()
}

// InUse tells whether the owner uses the thing. After recalled was set and [Settle] returned, a thing that is
// not in use stays so while recalled is set.
func (m *Mark) InUse() bool { return m.busy.load() != 0 }

// Settle returns when every Begin and End that was under way is to be seen, and every later one sees what was stored
// before. It stops the world for some ten microseconds, or until the slowest guest looks up.
func Settle() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m) // the one door to a stop of the world
}
