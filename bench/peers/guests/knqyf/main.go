//go:build wasip1

// Knqyf is the guest of github.com/knqyf263/go-plugin, built with standard Go.
package main

import (
	"context"

	work "github.com/vanth-io/vanth/bench/peers/proto/knqyf"
)

func main() {}

// Guests are registered from init: main does not run in a reactor.
func init() { work.RegisterWork(guest{}) }

type guest struct{}

func (guest) Add(_ context.Context, t *work.Terms) (*work.Number, error) {
	return &work.Number{Value: t.GetA() + t.GetB()}, nil
}

// Echo answers with the copy that was made when the request was decoded.
func (guest) Echo(_ context.Context, p *work.Payload) (*work.Payload, error) { return p, nil }

func (guest) Row(_ context.Context, r *work.Record) (*work.Record, error) { return r, nil }

func (guest) Fib(_ context.Context, n *work.Number) (*work.Number, error) {
	return &work.Number{Value: fib(n.GetValue())}, nil
}

func fib(n int64) int64 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}
