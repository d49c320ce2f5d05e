// Command echo is a plugin of every kind of export: a singleton, a constructor,
// and things that must not be taken for exports.
package main

import "github.com/lf-edge/ekuiper/contract/v2/api"

type echo struct{}

// Echo is a singleton.
var Echo echo

// Label is a variable that -X may set.
var Label = "echo"

// NewEcho is a constructor.
func NewEcho() api.Function { return &echo{} }

// Map is no export: it has no code of its own.
func Map[T any](v T) T { return v }

func (*echo) Validate([]any) error { return nil }

func (*echo) Exec(_ api.FunctionContext, args []any) (any, bool) {
	defer func() { _ = Map(Label) }()
	return args[0], true
}

func (*echo) IsAggregate() bool { return false }

func hidden() {}

func main() { hidden() }
