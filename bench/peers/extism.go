package main

import (
	"context"
	"encoding/binary"
	"fmt"

	extism "github.com/extism/go-sdk"
)

// openExtism compiles the plugin once and calls one instance of it; each of several
// goroutines has its own, as its documentation asks. A row is JSON.
func openExtism(ctx context.Context, s *subject, b *bench) error {
	compiled, err := extism.NewCompiledPlugin(ctx, extism.Manifest{
		Wasm: []extism.Wasm{extism.WasmData{Data: b.guests.extism}},
	}, extism.PluginConfig{}, nil)
	if err != nil {
		return err
	}
	s.onClose(func() error { return compiled.Close(ctx) })
	instance := func() (*extism.Plugin, error) {
		p, err := compiled.Instance(ctx, extism.PluginInstanceConfig{})
		if err == nil {
			s.onClose(func() error { return p.Close(ctx) })
		}
		return p, err
	}
	p, err := instance()
	if err != nil {
		return err
	}
	request := make([]byte, 16)
	s.add = func(a, b int64) (int64, error) {
		binary.LittleEndian.PutUint64(request, uint64(a))
		binary.LittleEndian.PutUint64(request[8:], uint64(b))
		return littleEndian(callExtism(p, "add", request))
	}
	s.fib = func(n int64) (int64, error) {
		binary.LittleEndian.PutUint64(request, uint64(n))
		return littleEndian(callExtism(p, "fib", request[:8]))
	}
	s.row = jsonRow(func(row []byte) ([]byte, error) { return callExtism(p, "echo", row) })
	s.echo = func(size int, own bool) (*echoer, error) {
		p := p
		if own {
			if p, err = instance(); err != nil {
				return nil, err
			}
		}
		// The output is a copy already.
		return newEchoer(size, func(_, payload []byte) ([]byte, error) { return callExtism(p, "echo", payload) }), nil
	}
	return nil
}

func callExtism(p *extism.Plugin, name string, input []byte) ([]byte, error) {
	code, out, err := p.Call(name, input)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s: found the code %d, expected 0", name, code)
	}
	return out, err
}
