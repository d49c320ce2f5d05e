//go:build !race

package api

// RaceEnabled tells tests that the race detector allocates.
const RaceEnabled = false
