//go:build !linux && !darwin

package sp

import (
	"errors"
	"syscall"
)

func peerOf(syscall.RawConn) (Peer, error) { return Peer{}, errors.ErrUnsupported }
