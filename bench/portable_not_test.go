//go:build !linux

package bench

// portableWorks are none: their floors are Linux's.
func portableWorks() []work { return nil }

// isPeer is false: there are no peers.
func isPeer() bool { return false }
