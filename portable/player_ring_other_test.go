//go:build !linux

package portable_test

import "errors"

// peerRing is not to be had: the host does not offer it.
type peerRing struct{}

func mapRing(int) *peerRing { return nil }

func (*peerRing) Read([]byte) (int, error)  { return 0, errors.ErrUnsupported }
func (*peerRing) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

func (*player) pong() {}
