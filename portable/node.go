package portable

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/vanth-io/vanth/host"
)

// node is what sources and sinks have in common: one that is open runs in a
// process of its slot, and is started again in the next when that one ends.
type node struct {
	m      *module
	symbol host.Symbol
	call   host.Call // whose rule and operator name its sockets
	props  host.Props
	slot   *slot // set by open
	// resume runs in attach, before anybody else sees the attachment; fade when
	// the process is gone.
	resume func(context.Context, attachment) error
	fade   func()
	// room is how many messages of a source there is room for. It requires mu.
	room func() int

	done chan struct{} // closed when the node is over
	// What the links tell: deliver a source, acked a sink.
	deliver func(a arrival, gone <-chan struct{}) bool
	acked   func(seq uint32, err error)

	mu      sync.Mutex // guards what follows
	at      attachment // nil while no process runs it
	of      *process
	changed chan struct{} // closed at the next change of at
	opened  bool
	ended   error // why it is over
	refused error // why the process that serves does not run it, nil when it does
}

func newNode(m *module, s host.Symbol, c *host.Call, props host.Props) (*node, error) {
	n := &node{m: m, symbol: s, props: props, done: make(chan struct{}), changed: make(chan struct{})}
	if c != nil {
		n.call = *c
	}
	if n.call.Rule == "" {
		n.call.Rule = noRule
	}
	if n.call.Op == "" {
		n.call.Op = s.Name
	}
	if strings.ContainsAny(n.call.Rule+n.call.Op, "/\x00") {
		return nil, host.Errorf(host.ErrInvalid, "%s: rule %q, operator %q: they name sockets, so no slash may be in them", s, n.call.Rule, n.call.Op)
	}
	return n, nil
}

// path is the part of its socket names that tells nodes apart.
func (n *node) path() string { return fmt.Sprintf("%s_%s_%d", n.call.Rule, n.call.Op, n.call.Instance) }

// open starts the node in the slot that runs the fewest.
func (n *node) open(ctx context.Context) error {
	m := n.m
	m.mu.Lock()
	load := map[*slot]int{}
	for o := range m.nodes {
		load[o.slot]++
		if o.path() == n.path() && o.symbol.Kind == n.symbol.Kind {
			m.mu.Unlock()
			return host.Errorf(host.ErrInUse, "%s: %s of rule %s is open already", m.id, n.symbol, n.call.Rule)
		}
	}
	if n.opened {
		m.mu.Unlock()
		return host.Errorf(host.ErrInvalid, "%s: %s: opened twice", m.id, n.symbol)
	}
	n.opened = true
	n.slot = m.slots[0]
	for _, s := range m.slots {
		if load[s] < load[n.slot] {
			n.slot = s
		}
	}
	m.nodes[n] = struct{}{}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, m.rt.opts.InitTimeout)
	defer cancel()
	err := n.slot.run(ctx, n.attach)
	if err != nil {
		if at := n.over(m.errClosed(n.symbol.String())); at != nil {
			at.drop()
		}
		return n.explain(err)
	}
	return nil
}

// attach starts the node in a process. The supervisor of the slot calls it.
func (n *node) attach(ctx context.Context, p *process) error {
	n.mu.Lock()
	skip := n.ended != nil || n.of == p
	n.mu.Unlock()
	if skip {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, n.m.rt.opts.InitTimeout)
	defer cancel()
	at, err := p.link.attach(ctx, n)
	if err == nil && n.resume != nil {
		err = n.resume(ctx, at)
	}
	if err != nil {
		if at != nil {
			err = errors.Join(err, at.detach(ctx))
		}
		n.mu.Lock()
		n.refused = err
		n.mu.Unlock()
		return err
	}
	room := 0
	n.mu.Lock()
	ended := n.ended
	if ended == nil {
		n.at, n.of, n.refused = at, p, nil
		if n.room != nil {
			room = n.room()
		}
		n.announce()
	}
	n.mu.Unlock()
	if ended != nil {
		_ = at.detach(ctx)
	} else if source, ok := at.(sourceAttachment); ok {
		source.credit(room)
	}
	return ended
}

// announce wakes those who wait for a change. It requires n.mu.
func (n *node) announce() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// lost is told that a process serves no more.
func (n *node) lost(p *process) {
	n.mu.Lock()
	at := n.at
	mine := n.of == p && at != nil
	if mine {
		n.at, n.of = nil, nil
		n.announce()
	}
	n.mu.Unlock()
	if mine {
		at.drop() // its late acknowledgements are not the next one's
	}
	if mine && n.fade != nil && n.m.life.Err() == nil {
		n.fade()
	}
}

// attached returns the attachment, or waits for one.
func (n *node) attached(ctx context.Context) (attachment, error) {
	for {
		n.mu.Lock()
		at, changed, ended := n.at, n.changed, n.ended
		n.mu.Unlock()
		if ended != nil {
			return nil, ended
		}
		if at != nil {
			return at, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			n.m.mu.Lock()
			opened := n.opened
			n.m.mu.Unlock()
			if !opened {
				return nil, host.Errorf(host.ErrInvalid, "it is not open")
			}
			n.mu.Lock()
			refused := n.refused
			n.mu.Unlock()
			if refused == nil {
				refused = n.slot.unavailable()
			}
			return nil, errors.Join(refused, ctx.Err())
		}
	}
}

// over ends the node; the first reason stays. It reports what ran.
func (n *node) over(why error) attachment {
	n.m.mu.Lock()
	delete(n.m.nodes, n)
	n.m.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended != nil {
		return nil
	}
	n.ended = why
	at := n.at
	n.at, n.of = nil, nil
	n.announce()
	close(n.done)
	return at
}

// close stops the node. It never waits for a process that is not there.
func (n *node) close(ctx context.Context) error {
	at := n.over(n.m.errClosed(n.symbol.String()))
	if at == nil {
		return nil
	}
	defer at.drop()
	ctx, cancel := context.WithTimeout(ctx, n.m.rt.opts.RecvTimeout)
	defer cancel()
	err := n.slot.run(ctx, func(ctx context.Context, p *process) error {
		ctx, cancel := context.WithTimeout(ctx, n.m.rt.opts.RecvTimeout)
		defer cancel()
		return at.detach(ctx)
	})
	if errors.Is(err, host.ErrClosed) || errors.Is(err, errGone) || errors.Is(err, host.ErrUnavailable) {
		return nil
	}
	if err != nil {
		return n.explain(err)
	}
	return nil
}

// explain turns an error of a link into one of the node.
func (n *node) explain(err error) error {
	if no, ok := errors.AsType[*refusal](err); ok {
		return n.m.returned(n.symbol.Name, no.text)
	}
	if errors.Is(err, errGone) {
		g := n.m.fault(n.symbol.Name, host.FaultExit, err)
		g.Output = n.m.out.Last(outputTail)
		return g
	}
	return fmt.Errorf("%s: %s: %w", n.m.id, n.symbol, err)
}
