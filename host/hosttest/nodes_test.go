package hosttest

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vanth-io/vanth/host"
)

// fakeNodes is a module with the kit's source and sink. Its faults are those
// that the suite must catch.
type fakeNodes struct {
	host.Module
	emitted, kept *atomic.Int64
	closed        chan struct{}
	once          sync.Once
	fault         string
}

func (m *fakeNodes) Close(ctx context.Context) error {
	if m.fault != "goes on after its module" {
		m.once.Do(func() { close(m.closed) })
	}
	return m.Module.Close(ctx)
}

func (m *fakeNodes) Source(name string, _ *host.Call, p host.Props) (host.Source, error) {
	if name != "count" {
		return nil, host.Errorf(host.ErrNotFound, "source %s: not found", name)
	}
	if isClosed(m.closed) {
		return nil, host.ErrClosed
	}
	s := &fakeSource{m: m, done: make(chan struct{})}
	s.count, _ = p["count"].(int)
	s.errorAt, _ = p["errorAt"].(int)
	s.silent, _ = p["silent"].(bool)
	return s, nil
}

func (m *fakeNodes) Sink(name string, _ *host.Call, p host.Props) (host.Sink, error) {
	if name != "keep" {
		return nil, host.Errorf(host.ErrNotFound, "sink %s: not found", name)
	}
	if isClosed(m.closed) {
		return nil, host.ErrClosed
	}
	s := &fakeSink{m: m, done: make(chan struct{})}
	s.errorAt, _ = p["errorAt"].(int)
	return s, nil
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

type fakeSource struct {
	m                 *fakeNodes
	done              chan struct{}
	count, errorAt, n int
	silent            bool
}

func (s *fakeSource) Open(context.Context) error { return nil }

func (s *fakeSource) Close(context.Context) error {
	if isClosed(s.done) {
		if s.m.fault == "closes once" {
			return errors.New("closed twice")
		}
		return nil
	}
	close(s.done)
	return nil
}

func (s *fakeSource) Next(ctx context.Context) (host.Message, error) {
	if ctx.Err() != nil && s.m.fault != "ignores its context" {
		return host.Message{}, ctx.Err()
	}
	if isClosed(s.done) || isClosed(s.m.closed) {
		return host.Message{}, host.ErrClosed
	}
	switch {
	case s.silent:
		select {
		case <-ctx.Done():
			return host.Message{}, ctx.Err()
		case <-s.done:
		case <-s.m.closed:
		}
		return host.Message{}, host.ErrClosed
	case s.count > 0 && s.n == s.count:
		if s.m.fault == "has no end" {
			return host.Message{}, errors.New("there is no more")
		}
		return host.Message{}, io.EOF
	}
	s.n++
	s.m.emitted.Add(1)
	if s.m.fault == "emits without bound" {
		s.m.emitted.Add(1000)
	}
	if s.n == s.errorAt {
		if s.m.fault == "ends with an error" {
			s.n = s.count
		}
		return host.Message{}, errors.New("no row")
	}
	return host.Message{Value: map[string]any{"n": int64(s.n)}}, nil
}

func (s *fakeSource) Offset() (any, error) {
	if s.n == 0 {
		return nil, nil
	}
	if s.m.fault == "is rewound too far" {
		return int64(s.n - 1), nil
	}
	return int64(s.n), nil
}

func (s *fakeSource) Rewind(offset any) error {
	s.n = int(offset.(int64))
	return nil
}

type fakeSink struct {
	m       *fakeNodes
	done    chan struct{}
	errorAt int
	held    int64
}

func (s *fakeSink) Open(context.Context) error { return nil }

func (s *fakeSink) Write(_ context.Context, m host.Message) error {
	if isClosed(s.done) || isClosed(s.m.closed) {
		return host.ErrClosed
	}
	if row, ok := m.Value.(map[string]any); ok && row["n"] == int64(s.errorAt) {
		return errors.New("no")
	}
	n := int64(1)
	if list, ok := m.Value.([]any); ok {
		n = int64(len(list))
	}
	s.held += n
	return nil
}

func (s *fakeSink) Flush(context.Context) error {
	s.m.kept.Add(s.held)
	s.held = 0
	return nil
}

func (s *fakeSink) Close(ctx context.Context) error {
	if isClosed(s.done) {
		return nil
	}
	close(s.done)
	if s.m.fault == "loses what it holds" {
		return nil
	}
	return s.Flush(ctx)
}

func fakeNodeKit(fault string) NodeKit {
	var emitted, kept atomic.Int64
	return NodeKit{
		New: func() (host.Runtime, error) {
			emitted.Store(0)
			kept.Store(0)
			return &brokenRuntime{&FakeRuntime{}, func(m host.Module) host.Module {
				return &fakeNodes{Module: m, emitted: &emitted, kept: &kept, closed: make(chan struct{}), fault: fault}
			}}, nil
		},
		Files:    map[string][]byte{"kit.wasm": nil},
		Manifest: host.Manifest{Sources: []string{"count"}, Sinks: []string{"keep"}},
		Kept:     func(host.Bundle) int64 { return kept.Load() },
		Emitted:  func(host.Bundle) int64 { return emitted.Load() },
		Ahead:    1,
		Rewinds:  true,
	}
}

func TestFakeNodes(t *testing.T) { Nodes(t, fakeNodeKit("")) }

// TestBrokenNodesAreCaught shows that the suite can fail: each fault must be
// caught by the check that is named.
func TestBrokenNodesAreCaught(t *testing.T) {
	for fault, check := range map[string]string{
		"has no end":               "rows come in order, then io.EOF",
		"ends with an error":       "an error is that of one message",
		"ignores its context":      "the end of ctx ends Next at once, and not the source",
		"closes once":              "closing a source twice is fine, and ends Next",
		"goes on after its module": "a sink ends with its module",
		"emits without bound":      "what is emitted and not read is bounded",
		"is rewound too far":       "a source goes on behind its offset",
		"loses what it holds":      "closing a sink twice is fine, and what it holds arrives",
	} {
		t.Run(fault, func(t *testing.T) {
			for _, c := range nodeChecks() {
				if c.name != check {
					continue
				}
				if err := c.check(t.TempDir(), fakeNodeKit(fault)); err == nil {
					t.Errorf("the check %q passed", c.name)
				}
				return
			}
			t.Fatalf("no check is called %q", check)
		})
	}
}
