package native

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// fetchTimeout bounds the wait for a value of the state.
const fetchTimeout = 10 * time.Second

// remoteState is a worker's side of the plugin's state, whose home is the
// host.State of the host. A key is asked for when the plugin first touches it;
// from then on the worker has its own copy. What changed is told to the host
// before the reply of the call that changed it, and every second for sources and
// for goroutines of the plugin. Counters are told as differences, so that those
// of two builds that run at once add up; of values the last one stays.
//
// It is the host.Store of the worker's host.State.
type remoteState struct {
	volatile
	link *link
	kept *host.State

	mu      sync.Mutex // guards what follows
	last    int64
	asked   map[int64]chan fetched
	touched map[place]*touch
	known   map[host.StateKey][]byte // what came from the host and was not changed
	counted map[host.StateKey]int64  // what the host knows of counters
}

// touch is the first use of a key.
type touch struct {
	done chan struct{}
	err  error // valid once done is closed
}

// fetched is what the host has under a key.
type fetched struct {
	value   []byte // nil when there is none
	counter int64
}

func newRemoteState(id host.ID) (*remoteState, error) {
	s := &remoteState{
		asked: map[int64]chan fetched{}, touched: map[place]*touch{},
		known: map[host.StateKey][]byte{}, counted: map[host.StateKey]int64{},
	}
	var err error
	s.kept, err = host.NewState(s, id)
	return s, err
}

// SaveState implements host.Store.
func (s *remoteState) SaveState(_ host.ID, changes []host.StateChange) error {
	list := make([]any, 0, len(changes))
	s.mu.Lock()
	for _, c := range changes {
		var value any
		switch {
		case c.Counter:
			n := s.kept.Counter(c.Scope, c.Key)
			by := n - s.counted[c.StateKey]
			if by == 0 {
				continue
			}
			s.counted[c.StateKey] = n
			value = by
		case c.Value != nil:
			was, ok := s.known[c.StateKey]
			if ok && bytes.Equal(was, c.Value) {
				continue
			}
			value = c.Value
		}
		delete(s.known, c.StateKey)
		list = append(list, []any{[]byte(c.Scope), []byte(c.Key), c.Counter, value})
	}
	s.mu.Unlock()
	for len(list) > 0 { // 16 changes of at most a MiB and two keys each fit
		n := min(16, len(list))
		b, err := pack(0, opState, list[:n])
		if err != nil {
			return err
		}
		if err := s.link.send(context.Background(), b); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// touch has the key here before it is used.
func (s *remoteState) touch(p place) error {
	s.mu.Lock()
	t := s.touched[p]
	if t == nil {
		t = &touch{done: make(chan struct{})}
		s.touched[p] = t
		s.mu.Unlock()
		t.err = s.fetch(p)
		if t.err != nil { // the next use tries again
			s.mu.Lock()
			delete(s.touched, p)
			s.mu.Unlock()
		}
		close(t.done)
		return t.err
	}
	s.mu.Unlock()
	<-t.done // bounded, as fetch is
	return t.err
}

// fetch asks the host.
func (s *remoteState) fetch(p place) error {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	reply := make(chan fetched, 1)
	s.mu.Lock()
	s.last++
	id := s.last
	s.asked[id] = reply
	s.mu.Unlock()
	b, err := pack(id, opFetch, []byte(p.scope), []byte(p.key))
	if err == nil {
		err = s.link.send(ctx, b)
	}
	if err != nil {
		return fmt.Errorf("state %s: %w", p.key, err)
	}
	select {
	case f := <-reply:
		return s.take(p, f)
	case <-s.link.done:
		return fmt.Errorf("state %s: %w", p.key, s.link.err)
	case <-ctx.Done():
		return fmt.Errorf("state %s: %w", p.key, ctx.Err())
	}
}

// take keeps what the host has, as something that need not be told.
func (s *remoteState) take(p place, f fetched) error {
	s.mu.Lock()
	if f.value != nil {
		s.known[host.StateKey{Scope: p.scope, Key: p.key}] = f.value
	}
	if f.counter != 0 {
		s.counted[host.StateKey{Scope: p.scope, Key: p.key, Counter: true}] = f.counter
	}
	s.mu.Unlock()
	if f.counter != 0 {
		if _, err := s.kept.Add(p.scope, p.key, f.counter); err != nil {
			return err
		}
	}
	if f.value != nil {
		return s.kept.Put(p.scope, p.key, f.value)
	}
	return nil
}

// fetched takes the host's answer.
func (s *remoteState) fetched(id int64, f fields) error {
	v, n := nextAny(&f), field[int64](&f)
	if err := f.end("a value"); err != nil {
		return err
	}
	value, _ := v.([]byte)
	s.mu.Lock()
	reply := s.asked[id]
	delete(s.asked, id)
	s.mu.Unlock()
	if reply != nil {
		reply <- fetched{value, n}
	}
	return nil
}

// through returns the ledger that asks the host first.
func (s *remoteState) through(l ledger) ledger {
	if own, ok := l.(scoped); ok {
		return distant{own, s}
	}
	return l
}

// distant is a key space of a plugin's memory in a worker. The contexts that a
// plugin makes of it with WithMeta have key spaces that are not asked for: they
// begin empty in each worker.
type distant struct {
	scoped
	remote *remoteState
}

func (d distant) touch(key string) error { return d.remote.touch(place{d.scope, key}) }

func (d distant) put(key string, v any) error {
	if err := d.touch(key); err != nil { // a counter may be there, which this ends
		return err
	}
	return d.scoped.put(key, v)
}

func (d distant) get(key string) (any, error) {
	if err := d.touch(key); err != nil {
		return nil, err
	}
	return d.scoped.get(key)
}

func (d distant) remove(key string) error {
	if err := d.touch(key); err != nil {
		return err
	}
	return d.scoped.remove(key)
}

func (d distant) add(key string, by int) error {
	if err := d.touch(key); err != nil {
		return err
	}
	return d.scoped.add(key, by)
}

func (d distant) counter(key string) (int, error) {
	if err := d.touch(key); err != nil {
		return 0, err
	}
	return d.scoped.counter(key)
}

// stateful is a function whose contexts have the state of the host.
type stateful struct {
	api.Function
	remote *remoteState
}

func (f stateful) Exec(ctx api.FunctionContext, args []any) (any, bool) {
	if fc, ok := ctx.(*functionContext); ok {
		sc := fc.derive()
		sc.state = f.remote.through(sc.state)
		ctx = &functionContext{streamContext: sc, id: fc.id, done: fc.done}
	}
	return f.Function.Exec(ctx, args)
}

// State implements host.Store: nothing is here yet.
func (s *remoteState) State(host.ID) iter.Seq2[host.StateChange, error] {
	return s.volatile.State(host.ID{})
}

// remoteLog is a slog.Handler that sends what the plugin logs to the host. What
// finds no room on the way is dropped: a log must not hold the plugin.
type remoteLog struct {
	link  *link
	attrs []string
}

// Enabled implements slog.Handler, as do the methods below. The host decides.
func (*remoteLog) Enabled(context.Context, slog.Level) bool { return true }

func (h *remoteLog) Handle(_ context.Context, r slog.Record) error {
	own := remoteLog{attrs: h.attrs[:len(h.attrs):len(h.attrs)]}
	r.Attrs(func(a slog.Attr) bool {
		own.add(a)
		return true
	})
	b, err := pack(0, opLog, int64(r.Level), valid(r.Message), stringList(own.attrs))
	if err == nil {
		h.link.trySend(b)
	}
	return err
}

func (h *remoteLog) add(a slog.Attr) {
	if a.Key != "plugin" { // the host says so itself
		h.attrs = append(h.attrs, valid(a.Key), valid(a.Value.String()))
	}
}

func (h *remoteLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := &remoteLog{link: h.link, attrs: h.attrs[:len(h.attrs):len(h.attrs)]}
	for _, a := range attrs {
		n.add(a)
	}
	return n
}

func (h *remoteLog) WithGroup(string) slog.Handler { return h }
