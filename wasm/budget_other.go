//go:build !linux

package wasm

import "time"

// threadClock is nil: a slice is taken to have had a processor all along.
func threadClock() func() time.Duration { return nil }
