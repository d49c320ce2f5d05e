// Command guest is the kernel as a WebAssembly module of Go's own compiler.
package main

import "github.com/vanth-io/vanth/wasm/internal/meter/testdata/kernels/words"

//go:wasmexport words
func count(n int64) int64 { return words.Count(n) }

func main() {}
