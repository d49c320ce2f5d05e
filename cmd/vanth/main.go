package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/vanth-io/vanth/native"
)

// What the host runs this binary as, with the file of a native plugin: to open it
// and end, before the host opens it, or to run it for the host. They are no
// commands for people, and must not load what those need.
const (
	probeCommand  = "native-probe"
	workerCommand = "native-worker"
)

func main() {
	noHeapProfile()
	compileChild()
	if len(os.Args) == 3 {
		switch os.Args[1] {
		case probeCommand:
			os.Exit(native.Probe(os.Args[2], os.Stdin, os.Stdout, os.Stderr))
		case workerCommand:
			os.Exit(native.Worker(os.Args[2], os.NewFile(3, "host"), os.Stdin, os.Stderr))
		}
	}
	os.Exit(run(context.Background(), os.Args[1:], env{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, vars: os.Environ(),
	}))
}

// env is the world around a command.
type env struct {
	in       io.Reader
	out, err io.Writer
	vars     []string // as os.Environ
}

// lookup returns an environment variable, "" when there is none.
func (e env) lookup(name string) string {
	for _, v := range e.vars {
		if len(v) > len(name) && v[:len(name)] == name && v[len(name)] == '=' {
			return v[len(name)+1:]
		}
	}
	return ""
}

// run executes a command line and returns its exit code.
func run(ctx context.Context, args []string, e env) int {
	root := newRoot(e)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	code := exitUsage // what cobra itself refuses is wrong usage
	if c, ok := errors.AsType[*codedError](err); ok {
		code = c.code
	}
	_, _ = fmt.Fprintf(e.err, "vanth: %v\n", err)
	if code == exitUsage {
		_, _ = fmt.Fprintf(e.err, "See '%s --help'.\n", cmd.CommandPath())
	}
	return code
}
