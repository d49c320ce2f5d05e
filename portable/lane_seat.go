package portable

import (
	"sync"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// seats number the contexts that the plugin knows.
type seats struct {
	mu     sync.Mutex // guards what follows
	number map[*host.Call]uint32
	call   map[uint32]*host.Call
	last   uint32
}

// maxSeats bounds the contexts that are remembered; beyond it the oldest half is
// forgotten, on both sides.
const maxSeats = 4096

func (s *seats) init() { s.number, s.call = map[*host.Call]uint32{}, map[uint32]*host.Call{} }

// of returns the call of a context.
func (s *seats) of(n uint32) *host.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.call[n]
}

// seat returns the number of a context, and tells the plugin of a new one.
func (l *lane) seat(c *host.Call) (uint32, error) {
	if c == nil {
		return 0, nil
	}
	s := &l.seats
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.number[c]; ok {
		return n, nil
	}
	if len(s.number) >= maxSeats {
		for old, n := range s.number {
			if s.last-n >= maxSeats/2 {
				delete(s.number, old)
				delete(s.call, n)
				_ = l.enqueue(head{op: opForget, context: n}, nil)
			}
		}
	}
	s.last++
	n := s.last
	// Queued under the lock, so that no call overtakes it; the call has it written.
	err := l.enqueue(head{op: opContext, context: n}, func(b []byte) ([]byte, error) {
		return frame.AppendArgs(b, []any{c.Rule, c.Op, c.Instance, c.Run, c.Func})
	})
	if err != nil {
		return 0, err
	}
	s.number[c], s.call[n] = n, c
	return n, nil
}
