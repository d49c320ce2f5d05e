// Goguest does in Go what every subject does: as a WebAssembly guest and, from the
// same source, as a portable plugin.
package main

import (
	"strconv"

	"github.com/vanth-io/vanth/sdk/go"
)

func add(a, b float64) float64 { return a + b }

func fib(n int64) int64 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

// suffix makes several plugins of this source that can live in one host.
var suffix string

// copies is how many more functions there are that add, for as many plugins of one module.
var copies string

// calls is how often count was called in this instance: 1 in a new one.
var calls int64

func init() {
	vanth.Func2("add"+suffix, add)
	most, _ := strconv.Atoi(copies)
	for i := range most {
		vanth.Func2("add"+suffix+strconv.Itoa(i), add)
	}
	vanth.Func1("echo"+suffix, func(v any) any { return v })
	vanth.Func1("fib"+suffix, fib)
	vanth.Func0("count"+suffix, func() int64 { calls++; return calls })
}

func main() { vanth.Serve() }
