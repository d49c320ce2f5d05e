//go:build !linux

package reserve

import "errors"

// sharing is what Linux has.
type sharing struct{}

func newSharing(*Image) (sharing, error) { return sharing{}, errors.ErrUnsupported }

func (*sharing) at(int, int) []byte { return nil }

func (*sharing) place([]byte) error { return errors.ErrUnsupported }

func (*sharing) close() {}

func (*sharing) in() bool { return false }

func (*sharing) size() int { return 0 }

func again([]byte) bool { return false }
