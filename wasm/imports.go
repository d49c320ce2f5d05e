package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/meter"
)

// The modules a guest may import from.
const (
	importHost = "vanth"
	importWASI = wasi_snapshot_preview1.ModuleName
)

// What imports answer instead of a length; sdk/abi explains them.
const (
	codeAbsent   = -1
	codePointer  = -2
	codeTooLarge = -3
	codeDenied   = -4
	codeLater    = -6 // -5 is for what is closed
)

// callToll is what a call of an import costs, beside what the meter has it cost: code
// in a straight line pays for all its calls in advance, and then does not look.
const callToll = 200

// minToll is the least that imports charge for, in bytes.
const minToll = 1 << 10

// maxLogLine bounds a line of a guest's log, in bytes; the rest is cut off.
const maxLogLine = 4 << 10

// importFunc is what the host gives a guest under one name.
type importFunc struct {
	name  string
	needs string // capability, "" for none
	typ   funcType
	// run reads its parameters from stack and leaves its result in stack[0].
	run func(in *instance, stack []uint64)
}

// importTable is all of module "vanth" that this build has.
func importTable() []importFunc {
	p := func(n int, rest ...api.ValueType) []api.ValueType {
		list := make([]api.ValueType, n, n+len(rest))
		for i := range list {
			list[i] = i32
		}
		return append(list, rest...)
	}
	r32, r64 := []api.ValueType{i32}, []api.ValueType{i64}
	return []importFunc{
		{"log", "", funcType{p(3), nil}, importLog},
		{"log_on", "", funcType{p(1), r32}, importLogOn},
		{"ctx_str", "", funcType{p(3), r32}, importCtxStr},
		{"ctx_i64", "", funcType{p(1), r64}, importCtxI64},
		{"now_ms", capClock, funcType{nil, r64}, importNow},
		{"state_get", capState, funcType{p(4), r32}, importStateGet},
		{"state_put", capState, funcType{p(4), r32}, importStatePut},
		{"state_del", capState, funcType{p(2), r32}, importStateDel},
		{"counter_incr", capState, funcType{p(2, i64), r64}, importCounterIncr},
		{"counter_get", capState, funcType{p(2), r64}, importCounterGet},
		{"emit", "", funcType{p(5, i64), r32}, importEmit},
		{"emit_bytes", "", funcType{p(5, i64), r32}, importEmitBytes},
		{"mark", "", funcType{p(3), r32}, importMark},
		{"fail", "", funcType{p(3), r32}, importFail},
		{"http", capHTTP, funcType{p(2), r32}, importHTTP},
		{"http_answer", capHTTP, funcType{p(2), r32}, importHTTPAnswer},
	}
}

// defineImports gives the module what it imports and is granted. Everything it
// imports that nobody can give is named in one error.
func (m *module) defineImports(ctx context.Context) error {
	known := map[string]funcType{}
	imports := m.engine.code.ImportedFunctions()
	var wasi wazero.CompiledModule
	if slices.ContainsFunc(imports, func(d api.FunctionDefinition) bool { from, _, _ := d.Import(); return from == importWASI }) {
		var err error
		if wasi, err = m.compileWASI(ctx); err != nil {
			return err
		}
		m.wasi = true
		for name, d := range wasi.ExportedFunctions() {
			known[importWASI+"."+name] = typeOf(d)
		}
	}
	table := importTable()
	needs := map[string]string{}
	if m.metered {
		known[meter.ImportModule+"."+meter.ImportName] = refillType()
		if err := m.defineMeter(ctx); err != nil {
			return err
		}
	}
	for _, f := range table {
		known[importHost+"."+f.name] = f.typ
		needs[importHost+"."+f.name] = f.needs
	}
	var bad problems
	if mems := m.engine.code.ImportedMemories(); len(mems) > 0 {
		bad.add("it imports a memory: memories are the guest's own")
	}
	used := false
	for _, d := range imports {
		from, name, _ := d.Import()
		used = used || from == importHost
		full := from + "." + name
		want, ok := known[full]
		switch {
		case !ok:
			bad.add("import %s %s is unknown here", full, typeOf(d))
		case !want.equal(typeOf(d)):
			bad.add("import %s has type %s, expected %s", full, typeOf(d), want)
		case needs[full] != "" && !m.grant.has(needs[full]):
			bad.add(`import %s needs the capability %q: add it to "requires" of the manifest`, full, needs[full])
		}
	}
	if err := bad.err(m.bundle.Plugin.ID.Name + ".wasm"); err != nil {
		return err
	}
	if wasi != nil {
		if _, err := m.engine.InstantiateModule(ctx, wasi, wazero.NewModuleConfig()); err != nil {
			return err
		}
	}
	if !used {
		return nil
	}
	b := m.engine.NewHostModuleBuilder(importHost)
	for _, f := range table {
		run, foreign := f.run, f.needs != "" && f.needs != capClock
		call := func(ctx context.Context, mod api.Module, stack []uint64) {
			in := instanceOf(ctx)
			in.stirred = true
			if in.memory == nil { // while it starts
				in.memory = mod.Memory()
			}
			in.charge(callToll)
			if foreign {
				in.outside(f.needs)
			}
			run(in, stack)
		}
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(call), f.typ.params, f.typ.results).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

// instanceOf finds the instance that an import is called from.
func instanceOf(ctx context.Context) *instance {
	return ctx.(*guestContext).in
}

// guestBytes reads an import's pointer and length; false for a bad one.
// What is read is copied, as a rule.
func (in *instance) guestBytes(ptr, n uint64) ([]byte, bool) {
	if n := uint32(n); n >= minToll {
		in.charge(int64(n) >> 4)
	}
	b, err := view(in.memory, uint32(ptr), uint32(n))
	return b, err == nil
}

// code encodes an import's i32 result.
func code(n int) uint64 { return uint64(uint32(int32(n))) }

// answer writes b to the guest's buffer of capacity room at ptr if it fits, and
// returns how long it is; the guest calls again with more room if need be.
func (in *instance) answer(b []byte, ptr, room uint64) uint64 {
	if uint64(len(b)) <= uint64(uint32(room)) {
		out, ok := in.guestBytes(ptr, uint64(len(b)))
		if !ok {
			return code(codePointer)
		}
		copy(out, b)
	}
	return code(len(b))
}

func logLevel(level uint64) slog.Level {
	switch int32(level) {
	case 0:
		return slog.LevelDebug
	case 1:
		return slog.LevelInfo
	case 2:
		return slog.LevelWarn
	}
	return slog.LevelError
}

func importLog(in *instance, stack []uint64) {
	size := min(uint64(uint32(stack[2])), maxLogLine)
	in.mustHand("log", int(size))
	level := logLevel(stack[0])
	log := in.module.log
	if !log.Enabled(context.Background(), level) {
		return
	}
	pass, lost := in.module.talk.pass(int(size), time.Now)
	if lost.times > 0 {
		log.Warn("lines were dropped: the plugin logs too much", "lines", lost.times, "bytes", lost.bytes)
	}
	if !pass {
		return
	}
	text, ok := in.guestBytes(stack[1], size)
	if !ok {
		text = []byte("(the guest logged from outside its memory)")
	}
	log.Log(context.Background(), level, strings.ToValidUTF8(string(text), "\uFFFD"), "function", in.symbol())
}

func importLogOn(in *instance, stack []uint64) {
	on := in.module.log.Enabled(context.Background(), logLevel(stack[0]))
	stack[0] = 0
	if on {
		stack[0] = 1
	}
}

func importCtxStr(in *instance, stack []uint64) {
	var s string
	call := in.call
	if call == nil {
		call = &host.Call{}
	}
	switch int32(stack[0]) {
	case 0:
		s = call.Rule
	case 1:
		s = call.Op
	case 2:
		s = "/" // a guest sees no folder of the host
	case 3:
		s = in.module.bundle.Plugin.ID.Name
	case 4:
		s = in.symbol()
	default:
		stack[0] = code(codeAbsent)
		return
	}
	stack[0] = in.answer([]byte(s), stack[1], stack[2])
}

func importCtxI64(in *instance, stack []uint64) {
	which := int32(stack[0])
	stack[0] = 0
	if in.call == nil {
		return
	}
	switch which {
	case 0:
		stack[0] = uint64(in.call.Instance)
	case 1:
		stack[0] = uint64(in.call.Run)
	case 2:
		stack[0] = uint64(in.call.Func)
	}
}

func importNow(_ *instance, stack []uint64) { stack[0] = uint64(time.Now().UnixMilli()) }

func importStateGet(in *instance, stack []uint64) {
	key, ok := in.guestBytes(stack[0], stack[1])
	if !ok {
		stack[0] = code(codePointer)
		return
	}
	if len(key) > host.MaxStateKey { // nothing is kept under those
		stack[0] = code(codeAbsent)
		return
	}
	in.scratch, ok = in.module.bundle.State.Append(in.scratch[:0], in.stateScope(), string(key))
	if !ok {
		stack[0] = code(codeAbsent)
		return
	}
	stack[0] = in.answer(in.scratch, stack[2], stack[3])
}

// starting reports whether the instance still starts. Then it may read its state
// but not change it: every instance starts, also of versions that are not
// installed in the end.
func (in *instance) starting() bool { return in.mod == nil }

func importStatePut(in *instance, stack []uint64) {
	if in.starting() {
		stack[0] = code(codeDenied)
		return
	}
	key, ok := in.guestBytes(stack[0], stack[1])
	value, ok2 := in.guestBytes(stack[2], stack[3])
	if !ok || !ok2 {
		stack[0] = code(codePointer)
		return
	}
	if len(key) > host.MaxStateKey {
		stack[0] = code(codeTooLarge)
		return
	}
	size := len(key) + len(value)
	in.mustHand("state_put", size)
	pass, lost := in.module.keep.pass(size, time.Now)
	if lost.times > 0 {
		in.module.log.Warn("state was refused: the plugin writes too much", "values", lost.times, "bytes", lost.bytes)
	}
	if !pass {
		stack[0] = code(codeLater)
		return
	}
	stack[0] = 0
	err := in.module.bundle.State.Put(in.stateScope(), string(key), value)
	if err == nil {
		return
	}
	stack[0] = code(codeTooLarge)
	if errors.Is(err, host.ErrBusy) {
		stack[0] = code(codeLater)
	}
	if pass, _ := in.module.talk.pass(0, time.Now); pass {
		in.module.log.Warn("state is not kept", "function", in.symbol(), "err", err)
	}
}

func importStateDel(in *instance, stack []uint64) {
	if in.starting() {
		stack[0] = code(codeDenied)
		return
	}
	key, ok := in.guestBytes(stack[0], stack[1])
	if !ok {
		stack[0] = code(codePointer)
		return
	}
	stack[0] = 0
	if len(key) > host.MaxStateKey || !in.module.bundle.State.Delete(in.stateScope(), string(key)) {
		stack[0] = code(codeAbsent)
	}
}

// counterKey reads the key of a counter. Every number is a value of a counter,
// so there is none left to say that the key is bad: that traps.
func (in *instance) counterKey(stack []uint64) string {
	key, ok := in.guestBytes(stack[0], stack[1])
	if !ok {
		panic(fmt.Errorf("counter: key of %d bytes at %#x: %w", uint32(stack[1]), uint32(stack[0]), errMemory))
	}
	if len(key) > host.MaxStateKey {
		panic(fmt.Errorf("counter: key of %d bytes: at most %d are allowed", len(key), host.MaxStateKey))
	}
	return string(key)
}

func importCounterIncr(in *instance, stack []uint64) {
	if in.starting() {
		panic(errors.New("counter: state cannot be changed while an instance starts"))
	}
	n, err := in.module.bundle.State.Add(in.stateScope(), in.counterKey(stack), int64(stack[2]))
	if err != nil {
		panic(fmt.Errorf("counter: %w", err))
	}
	stack[0] = uint64(n)
}

func importCounterGet(in *instance, stack []uint64) {
	stack[0] = uint64(in.module.bundle.State.Counter(in.stateScope(), in.counterKey(stack)))
}
