//go:build !linux

package bench

// memoryStudies are none: what is read for them is Linux's.
func memoryStudies() []study { return nil }
