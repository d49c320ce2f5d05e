package wasm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// source is a host.Source in a guest. It is polled when its reader waits, has
// taken all of the poll before, and the time has come that the guest asked for.
// A poll runs on a goroutine of its own, so that a reader that gives up does not
// end it: what it emits is there for the next Next.
type source struct {
	*node
	polls sync.WaitGroup
	gate  sync.Mutex // held to begin a poll, and to begin the end: none begins after that
	// polled has a token when a poll ended; then the reader has what follows, and
	// else the poll.
	polled   chan struct{}
	polling  bool // of the reader
	box      outbox
	due      time.Time
	sulk     int   // polls in a row that failed
	over     error // what Next returns when the box is empty, once it has ended
	position []byte
	timer    *time.Timer
}

// rewindable is a source that can go back.
type rewindable struct{ *source }

var (
	_ host.Source   = (*source)(nil)
	_ host.Rewinder = rewindable{}
)

func newSource(n *node) *source { return &source{node: n, polled: make(chan struct{}, 1)} }

// Open implements host.Source.
func (s *source) Open(ctx context.Context) error { return s.open(ctx) }

// Close implements host.Source.
func (s *source) Close(ctx context.Context) error {
	s.gate.Lock()
	s.end()
	s.gate.Unlock()
	err := s.shut(ctx)
	if err == nil { // else a poll goes on, and ends by itself
		s.polls.Wait()
	}
	return err
}

// Next implements host.Source.
func (s *source) Next(ctx context.Context) (host.Message, error) {
	if err := ctx.Err(); err != nil {
		return host.Message{}, s.wrap(err)
	}
	for {
		if !s.polling {
			for s.box.at < len(s.box.items) {
				it := &s.box.items[s.box.at]
				s.box.at++
				if it.offset != nil {
					s.position = append(s.position[:0], it.offset...)
				}
				if it.message.Value != nil || it.err != nil {
					return it.message, it.err
				}
			}
			if s.over != nil {
				return host.Message{}, s.over
			}
			if err := s.await(ctx); err != nil {
				return host.Message{}, err
			}
			s.gate.Lock()
			if s.polling = s.life.Err() == nil; s.polling {
				s.polls.Go(s.fill)
			}
			s.gate.Unlock()
			if !s.polling {
				return host.Message{}, s.errShut()
			}
		}
		select {
		case <-s.polled:
			s.polling = false
		case <-ctx.Done():
			return host.Message{}, s.wrap(ctx.Err())
		}
	}
}

// await waits until the source is to be polled.
func (s *source) await(ctx context.Context) error {
	if s.life.Err() != nil {
		return s.errShut()
	}
	if s.due.IsZero() {
		return nil
	}
	d := time.Until(s.due)
	if d <= 0 {
		return nil
	}
	if s.timer == nil {
		s.timer = time.NewTimer(d)
	} else {
		s.timer.Reset(d)
	}
	defer s.timer.Stop()
	select {
	case <-s.timer.C:
		return nil
	case <-ctx.Done():
		return s.wrap(ctx.Err())
	case <-s.life.Done():
		return s.errShut()
	}
}

// fill polls the guest once.
func (s *source) fill() {
	defer func() { s.polled <- struct{}{} }()
	s.box.reset()
	if err := s.begin(context.Background()); err != nil {
		s.over = err
		return
	}
	defer s.finish()
	if err := s.ready(context.Background()); err != nil {
		s.trouble(err)
		return
	}
	now := time.Now()
	s.node.box = &s.box
	wait, err := s.poll(now)
	s.node.box = nil
	if err == nil && wait < pollFailed {
		err = fmt.Errorf("%w: poll returned %d, expected a wait in ms, %d or %d", errFrame, wait, pollEnd, pollFailed)
	}
	if err != nil {
		if s.kind.has(opRewind) {
			// What comes behind the last offset comes again.
			s.box.items = s.box.items[:s.box.marked]
			s.box.fatal = false
		}
		s.trouble(s.judge(err))
	} else {
		s.faults = 0
		s.settle(now, wait)
	}
	if at := s.box.offset(); at != nil {
		s.again = append(s.again[:0], at...)
	}
}

// What a poll answers instead of a wait; sdk/abi explains them.
const (
	pollEnd    = -1
	pollFailed = -2
)

// maxWait bounds the wait that a guest can ask for; idleWait is the least after a
// poll that emitted nothing.
const (
	maxWait  = 24 * time.Hour
	idleWait = time.Millisecond
)

// settle is the end of a poll that returned.
func (s *source) settle(now time.Time, wait int64) {
	in := s.in
	if in.out.n > 0 {
		s.module.log.Debug("printed", "symbol", s.symbol.String(), "text", in.out.String())
	}
	switch {
	case wait == pollEnd || s.box.fatal:
		s.over = io.EOF
		if err := s.part(context.Background()); err != nil {
			s.box.add(emitted{err: err}, 0)
		}
		s.giveBack()
	case wait == pollFailed:
		if s.box.failed == 0 {
			err := &frame.Error{Msg: "poll failed and does not say why", Class: frame.ClassIO}
			s.box.add(emitted{err: s.module.badResult(s.symbol.Name, in, host.FaultReturned, err)}, 0)
		}
		s.sulk++
		s.due = now.Add(pause(s.sulk + 1))
	case wait == 0 && s.box.bytes > 0:
		s.sulk, s.due = 0, time.Time{}
	case wait == 0:
		s.sulk, s.due = 0, now.Add(idleWait)
	default:
		s.sulk, s.due = 0, now.Add(time.Duration(min(wait, math.MaxInt64/int64(time.Millisecond)))*time.Millisecond)
		if limit := now.Add(maxWait); s.due.After(limit) {
			s.due = limit
		}
	}
}

// trouble is the end of a poll without one: the error is one message's.
func (s *source) trouble(err error) {
	if errors.Is(err, host.ErrClosed) {
		s.over = err
		return
	}
	s.box.add(emitted{err: err}, 0)
	s.due = s.rest
	if errors.Is(err, host.ErrBusy) {
		s.due = time.Now().Add(firstPause)
	}
}

// Offset implements host.Rewinder.
func (s rewindable) Offset() (any, error) {
	if s.position == nil {
		return nil, nil
	}
	return frame.Decode(s.position)
}

// Rewind implements host.Rewinder.
func (s rewindable) Rewind(offset any) error {
	b, err := frame.Append(nil, offset)
	if err != nil {
		return host.Errorf(host.ErrInvalid, "%s: offset: %v", s.symbol, err)
	}
	if err := s.begin(context.Background()); err != nil {
		return err
	}
	defer s.finish()
	if err := s.ready(context.Background()); err != nil {
		return err
	}
	if err := s.send(context.Background(), opRewind, b, nil); err != nil {
		return err
	}
	s.again = b
	s.position = append([]byte(nil), b...)
	return nil
}
