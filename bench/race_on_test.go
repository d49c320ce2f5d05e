//go:build race

package bench

// raced says that this binary has the race detector.
const raced = true
