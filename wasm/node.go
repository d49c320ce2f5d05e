package wasm

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// node is what an open source and an open sink have in common: an instance of
// their own, which is replaced after a fault.
//
//  1. newNode checks the name and encodes the properties; nothing runs.
//  2. open reserves an instance of the plugin's, starts it and calls the guest's
//     open.
//  3. Calls come one at a time: whoever has the turn has the instance.
//  4. A fault drops the instance; the next call starts another, later and later
//     while nothing passes.
//  5. shut takes the turn for good, flushes, closes and gives the instance back.
type node struct {
	module  *module
	symbol  host.Symbol
	kind    *nodeSymbol
	call    *host.Call
	handle  uint32
	opening []byte // frame of the properties

	// life ends when the node is shut: starts of instances end with it.
	life    context.Context
	end     context.CancelFunc
	current atomic.Pointer[instance]
	given   atomic.Bool // nobody waits for the turn any more: who has it gives the instance back

	turn chan struct{} // has a token when nobody has the turn; who has it uses what follows
	held bool          // an instance is reserved
	in   *instance     // nil before open and after a fault
	fns  [opCount]api.Function
	// box takes what a source emits, while it is polled; nil else.
	box    *outbox
	again  []byte // offset to go to when the source is opened again; nil for none
	faults int    // since a call passed
	rest   time.Time
}

func (m *module) newNode(s host.Symbol, c *host.Call, props host.Props) (*node, error) {
	k := m.symbols[s]
	if k == nil {
		return nil, m.notFound(s.Kind, s.Name)
	}
	m.mu.Lock()
	closed := m.closed
	m.mu.Unlock()
	if closed {
		return nil, m.errClosed(s)
	}
	datasource, _ := props["datasource"].(string)
	opening, err := frame.Append(nil, map[string]any{"props": map[string]any(props), "datasource": datasource})
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "%s: properties: %v", s, err)
	}
	n := &node{module: m, symbol: s, kind: k, call: c, handle: m.handles.Add(1), opening: opening, turn: make(chan struct{}, 1)}
	n.life, n.end = context.WithCancel(context.Background())
	n.turn <- struct{}{}
	return n, nil
}

func (m *module) errClosed(s host.Symbol) error {
	return host.Errorf(host.ErrClosed, "%s: %s: the module is closed", m.bundle.Plugin.ID, s)
}

// wrap names the symbol in an error that is not the guest's.
func (n *node) wrap(err error) error { return fmt.Errorf("%s: %w", n.symbol, err) }

func (n *node) errShut() error { return host.Errorf(host.ErrClosed, "%s: it is closed", n.symbol) }

// begin takes the turn; finish must follow.
func (n *node) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return n.wrap(err)
	}
	select {
	case <-n.life.Done():
		return n.errShut()
	case <-n.turn:
	default:
		select {
		case <-n.life.Done():
			return n.errShut()
		case <-ctx.Done():
			return n.wrap(ctx.Err())
		case <-n.turn:
		}
	}
	if n.life.Err() != nil {
		n.finish()
		return n.errShut()
	}
	return nil
}

func (n *node) finish() {
	n.turn <- struct{}{}
	if n.given.Load() {
		n.abandon()
	}
}

// abandon gives the instance back, unless somebody has the turn, who will.
func (n *node) abandon() {
	select {
	case <-n.turn:
		n.giveBack()
		n.turn <- struct{}{}
	default:
	}
}

// open implements Open of sources and sinks. After an error it may be called
// again.
func (n *node) open(ctx context.Context) error {
	if err := n.begin(ctx); err != nil {
		return err
	}
	defer n.finish()
	if n.held {
		return host.Errorf(host.ErrInvalid, "%s: it is open", n.symbol)
	}
	m := n.module
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return m.errClosed(n.symbol)
	}
	m.nodes[n] = struct{}{}
	m.mu.Unlock()
	err := m.pool.reserve(len(m.functions) > 0)
	if err == nil {
		n.held = true
		n.rest = time.Time{}
		if err = n.ready(ctx); err == nil {
			return nil
		}
	} else {
		err = n.wrap(err)
	}
	n.giveBack()
	return err
}

// ready makes sure of an instance in which the symbol is open.
func (n *node) ready(ctx context.Context) error {
	if n.in != nil {
		return nil
	}
	if !n.held {
		return host.Errorf(host.ErrInvalid, "%s: it is not open", n.symbol)
	}
	starting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.life, cancel)()
	in, err := n.module.pool.fresh(starting)
	if err != nil {
		if _, ok := errors.AsType[*host.GuestError](err); ok {
			n.fault()
		}
		if n.life.Err() != nil {
			return n.errShut()
		}
		return n.wrap(err)
	}
	in.node, in.call = n, n.call
	n.in = in
	n.current.Store(in)
	if n.kind.has(opOpen) {
		err = n.send(ctx, opOpen, n.opening, nil)
	}
	if err == nil && n.again != nil {
		err = n.send(ctx, opRewind, n.again, nil)
	}
	if err != nil && n.in != nil { // an orderly error
		n.drop()
		n.fault()
	}
	return err
}

// send runs an operation on a frame, or on the frame of a value, and reads its
// result. On a fault the instance is gone.
func (n *node) send(ctx context.Context, o op, raw []byte, v any) error {
	in, length := n.in, len(raw)
	in.renew()
	var err error
	if raw != nil {
		var to []byte
		if to, err = in.room(ctx, length); err == nil {
			copy(to, raw)
		}
	} else if length, err = in.write(ctx, v); errors.Is(err, host.ErrInvalid) {
		return n.wrap(err)
	}
	if err == nil {
		err = n.invoke(ctx, o, uint64(in.argPtr), uint64(length))
	}
	return n.judge(err)
}

// judge makes the error of an operation from the engine's, or from its result.
func (n *node) judge(err error) error {
	in, m := n.in, n.module
	if err != nil {
		_, cut := errors.AsType[*cutShort](err)
		err = m.fault(n.symbol.Name, in, err)
		n.drop()
		if !cut {
			n.fault()
		}
		return err
	}
	if _, fault, err := in.result(in.stack[0]); err != nil {
		err = m.badResult(n.symbol.Name, in, fault, err)
		if fault != host.FaultReturned {
			n.drop()
			n.fault()
		}
		return err
	}
	if in.out.n > 0 {
		m.log.Debug("printed", "symbol", n.symbol.String(), "text", in.out.String())
	}
	return nil
}

// invoke runs an operation on the frame of so many bytes in the guest's buffer.
// The result is in the instance's stack.
func (n *node) invoke(ctx context.Context, o op, ptr, length uint64) error {
	in, stack := n.in, n.in.stack[:0]
	if n.kind.dispatch {
		stack = append(stack, uint64(n.kind.number), uint64(o), uint64(n.handle), ptr, length)
	} else {
		stack = append(stack, uint64(n.handle))
		if o != opClose && o != opFlush {
			stack = append(stack, ptr, length)
		}
	}
	err := in.run(ctx, n.entry(o), stack)
	if o == opClose && !n.kind.dispatch {
		stack[0] = 0 // it has no result
	}
	return err
}

// poll runs the source's poll.
func (n *node) poll(now time.Time) (int64, error) {
	in, stack := n.in, n.in.stack[:0]
	in.renew()
	if n.kind.dispatch {
		stack = append(stack, uint64(n.kind.number))
	}
	stack = append(stack, uint64(n.handle), uint64(now.UnixMilli()))
	err := in.run(context.Background(), n.entry(opPoll), stack)
	return int64(stack[0]), err
}

// entry is the exported function of an operation.
func (n *node) entry(o op) api.Function {
	if n.fns[o] == nil {
		fn := n.in.mod.ExportedFunction(n.kind.exports[o])
		n.fns[o] = fn
		for p := range opCount {
			if n.kind.exports[p] == n.kind.exports[o] {
				n.fns[p] = fn
			}
		}
	}
	return n.fns[o]
}

// drop ends the instance.
func (n *node) drop() {
	in := n.in
	n.in, n.fns = nil, [opCount]api.Function{}
	n.current.Store(nil)
	if in != nil {
		in.node, in.call = nil, nil
		n.module.pool.discard(in)
	}
}

// The pauses before an instance is started again, while nothing passes.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 30 * time.Second
)

// pause is how long to wait after so many faults in a row. The first costs
// nothing.
func pause(faults int) time.Duration {
	if faults < 2 {
		return 0
	}
	return min(maxPause, firstPause<<min(20, faults-2))
}

// fault counts a fault and sets when to try again.
func (n *node) fault() {
	n.faults++
	n.rest = time.Now().Add(pause(n.faults))
}

// shut ends the node, see sentence 5 of its type. Calling it again waits for the
// end and has no error of its own.
func (n *node) shut(ctx context.Context) error {
	n.end()
	select {
	case <-n.turn:
	case <-ctx.Done():
		if in := n.current.Load(); in != nil {
			in.kill()
		}
		timer := time.NewTimer(forced)
		defer timer.Stop()
		select {
		case <-n.turn:
		case <-timer.C:
			n.given.Store(true)
			n.abandon()
			return fmt.Errorf("%s: a call could not be forced to end, and holds its memory until it does", n.symbol)
		}
	}
	defer n.finish()
	var err error
	switch {
	case n.in == nil:
	case ctx.Err() == nil:
		err = n.part(ctx)
	case n.kind.has(opFlush):
		err = fmt.Errorf("%s: what it holds is lost: %w", n.symbol, ctx.Err())
	}
	n.giveBack()
	return err
}

// part has the guest write what it holds and close.
func (n *node) part(ctx context.Context) error {
	var errs [2]error
	for i, o := range [...]op{opFlush, opClose} {
		if n.in == nil || !n.kind.has(o) {
			continue
		}
		n.in.renew()
		errs[i] = n.judge(n.invoke(ctx, o, 0, 0))
	}
	return errors.Join(errs[:]...)
}

// giveBack gives back what open took.
func (n *node) giveBack() {
	n.drop()
	if n.held {
		n.held = false
		n.module.pool.unreserve()
	}
	n.module.mu.Lock()
	defer n.module.mu.Unlock()
	delete(n.module.nodes, n)
}

// write encodes v straight into the guest's buffer where it fits, and returns
// the frame's length.
func (in *instance) write(ctx context.Context, v any) (int, error) {
	to, err := view(in.memory, in.argPtr, in.argCap)
	if err != nil {
		return 0, err
	}
	b, err := in.encoder.Append(to[:0:len(to)], v)
	if err != nil {
		return 0, host.Errorf(host.ErrInvalid, "message: %v", err)
	}
	if len(b) <= len(to) {
		return len(b), nil
	}
	// It has outgrown the buffer, into memory of the host.
	if to, err = in.room(ctx, len(b)); err != nil {
		return 0, err
	}
	return copy(to, b), nil
}
