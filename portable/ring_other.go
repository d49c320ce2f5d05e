//go:build !linux

package portable

import (
	"errors"
	"os"
	"time"
)

// socketFlags: descriptors are marked for closing by os.NewFile's users elsewhere.
const socketFlags = 0

// ring needs memory files and futexes, which Linux has.
type ring struct{}

func newRing() (*os.File, *ring, error) { return nil, nil, errors.ErrUnsupported }

func (*ring) Read([]byte) (int, error)          { return 0, errors.ErrUnsupported }
func (*ring) write([]byte, time.Duration) error { return errors.ErrUnsupported }
func (*ring) offer([]byte) (all, asleep bool)   { return false, false }
func (*ring) attend(look, nap time.Duration)    {}
func (*ring) empty() bool                       { return true }
func (*ring) rouse()                            {}
func (*ring) poke()                             {}
func (*ring) calm()                             {}
func (*ring) shut()                             {}
func (*ring) free()                             {}
