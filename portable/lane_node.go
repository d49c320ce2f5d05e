package portable

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// laneNode is a source or a sink on the fast lane. Its handle is the id of the
// request that opened it.
type laneNode struct {
	l      *lane
	n      *node
	handle uint32
	gone   chan struct{} // closed when it is stopped
	once   sync.Once
	room   int // messages that the plugin may still send; of the reader, and of credit
	mu     sync.Mutex
}

// laneNodes finds nodes by their handles.
type laneNodes struct {
	taken atomic.Uint32 // frames
	mu    sync.Mutex    // guards what follows
	open  map[uint32]*laneNode
}

func (s *laneNodes) init() { s.open = map[uint32]*laneNode{} }

// some reports whether there are nodes.
func (s *laneNodes) some() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) > 0
}

// put registers a node; false when the handle is in use.
func (s *laneNodes) put(a *laneNode) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[a.handle] != nil {
		return false
	}
	s.open[a.handle] = a
	return true
}

// remove forgets a node; false when it was not there.
func (s *laneNodes) remove(handle uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, was := s.open[handle]
	delete(s.open, handle)
	return was
}

// enrol registers a node, whose messages the watcher reads.
func (l *lane) enrol(a *laneNode) bool {
	if !l.nodes.put(a) {
		return false
	}
	l.pending.opened(1)
	return true
}

func (l *lane) strike(a *laneNode) {
	if l.nodes.remove(a.handle) {
		l.pending.opened(-1)
	}
}

// attach implements link.
func (l *lane) attach(ctx context.Context, n *node) (attachment, error) {
	seat, err := l.seat(&n.call)
	if err != nil {
		return nil, err
	}
	a := &laneNode{l: l, n: n, gone: make(chan struct{})}
	var w *waiter
	for {
		if w, a.handle, err = l.pending.add(nil, nil); err != nil {
			return nil, err
		}
		if l.enrol(a) {
			break
		}
		l.pending.drop(w, false)
	}
	op, fields := byte(opOpenSink), map[string]any{"config": map[string]any(n.props)}
	if n.symbol.Kind == host.KindSource {
		op = opOpenSource
		fields["datasource"] = n.target().DataSource
	}
	if n.props == nil {
		fields["config"] = map[string]any{}
	}
	_, err = l.askAs(ctx, w, nil, head{op: op, symbol: l.number(n.symbol.Kind, n.symbol.Name), context: seat}, func(b []byte) ([]byte, error) {
		return frame.Append(b, fields)
	})
	if err != nil {
		l.strike(a)
		return nil, l.said(n.symbol.Name, err)
	}
	if n.symbol.Kind == host.KindSink {
		return laneSink{a}, nil
	}
	return laneSource{a}, nil
}

// detach implements attachment.
func (a *laneNode) detach(ctx context.Context) error {
	a.once.Do(func() { close(a.gone) })
	defer a.l.strike(a)
	_, err := a.l.ask(ctx, nil, head{op: opClose, context: a.handle}, nil)
	return a.l.said(a.n.symbol.Name, err)
}

// drop implements attachment.
func (a *laneNode) drop() {
	a.l.listen()
	a.once.Do(func() { close(a.gone) })
	a.l.strike(a)
}

// laneSource is a source on the lane.
type laneSource struct{ *laneNode }

func (s laneSource) credit(n int) {
	s.mu.Lock()
	s.room += n
	s.mu.Unlock()
	_ = s.l.send(head{op: opCredit, id: uint32(n), context: s.handle}, nil) // the end of the process is told otherwise
}

// take gives a source what its plugin sent. The error is the plugin's breach.
func (s *laneNodes) take(h head, payload []byte) error {
	defer s.taken.Add(1)
	s.mu.Lock()
	a := s.open[h.context]
	s.mu.Unlock()
	if a == nil {
		return nil // it was stopped meanwhile
	}
	it, err := a.decode(h, payload)
	if err != nil {
		return err
	}
	if h.op == opMessage {
		a.l.p.useful.Store(true)
		a.mu.Lock()
		a.room--
		short := a.room < 0
		a.mu.Unlock()
		if short {
			return fmt.Errorf("%w: %s sent more messages than it had credit for", errProtocol, a.n.symbol)
		}
	}
	// Messages have room by their credit; errors may find none, and are then the
	// less.
	if h.op == opFailure {
		gone := make(chan struct{})
		close(gone)
		a.n.deliver(it, gone)
		return nil
	}
	a.n.deliver(it, a.gone)
	return nil
}

func (a *laneNode) decode(h head, payload []byte) (it arrival, err error) {
	switch h.op {
	case opEnd:
		it.last = true
		if h.flags&flagError != 0 {
			if it.err = a.l.said(a.n.symbol.Name, a.l.refused(payload)); errors.Is(it.err, errProtocol) {
				return it, it.err
			}
		}
		return it, nil
	case opFailure:
		v, err := frame.Decode(payload)
		text, ok := v.(string)
		if err != nil || !ok {
			return it, fmt.Errorf("%w: a failure of %s without a text", errProtocol, a.n.symbol)
		}
		it.err = &sourceError{text}
		return it, nil
	}
	list, err := frame.DecodeArgs(payload)
	if err != nil || len(list) != 3 {
		return it, fmt.Errorf("%w: a message of %s that is not a list of value, meta and time: %v", errProtocol, a.n.symbol, err) //nolint:errorlint // told, not tested
	}
	it.message.Value = list[0]
	it.message.Meta, _ = list[1].(map[string]any)
	if it.message.Meta == nil {
		it.message.Meta = map[string]any{}
	}
	var ok bool
	if it.message.Time, ok = list[2].(time.Time); !ok {
		it.message.Time = time.Now()
	}
	return it, nil
}

// laneSink is a sink on the lane. Every message is acknowledged.
type laneSink struct{ *laneNode }

func (laneSink) acknowledges() bool { return true }

func (s laneSink) write(_ context.Context, p *parcel) error {
	w, id, err := s.l.pending.add(nil, func(failed bool, payload []byte, err error) {
		if err != nil {
			return // the next process gets it
		}
		s.l.p.useful.Store(true)
		if failed {
			err = s.l.said(s.n.symbol.Name, s.l.refused(payload))
		}
		s.n.acked(p.seq, err)
	})
	if err != nil {
		return err
	}
	m := p.message
	err = s.l.send(head{op: opWrite, id: id, context: s.handle}, func(b []byte) ([]byte, error) {
		var meta, at any
		if m.Meta != nil {
			meta = m.Meta
		}
		if !m.Time.IsZero() {
			at = m.Time
		}
		b, err := frame.AppendArgs(b, []any{rows(m.Value), meta, at})
		if err != nil {
			err = host.Errorf(host.ErrInvalid, "%v", err)
		}
		return b, err
	})
	if err != nil && s.l.pending.giveUp(w) && errors.Is(err, host.ErrInvalid) {
		s.n.acked(p.seq, nil) // it can never be sent
	}
	return err
}

// rows brings a list of rows into the form that frames have.
func rows(v any) any {
	list, ok := v.([]map[string]any)
	if !ok {
		return v
	}
	out := make([]any, len(list))
	for i, m := range list {
		out[i] = m
	}
	return out
}
