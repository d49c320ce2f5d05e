//go:build !wasip1

package vanth

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/vanth-io/vanth/sdk/go/api"
	"github.com/vanth-io/vanth/sdk/go/internal/sp"
)

// ekSource is a source that runs.
type ekSource struct {
	pump   *sourcePump
	cancel context.CancelFunc
	ended  chan struct{} // the source is closed; err is final
	err    error
}

func (s *ekSource) stop() error {
	s.cancel()
	<-s.ended
	return s.err
}

func (e *ekuiper) startSource(o *order, create func() api.Source, c *streamContext, cancel context.CancelFunc) (running, error) {
	var source api.Source
	err := guarded(func() error {
		if source = create(); source == nil {
			return errors.New("the source is nil")
		}
		return source.Configure(o.DataSource, o.Config)
	})
	if err != nil {
		cancel()
		return nil, err
	}
	s := &ekSource{pump: startSource(source, c), cancel: cancel, ended: make(chan struct{})}
	to := sp.NewPusher(e.path(o.channel()))
	e.spawn(func() {
		defer close(s.ended)
		defer e.keep.forget(c.use)
		defer to.Close()
		s.run(c, to)
		s.err = s.pump.close(cancel)
	})
	return s, nil
}

// run pushes until the source has ended or is stopped.
func (s *ekSource) run(c *streamContext, to *sp.Pusher) {
	push := func(v any) bool {
		message, err := json.Marshal(v)
		if err != nil {
			message = errorMessage(err)
		}
		return to.Push(c.Context, message) == nil
	}
	tuple := func(t api.SourceTuple) bool {
		var v any
		err := guarded(func() error {
			if t == nil {
				return errors.New("a tuple is nil")
			}
			v = map[string]any{"message": t.Message(), "meta": t.Meta()}
			return nil
		})
		if err != nil {
			return to.Push(c.Context, errorMessage(err)) == nil
		}
		return push(v)
	}
	opened := s.pump.opened
	for {
		var err error
		select {
		case t := <-s.pump.tuples:
			if !tuple(t) {
				return
			}
			continue
		case err = <-s.pump.errs:
		case err = <-opened:
			opened = nil
		case <-c.Done():
			return
		}
		if err == nil {
			continue
		}
		for len(s.pump.tuples) > 0 && tuple(<-s.pump.tuples) {
		}
		if errors.Is(err, io.EOF) || to.Push(c.Context, errorMessage(err)) != nil || !isPassing(err) {
			return
		}
	}
}

// errorMessage is a JSON text in which the object is: eKuiper would take the bare object for an
// empty row.
func errorMessage(err error) []byte {
	inner, _ := json.Marshal(map[string]string{"error": err.Error()})
	outer, _ := json.Marshal(string(inner))
	return outer
}

// ekSink is a sink that runs.
type ekSink struct {
	from  *sp.Puller
	ended chan struct{} // the sink is closed; err is final
	err   error
}

func (s *ekSink) stop() error {
	s.from.Stop(finishRows)
	<-s.ended
	return s.err
}

// maxAcks is how many acks wait for a host that reads them late. One that does not loses the rest.
const maxAcks = 1024

func (e *ekuiper) startSink(o *order, create func() api.Sink, c *streamContext, cancel context.CancelFunc) (_ running, err error) {
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	var sink api.Sink
	err = guarded(func() error {
		if sink = create(); sink == nil {
			return errors.New("the sink is nil")
		}
		if err := sink.Configure(o.Config); err != nil {
			return err
		}
		return sink.Open(c)
	})
	if err != nil {
		return nil, err
	}
	from, err := sp.ListenPull(c, e.path(o.channel()))
	if err != nil {
		_ = guarded(func() error { return sink.Close(c) })
		return nil, err
	}
	s := &ekSink{from: from, ended: make(chan struct{})}
	acks := make(chan []byte, maxAcks)
	to := sp.NewPusher(e.path(o.channel() + "_ack"))
	e.spawn(func() {
		defer to.Close()
		if to.Connect(c.Context) != nil {
			return
		}
		for a := range acks {
			if to.Push(c.Context, a) != nil {
				return
			}
		}
	})
	e.spawn(func() {
		defer close(s.ended)
		defer e.keep.forget(c.use)
		for m := range from.Messages() {
			ack := map[string]string{"error": ""}
			if err := guarded(func() error { return sink.Collect(c, m) }); err != nil {
				ack["error"] = err.Error()
				if ack["error"] == "" {
					ack["error"] = "error"
				}
			}
			text, _ := json.Marshal(ack)
			select {
			case acks <- text:
			default:
			}
		}
		close(acks)
		s.err = guarded(func() error { return sink.Close(c) })
		cancel()
	})
	return s, nil
}
