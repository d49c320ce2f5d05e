//go:build !linux

package reserve

func (*wiper) asks() bool { return false }
