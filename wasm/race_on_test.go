//go:build race

package wasm

// raced says that this binary has the race detector.
const raced = true
