//go:build race

package gate_test

func init() { raced = true }
