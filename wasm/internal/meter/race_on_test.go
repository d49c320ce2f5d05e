//go:build race

package meter_test

// raced says that this binary has the race detector, which makes everything many times slower.
const raced = true
