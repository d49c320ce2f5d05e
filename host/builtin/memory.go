package builtin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
)

// topics are the memory topics of a module: who reads what.
type topics struct {
	mu  sync.Mutex // orders changes of now
	now atomic.Pointer[readers]
}

// readers is a snapshot, which does not change.
type readers struct{ list []*memorySource }

func (t *topics) change(f func([]*memorySource) []*memorySource) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.Store(&readers{f(slices.Clone(t.now.Load().list))})
}

// checkFilter says what is wrong with a topic of MQTT's form, "" for nothing.
func checkFilter(filter string, wild bool) string {
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		switch {
		case !wild && strings.ContainsAny(l, "+#"):
			return "a topic without + and #"
		case l == "#" && i != len(levels)-1:
			return "# at the end only"
		case len(l) > 1 && strings.ContainsAny(l, "+#"):
			return "+ and # as whole levels, such as a/+/b or a/#"
		}
	}
	return ""
}

// matches reports whether a topic is one that the filter means.
func matches(filter, topic string) bool {
	for {
		f, fs, fmore := strings.Cut(filter, "/")
		if f == "#" {
			return true
		}
		l, ls, lmore := strings.Cut(topic, "/")
		if f != "+" && f != l {
			return false
		}
		if !lmore {
			return !fmore || fs == "#"
		}
		if !fmore {
			return false
		}
		filter, topic = fs, ls
	}
}

// memorySource reads what memory sinks write to a topic while it is open.
type memorySource struct {
	*life
	filter string
	queue  chan host.Message
}

func newMemorySource(l *life, p *reader) host.Source {
	s := &memorySource{life: l, filter: p.constant("datasource")}
	if expected := checkFilter(s.filter, true); expected != "" {
		p.wrong("datasource", s.filter, expected)
	}
	s.queue = make(chan host.Message, p.integer("bufferLength", 1024, 1, 1<<20))
	return s
}

// Open implements host.Source: what is written from now on is read.
func (s *memorySource) Open(context.Context) error {
	return s.open(func() error {
		s.owner.topics.change(func(list []*memorySource) []*memorySource { return append(list, s) })
		return nil
	})
}

// Next implements host.Source.
func (s *memorySource) Next(ctx context.Context) (host.Message, error) {
	if err := s.enter(); err != nil {
		return host.Message{}, err
	}
	defer s.leave()
	select {
	case m := <-s.queue:
		return m, nil
	default:
	}
	select {
	case m := <-s.queue:
		return m, nil
	case <-ctx.Done():
	case <-s.over.Done():
	}
	return host.Message{}, s.interrupted(ctx)
}

// Close implements host.Source.
func (s *memorySource) Close(ctx context.Context) error {
	return s.close(ctx, func(context.Context) error {
		s.owner.topics.change(func(list []*memorySource) []*memorySource {
			return slices.DeleteFunc(list, func(x *memorySource) bool { return x == s })
		})
		return nil
	})
}

// memorySink writes to a topic. A reader that is behind slows it down; one that
// takes nothing for timeout misses the row, which is an error.
type memorySink struct {
	*life
	topic   string
	timeout time.Duration
	meta    map[string]any
	seen    *readers
	to      []*memorySource // those of seen that read the topic
}

func newMemorySink(l *life, p *reader) host.Sink {
	p.refuse("rowkindField")
	s := &memorySink{life: l, topic: p.constant("topic"), timeout: p.limit("timeout", 5*time.Second)}
	if expected := checkFilter(s.topic, false); expected != "" {
		p.wrong("topic", s.topic, expected)
	}
	s.meta = map[string]any{"topic": s.topic}
	return s
}

// Open implements host.Sink.
func (s *memorySink) Open(context.Context) error { return s.open(func() error { return nil }) }

// Write implements host.Sink. Each reader gets a copy of each row.
func (s *memorySink) Write(ctx context.Context, m host.Message) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if now := s.owner.topics.now.Load(); now != s.seen {
		s.seen, s.to = now, nil
		for _, r := range now.list {
			if matches(r.filter, s.topic) {
				s.to = append(s.to, r)
			}
		}
	}
	out := host.Message{Value: m.Value, Meta: s.meta, Time: m.Time}
	switch m.Value.(type) {
	case map[string]any, []byte:
		return s.deliver(ctx, out)
	}
	var errs []error // of readers that missed rows: the others get the rest
	err := eachRow(s.name, m.Value, func(row any) error {
		out.Value = row
		err := s.deliver(ctx, out)
		if errors.Is(err, host.ErrBusy) {
			errs, err = append(errs, err), nil
		}
		return err
	})
	if err != nil || len(errs) == 0 {
		return err
	}
	return errs[len(errs)-1]
}

func (s *memorySink) deliver(ctx context.Context, m host.Message) error {
	row, missed := m.Value, 0
	for _, r := range s.to {
		m.Value = copyRow(row)
		select {
		case r.queue <- m:
			continue
		default:
		}
		ok, err := s.await(ctx, r, m)
		if err != nil {
			return err
		}
		if !ok {
			missed++
		}
	}
	if missed > 0 {
		return host.Errorf(host.ErrBusy, "%s: topic %s: %d of %d readers took nothing for %v and missed a row: raise their bufferLength, or timeout",
			s.name, s.topic, missed, len(s.to), s.timeout)
	}
	return nil
}

// await waits for a reader that is behind.
func (s *memorySink) await(ctx context.Context, r *memorySource, m host.Message) (bool, error) {
	t := time.NewTimer(s.timeout)
	defer t.Stop()
	select {
	case r.queue <- m:
		return true, nil
	case <-r.over.Done():
		return true, nil // it has ended: nothing is owed to it
	case <-t.C:
		return false, nil
	case <-ctx.Done():
	case <-s.over.Done():
	}
	return false, s.interrupted(ctx)
}

// Close implements host.Sink.
func (s *memorySink) Close(ctx context.Context) error { return s.close(ctx, nil) }
