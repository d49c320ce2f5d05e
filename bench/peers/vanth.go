package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"os"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/store"
	"github.com/vanth-io/vanth/wasm"
)

// The handles of the functions that a subject of ours calls.
type functions struct{ add, echo, row, fib *host.Handle }

// openFunctions installs a plugin in a host of its own, as a user would, and
// resolves its functions, whose names begin with prefix.
func openFunctions(ctx context.Context, s *subject, b *bench, rt host.Runtime, id host.ID, files map[string][]byte, prefix string) (f functions, err error) {
	home, err := os.MkdirTemp(b.dir, "home-*")
	if err != nil {
		return f, err
	}
	s.onClose(func() error { return rt.Close(ctx) })
	st, err := store.Open(home + "/vanth.db")
	if err != nil {
		return f, err
	}
	s.onClose(st.Close)
	h, err := host.Open(ctx, host.Options{Home: home, Store: st, Runtimes: []host.Runtime{rt}})
	if err != nil {
		return f, err
	}
	s.onClose(func() error { return h.Close(ctx) })
	archive, err := zipped(files)
	if err != nil {
		return f, err
	}
	if _, err := h.Install(ctx, host.Request{ID: id, Archive: archive}); err != nil {
		return f, err
	}
	for name, to := range map[string]**host.Handle{"add": &f.add, "echo": &f.echo, "row": &f.row, "fib": &f.fib} {
		if *to, err = h.Function(prefix + name); err != nil && !errors.Is(err, host.ErrNotFound) {
			return f, err
		}
	}
	return f, nil
}

func zipped(files map[string][]byte) (*bytes.Buffer, error) {
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for name, content := range files {
		head := &zip.FileHeader{Name: name, Method: zip.Deflate}
		head.SetMode(0o755)
		f, err := w.CreateHeader(head)
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(content); err != nil {
			return nil, err
		}
	}
	return &z, w.Close()
}

// openGuest installs the guest with the limits that every plugin gets: time,
// memory, stack and output are bounded, and calls are metered. As many instances may
// run as there are callers, which is what the peers have; by default there are two a
// core, and a call that waits for one too long fails.
func openGuest(ctx context.Context, s *subject, b *bench) (functions, error) {
	rt, err := wasm.New(ctx, wasm.Options{PoolMax: callers + 1})
	if err != nil {
		return functions{}, err
	}
	f, err := openFunctions(ctx, s, b, rt, host.ID{Class: host.ClassWASM, Name: "work"}, map[string][]byte{
		"work.wasm": b.guests.work, "work.json": []byte(`{"version":"1","functions":["add","echo","fib"]}`),
	}, "")
	f.row = f.echo // it takes any value
	return f, err
}

// caller is what a handle and a pin have in common.
type caller interface {
	Exec(ctx context.Context, c *host.Call, args []any) (any, error)
	ExecScalar(ctx context.Context, c *host.Call, words []uint64) error
	ExecBytes(ctx context.Context, c *host.Call, dst, args []byte) ([]byte, error)
}

// openHandle calls through handles, which goroutines share: numbers on the scalar
// lane, bytes on the lane of bytes.
func openHandle(ctx context.Context, s *subject, b *bench) error {
	f, err := openGuest(ctx, s, b)
	if err != nil {
		return err
	}
	s.lanes(ctx, f.add, f.fib, f.row, func(bool) (caller, error) { return f.echo, nil })
	return nil
}

// openPinned calls through pins, of which each caller has its own.
func openPinned(ctx context.Context, s *subject, b *bench) error {
	f, err := openGuest(ctx, s, b)
	if err != nil {
		return err
	}
	pin := func(f *host.Handle) (*host.Pin, error) {
		p, err := f.Pin()
		if err == nil {
			s.onClose(func() error {
				p.Close()
				return nil
			})
		}
		return p, err
	}
	add, err1 := pin(f.add)
	fib, err2 := pin(f.fib)
	echo, err3 := pin(f.echo)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s.lanes(ctx, add, fib, echo, func(own bool) (caller, error) {
		if own {
			return pin(f.echo)
		}
		return echo, nil
	})
	return nil
}

// lanes has the subject use those that box nothing.
func (s *subject) lanes(ctx context.Context, add, fib, row caller, echo func(own bool) (caller, error)) {
	words := make([]uint64, 2)
	s.add = func(a, b int64) (int64, error) {
		words[0], words[1] = uint64(a), uint64(b)
		err := add.ExecScalar(ctx, nil, words)
		return int64(words[0]), err
	}
	s.fib = func(n int64) (int64, error) {
		words[0] = uint64(n)
		err := fib.ExecScalar(ctx, nil, words)
		return int64(words[0]), err
	}
	s.echo = func(size int, own bool) (*echoer, error) {
		c, err := echo(own)
		if err != nil {
			return nil, err
		}
		return newFramedEchoer(size, func(dst, args []byte) ([]byte, error) { return c.ExecBytes(ctx, nil, dst, args) })
	}
	args := make([]any, 1)
	s.row = rowOf(func(m map[string]any) (any, error) {
		args[0] = m
		return row.Exec(ctx, nil, args)
	})
}

// openExec calls with values in []any, as a rule does.
func openExec(ctx context.Context, s *subject, b *bench) error {
	f, err := openGuest(ctx, s, b)
	if err != nil {
		return err
	}
	s.boxed(ctx, f)
	s.row = nil // is what it is in openHandle
	return nil
}

// boxed has the subject call Exec.
func (s *subject) boxed(ctx context.Context, f functions) {
	s.add = func(a, b int64) (int64, error) { return number(f.add.Exec(ctx, nil, []any{a, b})) }
	s.fib = func(n int64) (int64, error) { return number(f.fib.Exec(ctx, nil, []any{n})) }
	s.echo = func(size int, _ bool) (*echoer, error) {
		return newEchoer(size, func(_, payload []byte) ([]byte, error) {
			return payloadOf(f.echo.Exec(ctx, nil, []any{payload}))
		}), nil
	}
	args := make([]any, 1)
	s.row = rowOf(func(m map[string]any) (any, error) {
		args[0] = m
		return f.row.Exec(ctx, nil, args)
	})
}
