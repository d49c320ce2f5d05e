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
