// Command assemble turns a module in the WebAssembly text format, in the subset of package wat, into a binary.
//
//	assemble IN.wat OUT.wasm
//
// It exits with 0, with 1 and one line on standard error if the file cannot be read, assembled or written, and with 2 if
// it is called otherwise. OUT.wasm is written only if IN.wat assembles.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/vanth-io/vanth/wasm/internal/wat"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	if len(args) != 2 {
		fmt.Fprintln(stderr, "usage: assemble IN.wat OUT.wasm")
		return 2
	}
	if err := assemble(args[0], args[1]); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func assemble(in, out string) error {
	src, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	binary, err := wat.Assemble(src)
	if err != nil {
		return fmt.Errorf("%s:%w", in, err) // as compilers do: file:line:column
	}
	return os.WriteFile(out, binary, 0o644)
}
