package wasm

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"strings"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
	"github.com/vanth-io/vanth/wasm/internal/meter"
	"github.com/vanth-io/vanth/wasm/internal/reserve"
)

// maxWords is the most parameters or results a direct function may have.
const maxWords = 16

// instance is one memory of a module, used by one call at a time.
type instance struct {
	module *module
	mod    api.Module
	memory api.Memory     // nil when the module has none
	lease  *reserve.Lease // of what the memory is made of
	buffer api.Function   // nil until it is needed: it has a stack of the engine's
	ctx    *guestContext
	kill   context.CancelFunc // ends ctx, and the call under way

	// Belongs to the call under way.
	call     *host.Call
	stirred  bool   // it called an import, or asked for the time
	scope    string // call.Scope(), made when it is first asked for
	scoped   bool
	function *function
	node     *node // the source or the sink that has it to itself; nil for none
	out      output
	handed   int64 // bytes, to the host
	stack    [maxWords]uint64
	decoder  frame.Decoder
	encoder  frame.Encoder
	scratch  []byte // of imports
	reply    []byte // of import http, until the guest has taken it

	// The guest's buffer for arguments, see sdk/abi.
	argPtr, argCap uint32

	entries []api.Function // by function.index, looked up when first called

	world   world
	foreign string              // what it used of the outside while it started; "" for nothing
	globals []api.MutableGlobal // by snapshot.globals, if they are to be restored

	spending
	entered int   // entries that were looked up
	desk    *desk // where it is put when it is free; nil for anywhere
	touched bool  // since the janitor last looked
}

// instantiate starts an instance.
func (m *module) instantiate(ctx context.Context) (_ *instance, err error) {
	in := &instance{module: m, spending: spending{slice: leastFuel}, decoder: frame.Decoder{Most: maxDecoded}, world: newWorld()}
	in.ctx, in.kill = newGuestContext(in)
	in.decoder.Stop = in.late
	start, limit := ctx, m.startLimit()
	if m.snapshot == nil { // else no code of the guest's runs
		var cancel context.CancelFunc
		start, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	in.caller = start
	if in.lease, err = m.memories.Lease(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			in.lease.Release()
		}
	}()
	starting := &guestContext{experimental.WithMemoryAllocator(start, in.lease), in}
	mod, err := m.engine.InstantiateModule(starting, m.engine.code, in.config())
	if err == nil {
		if err = in.initialize(starting, mod); err != nil {
			_ = mod.Close(starting)
		}
	}
	m.rt.seats.leave(in)
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, fmt.Errorf("given up while an instance was started: %w", ctx.Err())
	case err != nil && start.Err() != nil:
		err = fmt.Errorf("start took longer than %v (wasm.startTimeout)%s: %w", limit, in.held(", with "), context.DeadlineExceeded)
	case err != nil && strings.Contains(err.Error(), "not instantiated"):
		return nil, host.Errorf(host.ErrInvalid, "%s.wasm imports a global or a table: only functions are given to guests (%v)", m.bundle.Plugin.ID.Name, err)
	case err == nil && mod.IsClosed():
		err = sys.NewExitError(0) // which the engine takes for success
	}
	if err != nil {
		return nil, m.fault("_initialize", in, err)
	}
	in.mod, in.caller = mod, nil
	in.memory = mod.Memory()
	in.entries = make([]api.Function, m.entries)
	if m.metered {
		in.fuel = mod.ExportedGlobal(meter.ExportFuel).(api.MutableGlobal)
	}
	m.mu.Lock()
	m.instances[in] = struct{}{}
	m.mu.Unlock()
	return in, nil
}

// randomness is what the guest's random bytes come from: the machine's where it
// was granted, else the same bytes each time, which cost nothing to make.
func (in *instance) randomness() io.Reader {
	if in.module.grant.has(capRandom) {
		return tolled{in, rand.Reader}
	}
	return tolled{in, &in.world.random}
}

type fixedRandom struct{ pcg mathrand.PCG }

func (r *fixedRandom) Read(b []byte) (int, error) {
	n := len(b)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, r.pcg.Uint64())
	}
	for i := range b {
		b[i] = byte(r.pcg.Uint64())
	}
	return n, nil
}

// tolled charges for what is read, and gives little at once.
type tolled struct {
	in *instance
	io.Reader
}

func (t tolled) Read(b []byte) (int, error) {
	const most = 16 << 10
	b = b[:min(len(b), most)]
	t.in.charge(int64(len(b)) + 10)
	if t.in.module.grant.has(capRandom) {
		t.in.outside(capRandom)
	}
	return t.Reader.Read(b)
}

// close ends the instance.
func (in *instance) close() {
	m := in.module
	m.mu.Lock()
	delete(m.instances, in)
	m.mu.Unlock()
	in.square()
	in.count(in.used())
	in.kill()
	_ = in.mod.Close(context.Background())
	in.lease.Release()
}

// enter takes an instance for a call of f. leave must follow.
func (f *function) enter(ctx context.Context, c *host.Call) (*instance, error) {
	if err := f.admit(ctx); err != nil {
		return nil, err
	}
	in, err := f.module.pool.get(ctx)
	if err != nil {
		return nil, err
	}
	in.function = f
	in.start(ctx, c)
	return in, nil
}

// admit refuses a call that nobody wants, or that the breaker does not let in.
func (f *function) admit(ctx context.Context) error {
	if ctx.Done() != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return f.module.breaker.enter()
}

// start makes ready for a call of in.function.
func (in *instance) start(ctx context.Context, c *host.Call) {
	in.call, in.scoped = c, false
	in.heed(ctx)
	in.renew()
}

// heed has the calls that follow end with ctx.
func (in *instance) heed(ctx context.Context) {
	if ctx.Done() != nil {
		in.caller = ctx
	} else if in.caller != nil { // a look is cheaper than a write of a pointer
		in.caller = nil
	}
}

// leave gives the instance back, or throws it away.
func (f *function) leave(in *instance, err error) {
	if !f.sound(in, err) {
		go f.module.pool.discard(in) // its memory takes time to be given back; close waits for it
		return
	}
	in.call, in.function, in.caller = nil, nil, nil
	f.module.pool.put(in)
}

// sound judges the instance after a call, and makes it ready for the next: after an
// error that is not of the guest's own making it is not used again.
func (f *function) sound(in *instance, err error) bool {
	m := f.module
	if err != nil {
		g, guilty := errors.AsType[*host.GuestError](err)
		if !guilty || g.Fault != host.FaultReturned {
			if guilty {
				m.breaker.fault(g, m.grant.timeout-in.waited)
			}
			return false
		}
	}
	if in.out.n > 0 {
		m.log.Debug("printed", "function", f.name, "text", in.out.String())
	}
	m.breaker.sound()
	return in.restore()
}

// run calls an exported function as invoke does, until ctx ends.
func (in *instance) run(ctx context.Context, fn api.Function, stack []uint64) error {
	in.heed(ctx)
	return in.invoke(fn, stack)
}

// invoke calls an exported function with its arguments in stack. Any error means that
// the instance must be thrown away. What bounds it is in fuel.go.
func (in *instance) invoke(fn api.Function, stack []uint64) error {
	return in.after(fn.CallWithStack(in.ctx, stack))
}

// after is what follows the guest's return.
func (in *instance) after(err error) error {
	if in.trial && in.known {
		in.tried()
	}
	if in.seated > 0 {
		in.module.rt.seats.leave(in)
	}
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*ended](err); ok {
		return e.error
	}
	return err
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
	case errors.Is(err, errFuel):
		g.Fault, g.Err = host.FaultFuel, firstLine(err)
	case errors.Is(err, errStack), strings.HasPrefix(err.Error(), "wasm error: stack overflow"): // the engine's own limit
		g.Fault, g.Err = host.FaultStack, firstLine(err)
	case errors.As(err, &exit):
		g.Fault, g.Err = host.FaultExit, fmt.Errorf("exit code %d", exit.ExitCode())
	default:
		if errors.Is(err, errMemory) {
			g.Fault = host.FaultMemory
		}
		if errors.Is(err, errFrame) || errors.Is(err, errVolume) {
			g.Fault = host.FaultResult
		}
		m.log.Debug("trap", "function", symbol, "trace", err.Error())
		g.Err = firstLine(err)
	}
	return g
}

// firstLine is what an error of the engine says without the stack trace below.
func firstLine(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(strings.TrimSuffix(strings.TrimPrefix(text, "wasm error: "), " (recovered by wazero)"))
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

// maxEntries is how many exported functions an instance has looked up at once.
const maxEntries = 16

// entry is the exported function behind f. Each has a stack of the engine's, which
// stays as large as it once grew, so those that are never called are never looked
// up, and there are few at once.
func (in *instance) entry(f *function) api.Function {
	fn := in.entries[f.index]
	if fn == nil {
		if in.entered++; in.entered%maxEntries == 0 {
			clear(in.entries)
		}
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

// maxDecoded bounds what lists and maps of one frame from a guest may allocate, in
// bytes: a byte of an empty list is worth forty.
const maxDecoded = 8 << 20

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
