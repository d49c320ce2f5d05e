//go:build race

package stripe_test

const raced = true
