//go:build unix

package vanth

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// script is a host that says what it has been told to, in pieces, and hangs up.
type script struct {
	rest  []byte
	piece int

	mu   sync.Mutex
	said bytes.Buffer
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.piece)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.Write(p)
}

// Whatever the host says, the plugin says whole frames of whole values, begins with hello, and ends.
func FuzzLane(f *testing.F) {
	text := func(h head, v any) []byte {
		return sealed(must(Append(append([]byte(nil), noHead[:]...), v)), h)
	}
	f.Add(uint16(7), text(head{op: opCall, id: 1, symbol: 1}, []any{1, 2}))
	f.Add(uint16(900), text(head{op: opBatch, id: 2, symbol: 1}, []any{[]any{1, 2}, []any{"x"}}))
	f.Add(uint16(3), append(text(head{op: opContext, context: 4}, []any{"r", "o", 0, 0, 0}), text(head{op: opOpenSource, id: 9, context: 4}, map[string]any{"datasource": "ends"})...))
	f.Add(uint16(30), append(text(head{op: opOpenSink, id: 9}, map[string]any{"config": nil}), text(head{op: opWrite, id: 10, context: 9}, []any{1, nil, nil})...))
	f.Add(uint16(30), append(text(head{op: opOpenSource, id: 9}, map[string]any{"datasource": "ends"}), alone(head{op: opCredit, id: 9, context: 9})...))
	f.Add(uint16(1), text(head{op: opValidate, id: 3}, []any{nil}))
	f.Add(uint16(1), text(head{op: opValue, id: 3}, 5))
	f.Fuzz(func(t *testing.T, piece uint16, frames []byte) {
		p, err := newPlugin([]Option{
			Source("numbers", func() api.Source { return new(testSource) }),
			Sink("lines", func() api.Sink { return new(testSink) }),
		})
		if err != nil {
			t.Fatal(err)
		}
		p.log.to = io.Discard
		p.functions = slices.DeleteFunc(p.functions, func(f *function) bool { return f.name == "large" })
		for i, f := range p.functions {
			f.index = i
		}
		defer wire.Store(nil)
		welcome := text(head{op: opWelcome}, map[string]any{"lane": 1})
		s := &script{rest: append(welcome, frames...), piece: int(piece) + 1}
		_ = runLane(context.Background(), p, s, nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		r := newFrameReader(bytes.NewBuffer(s.said.Bytes()))
		for n := 0; ; n++ {
			h, payload, ok, err := r.next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				if err := r.fill(); err != nil {
					break
				}
				n--
				continue
			}
			if n == 0 && h.op != opHello || n > 0 && h.op != opResult && h.op != opMessage && h.op != opEnd && h.op != opFailure {
				t.Fatalf("frame %d is op %d", n, h.op)
			}
			if len(payload) > 0 {
				v, err := Value(payload)
				if _, isError := v.(*Error); err != nil || isError != (h.flags&flagError != 0) && h.op == opResult && h.flags != 0 {
					t.Fatalf("op %d: %x, %v", h.op, payload, err)
				}
			}
		}
		if r.pos != r.end {
			t.Fatalf("%d bytes of no frame", r.end-r.pos)
		}
	})
}
