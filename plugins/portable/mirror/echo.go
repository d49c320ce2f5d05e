package main

import (
	"errors"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// echo answers with its argument.
type echo struct{}

var errOne = errors.New("echo takes one argument")

// Validate wants one argument.
func (echo) Validate(args []interface{}) error {
	if len(args) != 1 {
		return errOne
	}
	return nil
}

// Exec answers one call.
func (echo) Exec(args []interface{}, _ api.FunctionContext) (interface{}, bool) {
	if len(args) != 1 {
		return errOne, false
	}
	return args[0], true
}

// IsAggregate is false: each argument is a value, not a list of them.
func (echo) IsAggregate() bool { return false }
