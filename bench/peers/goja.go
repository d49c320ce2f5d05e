package main

import (
	"context"
	"fmt"

	"github.com/dop251/goja"
)

// The functions copy what they answer with, as the other guests do.
const script = `
function add(a, b) { return a + b }
function echo(buffer) { return buffer.slice(0) }
function row(r) { return {...r} }
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) }
`

// gojaRuntime is JavaScript in the host's process, for one goroutine at a time.
type gojaRuntime struct {
	vm                  *goja.Runtime
	add, echo, row, fib goja.Callable
}

func newGoja() (*gojaRuntime, error) {
	r := &gojaRuntime{vm: goja.New()}
	if _, err := r.vm.RunString(script); err != nil {
		return nil, err
	}
	for name, to := range map[string]*goja.Callable{"add": &r.add, "echo": &r.echo, "row": &r.row, "fib": &r.fib} {
		var ok bool
		if *to, ok = goja.AssertFunction(r.vm.Get(name)); !ok {
			return nil, fmt.Errorf("%s is not a function", name)
		}
	}
	return r, nil
}

// call returns the result as a value of Go.
func (r *gojaRuntime) call(f goja.Callable, args ...goja.Value) (any, error) {
	v, err := f(goja.Undefined(), args...)
	if err != nil {
		return nil, err
	}
	return v.Export(), nil
}

func (r *gojaRuntime) exchange(payload []byte) ([]byte, error) {
	v, err := r.call(r.echo, r.vm.ToValue(r.vm.NewArrayBuffer(payload)))
	if err != nil {
		return nil, err
	}
	buffer, ok := v.(goja.ArrayBuffer)
	if !ok {
		return nil, fmt.Errorf("found %T, expected an ArrayBuffer", v)
	}
	return buffer.Bytes(), nil
}

// openGoja calls functions of one runtime; each of several goroutines has its own.
func openGoja(_ context.Context, s *subject, _ *bench) error {
	r, err := newGoja()
	if err != nil {
		return err
	}
	s.add = func(a, b int64) (int64, error) { return number(r.call(r.add, r.vm.ToValue(a), r.vm.ToValue(b))) }
	s.fib = func(n int64) (int64, error) { return number(r.call(r.fib, r.vm.ToValue(n))) }
	s.row = rowOf(func(m map[string]any) (any, error) { return r.call(r.row, r.vm.ToValue(m)) })
	s.echo = func(size int, own bool) (*echoer, error) {
		r := r
		if own {
			if r, err = newGoja(); err != nil {
				return nil, err
			}
		}
		return newEchoer(size, func(_, payload []byte) ([]byte, error) { return r.exchange(payload) }), nil
	}
	return nil
}
