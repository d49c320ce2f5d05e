package native

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// nodelet is what sources, lookups and sinks have in common.
type nodelet interface {
	api.Nodelet
	api.Connector
}

// node is the life of a source, a lookup or a sink of a plugin:
//
//  1. open: Provision, then Connect, each once
//  2. the work, on at most one goroutine, see work
//  3. close: the context that the plugin got ends; the work is waited for; then
//     the plugin's Close, which may free what still holds the work
//
// Code of a plugin cannot be interrupted. Each wait has a bound, and what has
// not returned by then is named in an error and left behind. Whatever step
// fails, later ones fail with ErrClosed.
type node struct {
	guest  *guest
	symbol host.Symbol
	impl   nodelet
	props  map[string]any
	ctx    *streamContext
	end    context.CancelFunc // of ctx
	status atomic.Pointer[connection]

	mu          sync.Mutex // guards what follows
	state       nodeState
	opener      *task
	worker      *task
	provisioned atomic.Bool
}

type nodeState uint8

const (
	nodeNew nodeState = iota
	nodeOpen
	nodeClosed
)

// connection is what a plugin last said of its connection.
type connection struct{ status, message string }

// newNode makes the node of a symbol. report takes the errors that the plugin
// sets on its context.
func newNode(g *guest, s host.Symbol, impl nodelet, props map[string]any, c *host.Call, report func(error)) *node {
	n := &node{guest: g, symbol: s, impl: impl, props: props}
	life, end := context.WithCancel(g.life)
	n.end = end
	n.ctx = g.newContext(life, s, c, report)
	return n
}

// connectionStatus returns "connected", "connecting" or "disconnected" as the
// plugin last said it, with its message; "" when it has said nothing.
func (n *node) connectionStatus() (status, message string) {
	if c := n.status.Load(); c != nil {
		return c.status, c.message
	}
	return "", ""
}

// open provisions and connects. between runs after Provision. changed, which may
// be nil, is told of each status. After an error everything is closed.
func (n *node) open(ctx context.Context, between func(), changed func(status, message string)) error {
	t, err := n.beginOpen(between, changed)
	if err != nil {
		return err
	}
	err = t.wait(ctx)
	if err == nil && n.ctx.Context.Err() != nil {
		err = n.errClosed()
	}
	if err != nil {
		err = errors.Join(err, n.close(context.WithoutCancel(ctx)))
		return fmt.Errorf("%s: %w", n.symbol, err)
	}
	return nil
}

func (n *node) beginOpen(between func(), changed func(status, message string)) (*task, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.state == nodeClosed || n.guest.life.Err() != nil:
		return nil, n.errClosed()
	case n.state == nodeOpen:
		return nil, host.Errorf(host.ErrInvalid, "%s: %s: opened twice", n.guest.id, n.symbol)
	}
	n.state = nodeOpen
	handler := func(status, message string) {
		n.status.Store(&connection{status, message})
		if changed != nil {
			changed(status, message)
		}
	}
	n.opener = n.guest.begin(n.symbol.Name, "Provision", func() error {
		if err := n.impl.Provision(n.ctx, n.props); err != nil {
			return n.guest.returnedBy(n.symbol.Name, "Provision", err)
		}
		n.provisioned.Store(true)
		between()
		return n.guest.guard(n.symbol.Name, "Connect", func() error {
			if n.ctx.Context.Err() != nil {
				return n.errClosed()
			}
			n.ctx.forget()
			if err := n.impl.Connect(n.ctx, handler); err != nil {
				return n.guest.returnedBy(n.symbol.Name, "Connect", err)
			}
			return nil
		})
	})
	return n.opener, nil
}

// work starts the goroutine of the node. It is called once, after open.
func (n *node) work(what string, fn func() error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != nodeOpen {
		return n.errClosed()
	}
	n.worker = n.guest.begin(n.symbol.Name, what, fn)
	return nil
}

// close ends the node. It takes the time that ctx allows, at most the grace,
// for the work to end, and the grace again for the plugin's Close. Closing
// twice is fine, and so is closing what was never opened.
func (n *node) close(ctx context.Context) error {
	n.mu.Lock()
	opened := n.state == nodeOpen
	n.state = nodeClosed
	opener, worker := n.opener, n.worker
	n.mu.Unlock()
	n.end()
	if !opened {
		return nil
	}
	wait, stop := context.WithTimeout(ctx, n.guest.opts.Grace)
	for _, t := range []*task{opener, worker} {
		if t.running() {
			_ = t.wait(wait) // what it says is told by open and by the work itself
		}
	}
	stop()
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), n.guest.opts.Grace)
	defer stop()
	var closer *task
	var err error
	if n.provisioned.Load() {
		closer = n.guest.begin(n.symbol.Name, "Close", func() error {
			n.ctx.forget()
			if err := n.impl.Close(n.ctx); err != nil {
				return n.guest.returnedBy(n.symbol.Name, "Close", err)
			}
			return nil
		})
		err = closer.wait(last)
	}
	var stuck []error
	for _, t := range []*task{opener, worker} {
		if t.running() {
			_ = t.wait(last)
		}
		if t.running() {
			stuck = append(stuck, fmt.Errorf("%s has not returned and is left behind: %w", t.what, context.DeadlineExceeded))
		}
	}
	if err = errors.Join(append(stuck, err)...); err != nil {
		return fmt.Errorf("%s: %s: close: %w", n.guest.id, n.symbol, err)
	}
	return nil
}

func (n *node) errClosed() error { return n.guest.errClosed(n.symbol.String()) }
