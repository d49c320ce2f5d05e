//go:build !linux || !(amd64 || arm64 || arm || riscv64)

package ring

import "sync/atomic"

// Map is refused: there is no futex here.
func Map(int, bool) (*Ring, error) { return nil, ErrUnsupported }

// Close has nothing to unmap.
func (r *Ring) Close() error { return nil }

func sleep(*atomic.Uint32, uint32) {}

func wake(*atomic.Uint32) {}
