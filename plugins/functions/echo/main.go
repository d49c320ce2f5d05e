// Echo is a sample of a native function: the smallest that does something. See readme.md.
package main

import (
	"fmt"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// Echo is the symbol that the host looks up: a constructor. The host calls it once for each use.
func Echo() api.Function { return echo{} }

func main() {}

type echo struct{}

// Validate wants exactly one argument.
func (echo) Validate(args []any) error {
	if len(args) != 1 {
		return fmt.Errorf("echo: found %d arguments, expected 1", len(args))
	}
	return nil
}

// Exec returns its argument, untouched.
func (e echo) Exec(_ api.FunctionContext, args []any) (any, bool) {
	if err := e.Validate(args); err != nil {
		return err, false
	}
	return args[0], true
}

// IsAggregate says that a call sees one row.
func (echo) IsAggregate() bool { return false }
