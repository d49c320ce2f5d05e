//go:build race

package reserve_test

func init() { raced = true }
