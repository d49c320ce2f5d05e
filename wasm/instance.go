package wasm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// maxWords is the most parameters or results a direct function may have.
const maxWords = 16

// instance is one memory of a module, used by one call at a time.
type instance struct {
	module *module
	mod    api.Module
	memory api.Memory // nil when the module has none
	buffer api.Function
	ctx    *guestContext

	// Belongs to the call under way.
	call     *host.Call
	scope    string // call.Scope(), made when it is first asked for
	scoped   bool
	function *function
	node     *node // the source or the sink that has it to itself; nil for none
	out      output
	stack    [maxWords]uint64
	decoder  frame.Decoder
	scratch  []byte // of imports
	reply    []byte // of import http, until the guest has taken it

	// The guest's buffer for arguments, see sdk/abi.
	argPtr, argCap uint32

	entries []api.Function // by function.index, looked up when first called

	calls   uint64
	running atomic.Uint64 // token of the call under way, see watchdog.go
	used    bool          // since the janitor last looked
}

// instantiate starts an instance.
func (m *module) instantiate(ctx context.Context) (*instance, error) {
	in := &instance{module: m}
	in.ctx = newGuestContext(in)
	limit := m.startLimit()
	start, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	mod, err := m.engine.InstantiateModule(&startContext{start, in}, m.engine.code,
		m.config.WithStdout(&in.out).WithStderr(&in.out).WithRandSource(m.randomness()))
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, fmt.Errorf("given up while an instance was started: %w", ctx.Err())
	case err != nil && start.Err() != nil:
		err = fmt.Errorf("start took longer than %v (wasm.startTimeout): %w", limit, context.DeadlineExceeded)
	case err != nil && strings.Contains(err.Error(), "not instantiated"):
		return nil, host.Errorf(host.ErrInvalid, "%s.wasm imports a global or a table: only functions are given to guests (%v)", m.bundle.Plugin.ID.Name, err)
	case err == nil && mod.IsClosed():
		err = sys.NewExitError(0) // which the engine takes for success
	}
	if err != nil {
		return nil, m.fault("_initialize", in, err)
	}
	in.mod = mod
	in.memory = mod.Memory()
	in.entries = make([]api.Function, len(m.functions))
	if m.packed {
		in.buffer = mod.ExportedFunction(exportBuffer)
	}
	m.rt.dog.watch(in)
	return in, nil
}

// startContext is the context of an instance's start: imports find the
// instance through it as they do through a guestContext.
type startContext struct {
	context.Context
	in *instance
}

// randomness is what the guest's random bytes come from: the machine's where it
// was granted, else the same bytes each time, which cost nothing to make.
func (m *module) randomness() io.Reader {
	if m.grant.has(capRandom) {
		return rand.Reader
	}
	return &fixedRandom{*mathrand.NewPCG(1, 2)}
}

type fixedRandom struct{ pcg mathrand.PCG }

func (r *fixedRandom) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r.pcg.Uint64())
	}
	return len(b), nil
}

// close ends the instance. Its context is ended by whoever interrupted it only.
func (in *instance) close() {
	in.module.rt.dog.unwatch(in)
	_ = in.mod.Close(context.Background())
}

// enter takes an instance for a call of f. leave must follow.
func (f *function) enter(ctx context.Context, c *host.Call) (*instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in, err := f.module.pool.get(ctx)
	if err != nil {
		return nil, err
	}
	in.call, in.function, in.scoped = c, f, false
	in.out.n = 0
	return in, nil
}

// leave gives the instance back, or throws it away after a fault.
func (f *function) leave(in *instance, sound bool) {
	if in.out.n > 0 && sound {
		f.module.log.Debug("printed", "function", f.name, "text", in.out.String())
	}
	in.call, in.function = nil, nil
	if sound {
		f.module.pool.put(in)
	} else {
		f.module.pool.discard(in)
	}
}

// run calls an exported function with its arguments in stack, bounded in time.
// Any error means that the instance must be thrown away.
func (in *instance) run(ctx context.Context, fn api.Function, stack []uint64) error {
	if in.module.grant.trusted {
		return fn.CallWithStack(in.ctx, stack)
	}
	token := in.begin()
	var err error
	if ctx.Done() == nil {
		err = fn.CallWithStack(in.ctx, stack)
	} else {
		stop := context.AfterFunc(ctx, func() { in.kill(token, context.Canceled) })
		err = fn.CallWithStack(in.ctx, stack)
		stop()
	}
	if !in.end(token) {
		return err
	}
	if cause := ctx.Err(); cause != nil {
		return &cutShort{fmt.Errorf("given up by its caller: %w", cause)}
	}
	if errors.Is(in.ctx.Err(), context.Canceled) {
		return &cutShort{host.Errorf(host.ErrInterrupted, "ended by force: the plugin is being replaced or removed, or the host closes")}
	}
	return fmt.Errorf("ran longer than %v: %w", in.module.grant.timeout, context.DeadlineExceeded)
}

// cutShort is the end of a call that is not the guest's fault.
type cutShort struct{ error }

func (e *cutShort) Unwrap() error { return e.error }

// fault turns an error of the engine into that of a call.
func (m *module) fault(symbol string, in *instance, err error) error {
	if _, ok := errors.AsType[*cutShort](err); ok {
		return fmt.Errorf("%s: %s: %w", m.bundle.Plugin.ID, symbol, err)
	}
	g := &host.GuestError{
		Plugin: m.bundle.Plugin.ID, Version: m.bundle.Plugin.Manifest.Version,
		Symbol: symbol, Fault: host.FaultTrap, Output: in.out.String(), Err: err,
	}
	switch exit := (*sys.ExitError)(nil); {
	case errors.Is(err, context.DeadlineExceeded):
		g.Fault = host.FaultDeadline
	case errors.As(err, &exit):
		g.Fault, g.Err = host.FaultExit, fmt.Errorf("exit code %d", exit.ExitCode())
	default:
		if errors.Is(err, errMemory) {
			g.Fault = host.FaultMemory
		}
		if errors.Is(err, errFrame) {
			g.Fault = host.FaultResult
		}
		m.log.Debug("trap", "function", symbol, "trace", err.Error())
		// The engine adds its stack trace below the first line.
		text, _, _ := strings.Cut(err.Error(), "\n")
		text = strings.TrimSuffix(strings.TrimPrefix(text, "wasm error: "), " (recovered by wazero)")
		g.Err = errors.New(text)
	}
	return g
}

// symbol names the function, source or sink under way.
func (in *instance) symbol() string {
	switch {
	case in.function != nil:
		return in.function.name
	case in.node != nil:
		return in.node.symbol.Name
	}
	return "_initialize"
}

// entry is the exported function behind f. Each costs a stack, so those that
// are never called are never looked up.
func (in *instance) entry(f *function) api.Function {
	fn := in.entries[f.index]
	if fn == nil {
		fn = in.mod.ExportedFunction(f.export)
		in.entries[f.index] = fn
	}
	return fn
}

// stateScope is the scope of the call under way.
func (in *instance) stateScope() string {
	if !in.scoped {
		in.scope, in.scoped = in.call.Scope(), true
	}
	return in.scope
}

// maxOutput bounds what is kept of what a guest prints in one call, in bytes:
// the end of it.
const maxOutput = 2 << 10

// output keeps the end of what is written to it, without allocating.
type output struct {
	n    int // bytes written since the call began
	ring [maxOutput]byte
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	for _, b := range p[max(0, len(p)-maxOutput):] {
		o.ring[o.n%maxOutput] = b
		o.n++
	}
	return len(p), nil
}

// String returns what is kept.
func (o *output) String() string {
	if o.n <= maxOutput {
		return strings.TrimSpace(string(o.ring[:o.n]))
	}
	at := o.n % maxOutput
	return strings.TrimSpace(string(o.ring[at:]) + string(o.ring[:at]))
}
