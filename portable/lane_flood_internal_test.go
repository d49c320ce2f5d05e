package portable

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
	"github.com/vanth-io/vanth/host/gate"
	"github.com/vanth-io/vanth/host/hosttest"
)

// TestAnswersUnread: a plugin that asks for its state over and over and never reads the answers is ended, and the host
// keeps little for it.
func TestAnswersUnread(t *testing.T) {
	hello, err := frame.Append(nil, map[string]any{
		"lane": int64(1), "name": "p", "ring": false,
		"functions": []any{"echo"}, "sources": []any{}, "sinks": []any{}, "aggregate": []any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	one := func(h head, payload []byte) []byte { return end(append(begin(nil, h), payload...), 0) }
	state, err := host.NewState(&hosttest.MemStore{}, host.ID{Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	m := &module{
		rt: New(Options{}), id: host.ID{Name: "p"}, log: slog.New(slog.DiscardHandler), calls: gate.New(), state: state,
		manifest: host.Manifest{Functions: []string{"echo"}},
	}
	p := &process{m: m, forked: make(chan struct{})}
	close(p.forked)
	l, files, err := newLane(p)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	peer, err := net.FileConn(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	const value = 128 << 10
	put, _ := frame.AppendArgs(nil, []any{"k", make([]byte, value)})
	get, _ := frame.AppendArgs(nil, []any{"k"})
	stream := append(one(head{op: opHello}, hello), one(head{op: opPut, id: 1}, put)...)
	for range 4 * maxUnread / value {
		stream = append(stream, one(head{op: opGet, id: 2}, get)...)
	}
	_ = peer.SetWriteDeadline(time.Now().Add(4 * time.Second))
	_, _ = peer.Write(stream) // which ends early when the lane does
	select {
	case <-l.down:
	case <-time.After(4 * time.Second):
		t.Error("the lane goes on")
	}
	l.out.Lock()
	defer l.out.Unlock()
	if n := cap(l.queue); n > 4*maxUnread {
		t.Errorf("the host keeps %d bytes for it, expected about %d", n, maxUnread)
	}
}
