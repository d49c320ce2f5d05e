package wasm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vanth-io/vanth/host"
)

// sink is a host.Sink in a guest. Its calls run on the goroutine of its owner
// and end with their context, as those of functions do; what the guest held in
// its memory is lost then.
type sink struct{ *node }

// flushing is a sink that may hold messages.
type flushing struct{ *sink }

var (
	_ host.Sink    = (*sink)(nil)
	_ host.Flusher = flushing{}
)

// Open implements host.Sink.
func (s *sink) Open(ctx context.Context) error { return s.open(ctx) }

// Close implements host.Sink. What the guest holds is flushed.
func (s *sink) Close(ctx context.Context) error { return s.shut(ctx) }

// Write implements host.Sink.
func (s *sink) Write(ctx context.Context, m host.Message) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.finish()
	switch v := m.Value.(type) {
	case map[string]any:
		switch {
		case s.kind.has(opCollect):
			return s.deliver(ctx, opCollect, nil, v)
		case s.kind.has(opList):
			return s.deliver(ctx, opList, nil, []any{v})
		}
		return s.unfit("a row")
	case []any:
		switch {
		case s.kind.has(opList):
			return s.deliver(ctx, opList, nil, v)
		case s.kind.has(opCollect):
			return s.each(ctx, v)
		}
		return s.unfit("rows")
	case []byte:
		if s.kind.has(opBytes) {
			return s.deliver(ctx, opBytes, v, nil)
		}
		return s.unfit("bytes")
	}
	return host.Errorf(host.ErrInvalid, "%s: found %s, expected a map, a list of maps or bytes", s.symbol, host.Describe(m.Value))
}

func (s *sink) unfit(what string) error {
	return host.Errorf(host.ErrInvalid, "%s: found %s, which it does not take", s.symbol, what)
}

// each writes rows one by one. A row that is refused does not keep the others
// from being written; a fault does.
func (s *sink) each(ctx context.Context, rows []any) error {
	var errs []error
	for i, row := range rows {
		if err := s.deliver(ctx, opCollect, nil, row); err != nil {
			errs = append(errs, fmt.Errorf("row %d of %d: %w", i+1, len(rows), err))
		}
		if s.in == nil {
			break
		}
	}
	return errors.Join(errs...)
}

// enter takes the turn and makes sure of an instance. While the guest has
// nothing but faults it waits longer and longer, and with it whoever writes.
func (s *sink) enter(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	err := s.pause(ctx)
	if err == nil {
		err = s.ready(ctx)
	}
	if err != nil {
		s.finish()
	}
	return err
}

func (s *sink) pause(ctx context.Context) error {
	if s.in != nil || s.rest.IsZero() {
		return nil
	}
	d := time.Until(s.rest)
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return s.wrap(ctx.Err())
	case <-s.life.Done():
		return s.errShut()
	}
}

// deliver hands one message over.
func (s *sink) deliver(ctx context.Context, o op, raw []byte, v any) error {
	err := s.send(ctx, o, raw, v)
	if s.in != nil {
		s.faults = 0
	}
	return err
}

// Flush implements host.Flusher. A guest that is not there holds nothing.
func (s flushing) Flush(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.finish()
	if s.in == nil {
		return nil
	}
	s.in.out.n = 0
	return s.judge(s.invoke(ctx, opFlush, 0, 0))
}
