package portable

import (
	"context"
	"errors"
	"io"

	"github.com/vanth-io/vanth/host"
)

// inboxSize is how many messages of a source wait for the host; then the plugin
// does.
const inboxSize = 256

// spareRoom is for errors, which come without credit.
const spareRoom = 16

// source is a host.Source in a process. When the process ends, the source goes
// on in the next one.
type source struct {
	*node
	in    chan arrival
	taken int // since the last credit; guarded by the node's mu
}

// arrival is a message or an error of a source; last when it was its end.
type arrival struct {
	message host.Message
	err     error
	last    bool
}

var _ host.Source = (*source)(nil)

func newSource(n *node) *source {
	s := &source{node: n, in: make(chan arrival, inboxSize+spareRoom)}
	n.room = func() int {
		s.taken = 0
		return max(inboxSize-len(s.in), 0) // of the process before, something may be left
	}
	n.fade = func() {
		// Told when there is room: what the plugin sent before is worth more.
		select {
		case s.in <- arrival{err: n.explain(errGone)}:
		default:
		}
	}
	n.deliver = s.deliver
	return s
}

// Open implements host.Source.
func (s *source) Open(ctx context.Context) error { return s.open(ctx) }

// Close implements host.Source.
func (s *source) Close(ctx context.Context) error { return s.close(ctx) }

// deliver takes what the plugin sent; false when nobody wants it any more. It
// blocks while the inbox is full, unless gone closes.
func (s *source) deliver(a arrival, gone <-chan struct{}) bool {
	select {
	case s.in <- a: // also when gone is closed
		return true
	default:
	}
	select {
	case s.in <- a:
		return true
	case <-s.done:
		return false
	case <-gone:
		return false
	}
}

// Next implements host.Source. An error that is neither io.EOF nor ctx's nor
// ErrClosed is one message's: the source goes on.
func (s *source) Next(ctx context.Context) (host.Message, error) {
	select {
	case a := <-s.in:
		return s.take(a)
	default:
	}
	select {
	case a := <-s.in:
		return s.take(a)
	case <-ctx.Done():
		return host.Message{}, ctx.Err()
	case <-s.done:
		s.mu.Lock()
		defer s.mu.Unlock()
		return host.Message{}, s.ended
	}
}

func (s *source) take(a arrival) (host.Message, error) {
	n := 0
	s.mu.Lock()
	at, _ := s.at.(sourceAttachment)
	if s.taken++; s.taken >= inboxSize/2 && at != nil {
		n, s.taken = s.taken, 0
	}
	s.mu.Unlock()
	if n > 0 {
		at.credit(n)
	}
	if a.last && a.err == nil {
		a.err = io.EOF
	}
	if a.last {
		if at := s.over(io.EOF); at != nil {
			at.drop()
		}
	}
	if said, ok := errors.AsType[*sourceError](a.err); ok {
		a.err = s.m.returned(s.symbol.Name, said.text)
	}
	return a.message, a.err
}
