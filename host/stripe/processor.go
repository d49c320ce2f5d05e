//go:build !race

package stripe

import (
	"runtime"
	_ "unsafe" // for linkname
)

// The runtime keeps these two names and their types for who links to them, see go.dev/issue/67401; sync.Pool stands on
// them too. A pool without places works as well, see processor_race.go.

// enter has the goroutine stay on its processor until leave, and returns its number. Between the two it must not wait.
//
//go:linkname enter runtime.procPin
func enter() int

//go:linkname leave runtime.procUnpin
func leave()

// processors is how many there are.
func processors() int { return runtime.GOMAXPROCS(0) }
