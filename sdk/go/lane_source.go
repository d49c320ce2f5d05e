//go:build !wasip1

package vanth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// openHandle begins to open a source or a sink; a goroutine or an executor of its own goes on.
func (l *lane) openHandle(h head, payload []byte) error {
	u := l.uses[h.context]
	if u == nil {
		return l.refuse(h.id, &Error{Msg: fmt.Sprintf("context %d is not known", h.context), Class: Fatal})
	}
	v, err := Value(payload)
	m, isMap := v.(map[string]any)
	config, _ := m["config"].(map[string]any)
	if err != nil || !isMap || config == nil && m["config"] != nil {
		return l.refuse(h.id, &Error{Msg: "what is to be opened is not described by a map", Class: Usage})
	}
	if config == nil {
		config = map[string]any{}
	}
	asJSON(config)
	ctx, cancel := context.WithCancel(l.ctx)
	c := newContext(ctx, u, l, l.plugin.log)
	var x handle
	var run func()
	if h.op == opOpenSource {
		if int(h.symbol) >= len(l.plugin.sources) {
			cancel()
			return l.refuse(h.id, &Error{Msg: fmt.Sprintf("no source %d of %d", h.symbol, len(l.plugin.sources)), Class: Fatal})
		}
		datasource, _ := m["datasource"].(string)
		s := &laneSource{id: h.id, context: c, cancel: cancel, more: make(chan struct{}, 1), closed: make(chan struct{})}
		create := l.plugin.sources[h.symbol].make
		x, run = s, func() { s.run(l, create, datasource, config) }
	} else {
		if int(h.symbol) >= len(l.plugin.sinks) {
			cancel()
			return l.refuse(h.id, &Error{Msg: fmt.Sprintf("no sink %d of %d", h.symbol, len(l.plugin.sinks)), Class: Fatal})
		}
		s := &laneSink{id: h.id, context: c, cancel: cancel}
		create := l.plugin.sinks[h.symbol].make
		x, run = s, func() { s.open(l, create, config) }
	}
	l.mu.Lock()
	taken := l.handles == nil || l.handles[h.id] != nil
	if !taken {
		l.handles[h.id] = x
		l.opened.Add(1)
	}
	l.mu.Unlock()
	if taken {
		cancel()
		return l.refuse(h.id, &Error{Msg: fmt.Sprintf("%d cannot be opened now", h.id), Class: Fatal})
	}
	run()
	return nil
}

// drop forgets a handle that has ended by itself.
func (l *lane) drop(id uint32, x handle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.handles[id] == x {
		delete(l.handles, id)
	}
}

// laneSource is an open source. It ends by itself, when the host closes it, or with the lane.
type laneSource struct {
	id      uint32
	context *streamContext
	cancel  context.CancelFunc
	allowed atomic.Int64  // messages it may still send
	more    chan struct{} // it may send more
	closed  chan struct{}
	err     error // of Close; read after closed
}

func (s *laneSource) credit(n uint32) {
	s.allowed.Add(int64(n))
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (s *laneSource) write(l *lane, id uint32, _ []byte) error {
	return l.refuse(id, &Error{Msg: fmt.Sprintf("%d is a source", s.id), Class: Fatal})
}

func (s *laneSource) close(l *lane, id uint32) {
	s.cancel()
	if id == 0 {
		return
	}
	l.spawn(func() {
		<-s.closed
		_ = l.done(id, s.err)
	})
}

func (s *laneSource) run(l *lane, create func() api.Source, datasource string, config map[string]any) {
	go func() {
		defer l.opened.Done()
		defer close(s.closed)
		defer s.cancel()
		var source api.Source
		err := guarded(func() error {
			if source = create(); source == nil {
				return errors.New("the source is nil")
			}
			return source.Configure(datasource, config)
		})
		if err != nil {
			l.drop(s.id, s)
			_ = l.refuse(s.id, err)
			return
		}
		if l.done(s.id, nil) != nil {
			return
		}
		pump := startSource(source, s.context)
		if ended, err := s.pump(l, pump); ended {
			h := head{op: opEnd, context: s.id}
			if err == nil {
				_ = l.out.send(alone(h), false)
			} else {
				h.flags = flagError
				_ = l.post(h, asError(err))
			}
			l.drop(s.id, s)
		}
		s.err = pump.close(s.cancel)
	}()
}

// pump sends what the source gives, as far as it may, until it ends (true) or is closed.
func (s *laneSource) pump(l *lane, p *sourcePump) (ended bool, _ error) {
	frame := make([]byte, 0, 512)
	opened := p.opened
	for {
		var in <-chan api.SourceTuple
		if s.allowed.Load() > 0 {
			in = p.tuples
		}
		select {
		case t := <-in:
			left := s.allowed.Add(-1)
			var err error
			if frame, err = appendTuple(append(frame[:0], noHead[:]...), t); err != nil {
				err = l.post(head{op: opFailure, context: s.id}, err.Error())
			} else {
				err = l.out.send(sealed(frame, head{op: opMessage, context: s.id}), left > 0 && len(p.tuples) > 0)
			}
			if err != nil {
				l.finish(quiet(err))
				return false, nil
			}
			if cap(frame) > keepBuffer {
				frame = nil
			}
		case err := <-p.errs:
			switch {
			case isPassing(err):
				_ = l.post(head{op: opFailure, context: s.id}, err.Error())
			case err != nil:
				return s.rest(l, p, err)
			}
		case err := <-opened:
			if err != nil {
				return s.rest(l, p, err)
			}
			opened = nil
		case <-s.more:
		case <-s.context.Done():
			return false, nil
		}
	}
}

// rest sends what the source had given before it ended with err. It is not ended (false) if the host
// closes it meanwhile.
func (s *laneSource) rest(l *lane, p *sourcePump, err error) (ended bool, _ error) {
	if errors.Is(err, io.EOF) {
		err = nil
	}
	for len(p.tuples) > 0 {
		for s.allowed.Load() <= 0 {
			select {
			case <-s.more:
			case <-s.context.Done():
				return false, nil
			}
		}
		s.allowed.Add(-1)
		frame, wrong := appendTuple(append([]byte(nil), noHead[:]...), <-p.tuples)
		if wrong == nil {
			wrong = l.out.send(sealed(frame, head{op: opMessage, context: s.id}), false)
		}
		if wrong != nil && err == nil {
			err = wrong
		}
	}
	return true, err
}

func isPassing(err error) bool {
	var p interface{ Passing() bool }
	return errors.As(err, &p) && p.Passing()
}

// appendTuple appends the list of value, meta and time, or returns dst and why it cannot.
func appendTuple(dst []byte, t api.SourceTuple) (_ []byte, err error) {
	out := appendHead(dst, kList, 3)
	err = guarded(func() error {
		if t == nil {
			return errors.New("a tuple is nil")
		}
		var err error
		if out, err = appendAny(out, t.Message()); err != nil {
			return err
		}
		if out, err = appendAny(out, t.Meta()); err != nil {
			return err
		}
		if at, ok := t.(interface{ Timestamp() time.Time }); ok && !at.Timestamp().IsZero() {
			out = appendTime(out, at.Timestamp())
		} else {
			out = append(out, 0xc0)
		}
		if len(out)-headSize > maxPayload {
			return errTooLarge
		}
		return nil
	})
	if err != nil {
		return dst, err
	}
	return out, nil
}

// sourcePump is a source whose Open runs.
type sourcePump struct {
	source  api.Source
	context *streamContext
	tuples  chan api.SourceTuple
	errs    chan error
	opened  chan error // what Open panicked with, or nil when it has returned
}

func startSource(source api.Source, ctx *streamContext) *sourcePump {
	p := &sourcePump{source: source, context: ctx, tuples: make(chan api.SourceTuple, 64), errs: make(chan error), opened: make(chan error, 1)}
	go func() { // close waits for it
		p.opened <- guarded(func() error { source.Open(ctx, p.tuples, p.errs); return nil })
		close(p.opened)
	}()
	return p
}

// close closes the source and waits for Close and Open, for a while. What they send is dropped.
func (p *sourcePump) close(cancel context.CancelFunc) error {
	cancel()
	closed := make(chan error, 1)
	go func() { closed <- guarded(func() error { return p.source.Close(p.context) }) }()
	var err error
	late := time.NewTimer(farewell)
	defer late.Stop()
	opened := p.opened
	for closed != nil || opened != nil {
		select {
		case err = <-closed:
			closed = nil
		case _, more := <-opened:
			if !more {
				opened = nil
			}
		case <-p.tuples:
		case late := <-p.errs:
			if late != nil {
				p.context.log.line(LevelDebug, p.context.prefix(), late.Error())
			}
		case <-late.C:
			return errors.New("the source does not end")
		}
	}
	return err
}
