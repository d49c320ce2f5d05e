package main

import (
	"fmt"

	"github.com/vanth-io/vanth/bench/internal/report"
)

// callers is how many goroutines call at once in the work of that name.
const callers = 16

// work is one line of the comparison.
type work struct {
	name string
	// loop returns the function that does the work n times with a subject and
	// checks every result; nil if the subject does not do it.
	loop func(s *subject) (func(n int) error, error)
	// promised are the bounds of P13: how many times what Vanth takes the peers
	// take at least.
	promised map[peer]float64
}

// peer is one that P13 speaks of.
type peer int

const (
	nobody peer = iota
	peerWaPC
	peerKnqyf
	peerExtism
	peerGoPlugin
	peerEKuiper
)

// works are the lines in the order of the report.
func works() []work {
	wasm := map[peer]float64{peerWaPC: 10, peerKnqyf: 60, peerExtism: 300}
	all := map[peer]float64{peerWaPC: 10, peerKnqyf: 60, peerExtism: 300, peerGoPlugin: 3000, peerEKuiper: 3000}
	return []work{
		{"add(i64,i64)", addLoop, all},
		{"echo 256 B", echoLoop(256), wasm},
		{"echo 4 KiB", echoLoop(4 << 10), nil},
		{"echo 64 KiB", echoLoop(64 << 10), nil},
		{"map of 8 fields", rowLoop, wasm},
		{"fib(20)", fibLoop, nil},
		{fmt.Sprintf("%d callers, echo 256 B", callers), callersLoop, nil},
	}
}

func addLoop(s *subject) (func(n int) error, error) {
	add := s.add
	if add == nil {
		return nil, nil
	}
	var i int64
	return func(n int) error {
		for range n {
			i++
			got, err := add(i, 3*i)
			if err != nil {
				return err
			}
			if got != 4*i {
				return fmt.Errorf("add(%d, %d): found %d", i, 3*i, got)
			}
		}
		return nil
	}, nil
}

func fibLoop(s *subject) (func(n int) error, error) {
	fib := s.fib
	if fib == nil {
		return nil, nil
	}
	return func(n int) error {
		for range n {
			got, err := fib(20)
			if err != nil {
				return err
			}
			if got != 6765 {
				return fmt.Errorf("fib(20): found %d, expected 6765", got)
			}
		}
		return nil
	}, nil
}

func echoLoop(size int) func(s *subject) (func(n int) error, error) {
	return func(s *subject) (func(n int) error, error) {
		if s.echo == nil {
			return nil, nil
		}
		e, err := s.echo(size, false)
		if err != nil {
			return nil, err
		}
		return e.run, nil
	}
}

func callersLoop(s *subject) (func(n int) error, error) {
	if s.echo == nil {
		return nil, nil
	}
	list := make([]*echoer, callers)
	for i := range list {
		var err error
		if list[i], err = s.echo(256, true); err != nil {
			return nil, err
		}
	}
	return together(list), nil
}

func rowLoop(s *subject) (func(n int) error, error) {
	row := s.row
	if row == nil {
		return nil, nil
	}
	var id int64
	return func(n int) error {
		for k := range n {
			id++
			if err := row(id, k == 0); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// fibonacci is what the children written in Go do.
func fibonacci(n int64) int64 {
	if n < 2 {
		return n
	}
	return fibonacci(n-1) + fibonacci(n-2)
}

// subjects are those that do the work, ready to be measured.
func (w *work) subjects(all []*subject) ([]report.Subject, error) {
	var list []report.Subject
	for _, s := range all {
		run, err := w.loop(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", w.name, s.name, err)
		}
		if run != nil {
			list = append(list, report.Subject{Name: s.name, Run: run})
		}
	}
	return list, nil
}
