//go:build !linux && !darwin

package reserve

import "errors"

const reserves = false

func reserveBytes(int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unreserve([]byte) {}

func drain([]byte) {}
