package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// The exit codes, which the help documents.
const (
	exitOK          = 0
	exitFailed      = 1 // the server answered with an error, or the command failed
	exitUsage       = 2 // wrong usage or configuration
	exitUnreachable = 3 // the server cannot be reached
	exitNotFound    = 4 // the server does not know the plugin, function, rule or stream
)

const exitHelp = `Exit codes:
  0  done
  1  the server answered with an error, or the command failed
  2  wrong usage, or a wrong configuration
  3  the server cannot be reached
  4  no such plugin or function
100  serve: a client deleted a plugin with stop=1, and wants a new start`

// codedError is an error that ends the process with a code of its own.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func coded(code int, err error) error { return &codedError{code, err} }

// usagef is a wrong use of a command.
func usagef(format string, a ...any) error {
	return coded(exitUsage, fmt.Errorf(format, a...))
}

// action is what a command does; errors without a code are failures.
func action(do func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := do(cmd, args)
		if _, ok := errors.AsType[*codedError](err); err == nil || ok {
			return err
		}
		return coded(exitFailed, err)
	}
}
