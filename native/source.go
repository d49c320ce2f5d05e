package native

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// source runs an api.Source as a host.Source. Nothing is read before the first
// Next, so that a source can be rewound between Open and then.
//
// A source that subscribes pushes into a bounded queue; its ingest waits while
// that is full. One that is pulled is pulled at once, and then every interval,
// each time when its reader has taken all of the pull before: a slow reader
// makes pulls late and none is stale. An interval of 0 pulls once.
//
// Errors that the plugin ingests or sets, a lost connection, and a panic in Pull
// are errors of Next, of class io where they are the plugin's own; the source
// goes on. An error or a panic of Subscribe ends it: every later Next returns
// it.
type source struct {
	*node
	inbox    *inbox
	interval time.Duration
	offsets  api.Rewindable // nil when it is not

	// One goroutine uses what follows.
	started  bool
	over     error // what every later Next returns
	position *position
}

var _ host.Source = (*source)(nil)

// rewindable is a source that can go back.
type rewindable struct{ *source }

// offsetter is the capability of a source that can go back.
type offsetter interface {
	// Offset returns where the source stood when it made the message that Next
	// returned last: what a later Rewind needs to go on behind it.
	Offset() (any, error)
	// Rewind goes to an offset. It is for between Open and the first Next.
	Rewind(offset any) error
	// ResetOffset goes where a user says.
	ResetOffset(input map[string]any) error
}

var _ offsetter = rewindable{}

// newSource adapts s. c says on whose behalf it runs, nil when that is not
// known. The result is an offsetter when the plugin is api.Rewindable.
func newSource(g *guest, name string, s api.Source, props host.Props, c *host.Call) (host.Source, error) {
	switch s.(type) {
	case api.BytesSource, api.TupleSource, api.PullBytesSource, api.PullTupleSource:
	default:
		return nil, host.Errorf(host.ErrInvalid, "got non stream source %s", name)
	}
	interval, err := intervalOf(props)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", name, err)
	}
	src := &source{interval: interval}
	src.offsets, _ = s.(api.Rewindable)
	symbol := host.Symbol{Kind: host.KindSource, Name: name}
	src.node = newNode(g, symbol, s, sourceProps(props), c, func(err error) { src.inbox.tryError(err) })
	src.inbox = newInbox(g, symbol.Name, src.ctx.Context, src.offsets)
	if src.offsets != nil {
		return rewindable{src}, nil
	}
	return src, nil
}

// Status returns what the plugin last said of its connection, see node.
func (s *source) Status() (status, message string) { return s.connectionStatus() }

// Open implements host.Source.
func (s *source) Open(ctx context.Context) error {
	return s.open(ctx, func() {
		if b, ok := s.impl.(api.Bounded); ok {
			b.SetEofIngest(s.inbox.eof)
		}
	}, func(status, message string) {
		if status == api.ConnectionDisconnected {
			s.inbox.tryError(fmt.Errorf("disconnected: %s", message))
		}
	})
}

// Close implements host.Source. It takes at most twice the grace.
func (s *source) Close(ctx context.Context) error { return s.close(ctx) }

// Next implements host.Source. The message shares nothing with the plugin.
func (s *source) Next(ctx context.Context) (host.Message, error) {
	if s.over != nil {
		return host.Message{}, s.over
	}
	if s.ctx.Context.Err() != nil {
		return host.Message{}, s.errClosed()
	}
	if !s.started {
		what := "Pull"
		switch s.impl.(type) {
		case api.BytesSource, api.TupleSource:
			what = "Subscribe"
		}
		if err := s.work(what, s.read); err != nil {
			return host.Message{}, err
		}
		s.started = true
	}
	it, err := s.inbox.take(ctx)
	if errors.Is(err, host.ErrClosed) {
		return host.Message{}, s.errClosed()
	}
	if err != nil {
		return host.Message{}, err
	}
	if it.position != nil {
		s.position = it.position
	}
	if it.last {
		s.over = it.err
	}
	return it.message, it.err
}

// read is the work of a source.
func (s *source) read() error {
	err := error(s.guest.fault(s.symbol.Name, host.FaultExit, errGoexit))
	defer func() { // also when the plugin ends the goroutine
		if err != nil {
			s.inbox.put(item{err: err, last: true})
		}
	}()
	switch impl := s.impl.(type) {
	case api.BytesSource:
		err = s.subscribe(func() error { return impl.Subscribe(s.ctx, s.inbox.bytes, s.inbox.error) })
	case api.TupleSource:
		err = s.subscribe(func() error { return impl.Subscribe(s.ctx, s.inbox.tuple, s.inbox.error) })
	case api.PullBytesSource:
		s.pull(func(at time.Time) { impl.Pull(s.ctx, at, s.inbox.bytes, s.inbox.error) })
		err = nil
	case api.PullTupleSource:
		s.pull(func(at time.Time) { impl.Pull(s.ctx, at, s.inbox.tuple, s.inbox.error) })
		err = nil
	}
	return err
}

func (s *source) subscribe(fn func() error) error {
	return s.guest.guard(s.symbol.Name, "Subscribe", func() error {
		s.ctx.forget()
		if err := fn(); err != nil {
			return s.guest.returnedBy(s.symbol.Name, "Subscribe", err)
		}
		return nil
	})
}

// pull pulls until the source is closed or has come to its end.
func (s *source) pull(fn func(time.Time)) {
	trigger := time.Now()
	for s.inbox.wanted(trigger) {
		err := s.guest.guard(s.symbol.Name, "Pull", func() error {
			s.ctx.forget()
			fn(trigger)
			return nil
		})
		if err != nil {
			s.inbox.put(item{err: err})
		}
		if s.interval <= 0 {
			return
		}
		// Triggers that have passed while nobody asked are left out.
		if trigger = trigger.Add(s.interval); trigger.Before(time.Now()) {
			trigger = time.Now()
		}
	}
}

// Offset implements offsetter.
func (s rewindable) Offset() (any, error) {
	if s.position != nil {
		return s.position.offset, s.position.err
	}
	p := s.inbox.positionNow()
	return p.offset, p.err
}

// Rewind implements offsetter.
func (s rewindable) Rewind(offset any) error {
	return s.seek("Rewind", func() error { return s.offsets.Rewind(offset) })
}

// ResetOffset implements offsetter.
func (s rewindable) ResetOffset(input map[string]any) error {
	return s.seek("ResetOffset", func() error { return s.offsets.ResetOffset(sinkProps(input)) })
}

func (s rewindable) seek(what string, fn func() error) error {
	return s.guest.guard(s.symbol.Name, what, func() error {
		if err := fn(); err != nil {
			return s.guest.returnedBy(s.symbol.Name, what, err)
		}
		s.position = nil
		return nil
	})
}
