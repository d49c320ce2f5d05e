//go:build !wasip1

package vanth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// laneSink is an open sink. What is asked of it runs on its executor, in order.
type laneSink struct {
	id       uint32
	context  *streamContext
	cancel   context.CancelFunc
	executor executor

	// What follows is the executor's.
	create func() api.Sink
	config map[string]any
	sink   api.Sink // nil unless open
}

// maxWrites is how many writes a host may have under way.
const maxWrites = 1024

func (s *laneSink) later(l *lane, t task) {
	t.sink = s
	s.executor.mu.Lock()
	defer s.executor.mu.Unlock()
	l.later(&s.executor, t)
}

func (s *laneSink) open(l *lane, create func() api.Sink, config map[string]any) {
	s.create, s.config = create, config
	s.later(l, task{head: head{op: opOpenSink, id: s.id}})
}

func (s *laneSink) credit(uint32) {}

func (s *laneSink) write(l *lane, id uint32, payload []byte) error {
	s.executor.mu.Lock()
	defer s.executor.mu.Unlock()
	if len(s.executor.queue) > maxWrites {
		return fmt.Errorf("lane: sink %d: more than %d writes under way", s.id, maxWrites)
	}
	l.later(&s.executor, task{head: head{op: opWrite, id: id}, payload: payload, sink: s})
	return nil
}

func (s *laneSink) close(l *lane, id uint32) { s.later(l, task{head: head{op: opClose, id: id}}) }

func (s *laneSink) perform(l *lane, t *task) error {
	switch t.op {
	case opOpenSink:
		err := guarded(func() error {
			sink := s.create()
			if sink == nil {
				return errors.New("the sink is nil")
			}
			if err := sink.Configure(s.config); err != nil {
				return err
			}
			if err := sink.Open(s.context); err != nil {
				return err
			}
			s.sink = sink
			return nil
		})
		if err != nil {
			l.drop(s.id, s)
			s.end(l)
		}
		return l.done(t.id, err)
	case opWrite:
		if s.sink == nil {
			return l.refuse(t.id, &Error{Msg: "the sink is not open", Class: Usage})
		}
		return l.done(t.id, s.collect(t.payload))
	}
	var err error
	if s.sink != nil {
		err = guarded(func() error { return s.sink.Close(s.context) })
		s.sink = nil
		s.end(l)
	}
	if t.id == 0 {
		return nil
	}
	return l.done(t.id, err)
}

// end is reached once: when Open has failed or Close has returned.
func (s *laneSink) end(l *lane) {
	s.cancel()
	l.opened.Done()
}

func (s *laneSink) collect(payload []byte) error {
	v, err := Value(payload)
	list, _ := v.([]any)
	if err != nil || len(list) != 3 {
		return &Error{Msg: "a message is not a list of three", Class: Usage}
	}
	data, ok := list[0].([]byte)
	if !ok {
		if data, err = json.Marshal(list[0]); err != nil {
			return &Error{Msg: err.Error(), Class: Usage}
		}
	}
	return guarded(func() error { return s.sink.Collect(s.context, data) })
}

var _, _ handle = (*laneSource)(nil), (*laneSink)(nil)
