package wasm

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// The engine's functions of WASI work for as long as a guest's lengths say. A guest
// has no files, no sockets and nothing to read: so what would read, walk a path or
// wait is answered here, at once.

// Answers of WASI.
const (
	wasiBadDescriptor = 8
	wasiFault         = 21
	wasiInvalid       = 28
)

// maxSubscriptions is how many events a guest may wait for at once.
const maxSubscriptions = 64

// compileWASI makes the module that guests import WASI from.
func (m *module) compileWASI(ctx context.Context) (wazero.CompiledModule, error) {
	r := m.engine.Runtime
	all, err := wasi_snapshot_preview1.NewBuilder(r).Compile(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = all.Close(ctx) }()
	b := r.NewHostModuleBuilder(importWASI)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	for name, d := range all.ExportedFunctions() {
		var answer func(api.Memory, []uint64) uint64
		switch {
		case name == "poll_oneoff":
			answer = wasiPoll
		case name == "fd_read":
			answer = wasiRead
		case strings.HasPrefix(name, "path_"), strings.HasPrefix(name, "sock_"), name == "fd_pread", name == "fd_pwrite", name == "fd_readdir":
			answer = func(api.Memory, []uint64) uint64 { return wasiBadDescriptor }
		default:
			continue
		}
		call := func(_ context.Context, mod api.Module, stack []uint64) { stack[0] = answer(mod.Memory(), stack) }
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(call), d.ParamTypes(), d.ResultTypes()).Export(name)
	}
	return b.Compile(ctx)
}

// wasiRead finds the end of what a guest is given to read.
func wasiRead(m api.Memory, stack []uint64) uint64 {
	switch {
	case uint32(stack[0]) != 0:
		return wasiBadDescriptor
	case m == nil || !m.WriteUint32Le(uint32(stack[3]), 0):
		return wasiFault
	}
	return 0
}

// wasiPoll waits for nothing: clocks have run down, and there is nothing to read.
func wasiPoll(m api.Memory, stack []uint64) uint64 {
	in, out, n := uint32(stack[0]), uint32(stack[1]), uint32(stack[2])
	if n == 0 || n > maxSubscriptions || m == nil {
		return wasiInvalid
	}
	from, ok := m.Read(in, n*48)
	to, ok2 := m.Read(out, n*32)
	if !ok || !ok2 || !m.WriteUint32Le(uint32(stack[3]), n) {
		return wasiFault
	}
	for i := range n {
		s, event := from[i*48:], to[i*32:]
		var e [32]byte
		copy(e[:8], s)
		binary.LittleEndian.PutUint32(e[10:], uint32(s[8]))
		copy(event, e[:])
	}
	return 0
}
