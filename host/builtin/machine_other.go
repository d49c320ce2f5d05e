//go:build !linux

package builtin

import "github.com/vanth-io/vanth/host"

func (s *machine) read() (reading, error) {
	return reading{}, host.Errorf(host.ErrUnsupported, "there is no %s", s.proc)
}
