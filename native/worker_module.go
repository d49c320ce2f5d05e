package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
)

// The back-off of a worker that dies without having answered anything.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 30 * time.Second
	// patience is how long a call waits for the next start; one that would have
	// to wait longer fails at once.
	patience = time.Second
)

// startSymbol stands for the plugin as a whole in the errors of its start.
const startSymbol = "start"

// isolated is a loaded .so file that runs in a worker process, see Worker. Many
// builds of one plugin run at once, each in workers of its own, and nothing of
// it stays when it is closed.
//
// A worker that dies fails the calls in it, each with a *host.GuestError. The
// next call starts another. One that died without having answered anything is
// followed by the next after a delay, which doubles from 0.1 s to 30 s; meanwhile
// calls fail with host.ErrUnavailable, unless the delay is nearly over.
type isolated struct {
	rt       *Runtime
	command  []string
	path     string
	guest    *guest // who it is, the gate of its calls; its memory is not used
	manifest host.Manifest
	state    *host.State

	aggregate []string // functions; valid once it was loaded

	handles atomic.Int64 // of sources and sinks
	closer  sync.Once

	mu       sync.Mutex    // guards what follows
	cur      *child        // may be dead
	starting chan struct{} // closed when the start under way has ended; nil when there is none
	fails    int           // deaths in a row without an answer
	after    time.Time     // no start before
	reason   error         // of the last failure
}

var _ host.Module = (*isolated)(nil)

// isolate loads a bundle into a worker. The file has been judged.
func (r *Runtime) isolate(ctx context.Context, b host.Bundle, path string, command []string) (host.Module, error) {
	g, err := newGuest(b, guestOptions{Home: r.opts.Home, Log: r.opts.Log})
	if err != nil {
		return nil, err
	}
	m := &isolated{
		rt: r, command: command, path: path,
		guest: g, manifest: b.Plugin.Manifest, state: g.memory.kept,
	}
	c, aggregate, err := m.start(ctx)
	if e, ok := errors.AsType[*host.GuestError](err); ok && e.Symbol == startSymbol { // it died
		err = host.Errorf(host.ErrInvalid, "cannot open %s: %v", path, err)
	}
	if err != nil {
		return nil, errors.Join(err, g.close(ctx))
	}
	m.cur, m.aggregate = c, aggregate
	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.modules[m] = struct{}{}
	}
	r.mu.Unlock()
	if closed {
		return nil, errors.Join(errRuntimeClosed(), m.Close(ctx))
	}
	return m, nil
}

// start starts a worker that has opened the plugin.
func (m *isolated) start(ctx context.Context) (_ *child, aggregate []string, err error) {
	limited, cancel := context.WithTimeout(ctx, m.rt.opts.ProbeTimeout)
	defer cancel()
	c, err := startChild(m, m.command)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			c.link.fail(errLinkShut)
			<-c.gone
		}
	}()
	id, man := m.guest.id, m.manifest
	v, err := c.ask(limited, startSymbol, opStart, string(id.Class), id.Name, man.Version, man.Executable, m.guest.opts.Home,
		stringList(man.Functions), stringList(man.Sources), stringList(man.Sinks))
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case limited.Err() != nil:
		return nil, nil, host.Errorf(host.ErrInvalid, "cannot open %s: the worker process did not open it within %v", m.path, m.rt.opts.ProbeTimeout)
	case err != nil:
		return nil, nil, err
	}
	f := fields{list: []any{v}}
	if aggregate = nextStrings(&f); f.bad {
		return nil, nil, fmt.Errorf("%s: the worker process %w", m.path, errProtocol)
	}
	return c, aggregate, nil
}

// worker returns the worker that serves, and starts one when there is none. It
// is called inside the gate.
func (m *isolated) worker(ctx context.Context, symbol string) (*child, error) {
	for {
		m.mu.Lock()
		cur, wait := m.cur, m.starting
		if cur != nil && cur.alive() {
			m.mu.Unlock()
			return cur, nil
		}
		if cur != nil && wait == nil {
			wait = cur.gone
			if cur.isGone() {
				m.settle(cur)
				wait = nil
			}
		}
		if wait == nil {
			delay := time.Until(m.after)
			if delay > patience {
				err := host.Errorf(host.ErrUnavailable, "%s: the worker process starts again in %v: %v", symbol, delay.Round(time.Millisecond), m.reason)
				m.mu.Unlock()
				return nil, err
			}
			done := make(chan struct{})
			m.starting = done
			m.mu.Unlock()
			return m.startAfter(ctx, symbol, delay, done)
		}
		m.mu.Unlock()
		if err := m.pause(ctx, symbol, wait); err != nil {
			return nil, err
		}
	}
}

// pause waits for an event.
func (m *isolated) pause(ctx context.Context, symbol string, event <-chan struct{}) error {
	select {
	case <-event:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", symbol, ctx.Err())
	case <-m.guest.life.Done():
		return m.guest.errClosed(symbol)
	}
}

// settle draws the balance of a dead worker. It requires m.mu.
func (m *isolated) settle(c *child) {
	m.cur = nil
	m.guest.log.Warn("a worker process has ended", "pid", c.pid, "error", c.fatal.Error(), "answered", c.answered.Load())
	if c.answered.Load() > 0 {
		m.fails, m.after = 0, time.Time{}
		return
	}
	m.failed(c.fatal)
}

// failed sets the delay. It requires m.mu.
func (m *isolated) failed(err error) {
	delay := min(lastDelay, firstDelay<<min(m.fails, 16))
	m.fails++
	m.after, m.reason = time.Now().Add(delay), err
}

// startAfter starts the next worker; done tells others that it came to an end.
func (m *isolated) startAfter(ctx context.Context, symbol string, delay time.Duration, done chan struct{}) (_ *child, err error) {
	var c *child
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.starting = nil
		if err == nil {
			m.cur = c
		} else if ctx.Err() == nil && m.guest.life.Err() == nil {
			m.failed(err)
		}
		close(done)
	}()
	if delay > 0 {
		over := make(chan struct{})
		t := time.AfterFunc(delay, func() { close(over) })
		defer t.Stop()
		if err := m.pause(ctx, symbol, over); err != nil {
			return nil, err
		}
	}
	if c, _, err = m.start(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", symbol, err)
	}
	return c, nil
}

// alive reports whether requests can be answered.
func (c *child) alive() bool {
	select {
	case <-c.dying:
		return false
	case <-c.exited:
		return false
	default:
		return true
	}
}

func (c *child) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// call asks the worker that serves.
func (m *isolated) call(ctx context.Context, symbol string, op int, values ...any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", symbol, err)
	}
	if !m.guest.calls.Enter() {
		return nil, m.guest.errClosed(symbol)
	}
	defer m.guest.calls.Leave()
	c, err := m.worker(ctx, symbol)
	if err != nil {
		return nil, err
	}
	return c.ask(ctx, symbol, op, values...)
}

// Symbols implements host.Module.
func (m *isolated) Symbols() []host.Symbol { return m.manifest.List() }

// Close implements host.Module. It takes the time that ctx allows for the calls
// in flight, and at most the two graces of the worker.
func (m *isolated) Close(ctx context.Context) error {
	err := m.guest.close(ctx)
	m.closer.Do(func() {
		m.mu.Lock()
		c := m.cur
		m.mu.Unlock()
		if c != nil {
			c.stop()
		}
		m.rt.mu.Lock()
		defer m.rt.mu.Unlock()
		delete(m.rt.modules, m)
	})
	return err
}

// keep applies what a worker tells of the plugin's state.
func (m *isolated) keep(f fields) error {
	for _, item := range field[[]any](&f) {
		c, _ := item.([]any)
		g := fields{list: c}
		scope, key := string(field[[]byte](&g)), string(field[[]byte](&g))
		counter, value := field[bool](&g), nextAny(&g)
		if err := g.end("a change of state"); err != nil {
			return err
		}
		var err error
		switch v := value.(type) {
		case nil:
			m.state.Delete(scope, key)
		case []byte:
			err = m.state.Put(scope, key, v)
		case int64:
			if !counter {
				return fmt.Errorf("%w: a value that is a number", errProtocol)
			}
			_, err = m.state.Add(scope, key, v)
		default:
			return fmt.Errorf("%w: a value that is no bytes", errProtocol)
		}
		if err != nil {
			m.guest.log.Warn("state of a worker process is not kept", "key", key, "error", err.Error())
		}
	}
	return f.end("changes of state")
}

// logged writes what the plugin logged.
func (m *isolated) logged(f fields) error {
	level, text := field[int64](&f), field[string](&f)
	attrs := nextStrings(&f)
	if err := f.end("a line of the log"); err != nil {
		return err
	}
	if len(attrs)%2 != 0 {
		return fmt.Errorf("%w: a line of the log with half an attribute", errProtocol)
	}
	args := make([]any, 0, len(attrs)/2)
	for pair := range slices.Chunk(attrs, 2) {
		args = append(args, slog.String(pair[0], pair[1]))
	}
	m.guest.log.Log(context.Background(), slog.Level(level), text, args...)
	return nil
}
