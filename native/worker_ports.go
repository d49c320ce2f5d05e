package native

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
)

// newTimeout bounds what has no context of its own: the constructor of a source
// or a sink, and Validate.
const newTimeout = 10 * time.Second

func (m *isolated) has(k host.Kind, name string) error {
	if slices.Contains(m.manifest.List(), host.Symbol{Kind: k, Name: name}) {
		return nil
	}
	return host.Errorf(host.ErrNotFound, "%s: %s %s: not found", m.guest.id, k, name)
}

// Function implements host.Module.
func (m *isolated) Function(name string) (host.Function, error) {
	if err := m.has(host.KindFunction, name); err != nil {
		return nil, err
	}
	f := &remoteFunction{m: m, name: name, signature: host.Signature{Variadic: true, NullCall: true}}
	if s, ok := m.manifest.Symbols[name]; ok {
		f.signature = s
	}
	f.signature.Aggregate = slices.Contains(m.aggregate, name)
	return f, nil
}

// remoteFunction is a function in a worker.
type remoteFunction struct {
	m         *isolated
	name      string
	signature host.Signature
}

var _ host.Function = (*remoteFunction)(nil)

// Signature implements host.Function.
func (f *remoteFunction) Signature() *host.Signature { return &f.signature }

// Validate implements host.Function.
func (f *remoteFunction) Validate(args []any) error {
	if err := f.signature.Check(args); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), newTimeout)
	defer cancel()
	_, err := f.m.call(ctx, f.name, opValidate, f.name, args)
	return err
}

// Exec implements host.Function. An argument that has no form in a frame, such as
// text that is not UTF-8, is ErrInvalid.
func (f *remoteFunction) Exec(ctx context.Context, c *host.Call, args []any) (any, error) {
	if err := f.signature.Check(args); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	if !f.signature.NullCall && !f.signature.Aggregate && slices.Contains(nulls(args), true) {
		return nil, nil
	}
	if c == nil {
		c = &host.Call{}
	}
	v, err := f.m.call(ctx, f.name, opExec, f.name, c.Rule, c.Op, c.Instance, c.Run, c.Func, args)
	if err != nil || f.signature.Returns == host.TypeAny || v == nil {
		return v, err
	}
	if v, err = f.signature.Returns.Conform(v); err != nil {
		return nil, f.m.guest.fault(f.name, host.FaultResult, err)
	}
	return v, nil
}

// nulls tells which arguments are nil.
func nulls(args []any) []bool {
	list := make([]bool, len(args))
	for i, a := range args {
		list[i] = a == nil
	}
	return list
}

// remoteNode is a source or a sink in a worker: the same handle in each worker
// that it is opened in. A worker that died took it along; its next use opens it
// in the next one.
type remoteNode struct {
	m      *isolated
	symbol host.Symbol
	call   host.Call // on whose behalf it runs
	props  any       // a map
	handle int64

	// One goroutine uses what follows.
	at     *child // the worker that it is open in
	opened bool
	closed atomic.Bool
}

// newNode makes the node in the worker, which refuses what cannot be.
func (m *isolated) newNode(kind host.Kind, name string, c *host.Call, props host.Props) (*remoteNode, error) {
	if err := m.has(kind, name); err != nil {
		return nil, err
	}
	p, err := toValue(map[string]any(props))
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "%s %s: properties: %v", kind, name, err)
	}
	n := &remoteNode{m: m, symbol: host.Symbol{Kind: kind, Name: name}, props: p, handle: m.handles.Add(1)}
	if c != nil {
		n.call = *c
	}
	ctx, cancel := context.WithTimeout(context.Background(), newTimeout)
	defer cancel()
	if !m.guest.calls.Enter() {
		return nil, n.errClosed()
	}
	defer m.guest.calls.Leave()
	return n, n.make(ctx)
}

func (n *remoteNode) errClosed() error { return n.m.guest.errClosed(n.symbol.String()) }

// make makes the node in the worker that serves.
func (n *remoteNode) make(ctx context.Context) error {
	c, err := n.m.worker(ctx, n.symbol.Name)
	if err != nil {
		return err
	}
	if _, err := c.ask(ctx, n.symbol.Name, opNew, n.handle, n.symbol.Kind.String(), n.symbol.Name,
		n.call.Rule, n.call.Op, n.call.Instance, n.call.Run, n.props); err != nil {
		return err
	}
	n.at = c
	return nil
}

// Open implements host.Source and host.Sink.
func (n *remoteNode) Open(ctx context.Context) error {
	if n.closed.Load() {
		return n.errClosed()
	}
	if n.opened {
		return host.Errorf(host.ErrInvalid, "%s: %s: opened twice", n.m.guest.id, n.symbol)
	}
	if !n.m.guest.calls.Enter() {
		return n.errClosed()
	}
	defer n.m.guest.calls.Leave()
	if err := n.open(ctx); err != nil {
		return err
	}
	n.opened = true
	return nil
}

// open opens it in the worker that serves.
func (n *remoteNode) open(ctx context.Context) error {
	if n.at == nil || !n.at.alive() {
		if err := n.make(ctx); err != nil {
			return err
		}
	}
	_, err := n.at.ask(ctx, n.symbol.Name, opOpen, n.handle)
	if err != nil {
		n.at = nil // the worker has closed it
	}
	return err
}

// use runs fn with the worker that the node is open in. One that waits, as a
// source does for a row, is not counted among the calls in flight: closing the
// module ends it at once.
func (n *remoteNode) use(ctx context.Context, waits bool, fn func(*child) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", n.symbol, err)
	}
	if n.closed.Load() || !n.opened || !n.m.guest.calls.Enter() {
		return n.errClosed()
	}
	err := n.reopen(ctx)
	if waits {
		n.m.guest.calls.Leave()
	} else {
		defer n.m.guest.calls.Leave()
	}
	if err != nil {
		return err
	}
	return fn(n.at)
}

func (n *remoteNode) reopen(ctx context.Context) error {
	if n.at != nil && n.at.alive() {
		return nil
	}
	return n.open(ctx)
}

// Close implements host.Source and host.Sink. Closing twice is fine.
func (n *remoteNode) Close(ctx context.Context) error {
	if n.closed.Swap(true) || n.at == nil || !n.at.alive() || !n.m.guest.calls.Enter() {
		return nil
	}
	defer n.m.guest.calls.Leave()
	_, err := n.at.ask(ctx, n.symbol.Name, opShut, n.handle)
	if !n.at.alive() {
		return nil // that is closed too
	}
	return err
}

// Sink implements host.Module.
func (m *isolated) Sink(name string, c *host.Call, props host.Props) (host.Sink, error) {
	n, err := m.newNode(host.KindSink, name, c, props)
	if err != nil {
		return nil, err
	}
	return &remoteSink{n}, nil
}

// remoteSink is a sink in a worker. A message whose write failed with the worker
// may have been written or not.
type remoteSink struct{ *remoteNode }

var _ host.Sink = (*remoteSink)(nil)

// Write implements host.Sink.
func (s *remoteSink) Write(ctx context.Context, m host.Message) error {
	value := m.Value
	if rows, ok := value.([]map[string]any); ok {
		l := make([]any, len(rows))
		for i, row := range rows {
			l[i] = row
		}
		value = l
	}
	var meta any
	if m.Meta != nil {
		meta = m.Meta
	}
	return s.use(ctx, false, func(c *child) error {
		_, err := c.ask(ctx, s.symbol.Name, opWrite, s.handle, value, meta, moment(m.Time))
		return err
	})
}

// Source implements host.Module.
func (m *isolated) Source(name string, c *host.Call, props host.Props) (host.Source, error) {
	n, err := m.newNode(host.KindSource, name, c, props)
	if err != nil {
		return nil, err
	}
	return &remoteSource{remoteNode: n}, nil
}

// remoteSource is a source in a worker. It cannot be rewound.
type remoteSource struct {
	*remoteNode
	late *request // a Next that was given up; what it brings is not lost
	in   *child   // where late was asked
}

var _ host.Source = (*remoteSource)(nil)

// Next implements host.Source.
func (s *remoteSource) Next(ctx context.Context) (msg host.Message, err error) {
	err = s.use(ctx, true, func(c *child) error {
		for {
			r, again := s.late, s.late != nil
			if again {
				c = s.in
			} else if r, err = c.begin(ctx, s.symbol.Name, opNext, s.handle); err != nil {
				return err
			}
			s.late = nil
			a, ok := c.await(ctx, r)
			if !ok {
				s.late, s.in = r, c
				c.cancel(r)
				return c.ended(ctx, s.symbol.Name)
			}
			if again && errors.Is(a.err, context.Canceled) {
				c = s.at
				continue // it had brought nothing
			}
			if a.err == nil {
				msg, a.err = s.message(a.value)
			}
			return a.err
		}
	})
	if errors.Is(err, host.ErrInterrupted) {
		err = s.errClosed() // nothing of a reader's is cut off
	}
	return msg, err
}

// message makes a message of a reply.
func (s *remoteSource) message(v any) (m host.Message, _ error) {
	list, _ := v.([]any)
	f := fields{list: list}
	m.Value, m.Meta, m.Time = nextAny(&f), nextMap(&f), nextTime(&f)
	if err := f.end("a message"); err != nil {
		return host.Message{}, s.m.guest.fault(s.symbol.Name, host.FaultResult, err)
	}
	return m, nil
}
