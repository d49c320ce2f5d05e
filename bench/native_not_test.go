//go:build !cgo || !linux

package bench

// nativeWorks are none: .so files need cgo.
func nativeWorks() []work { return nil }
