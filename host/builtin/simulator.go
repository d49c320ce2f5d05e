package builtin

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host"
)

// simulator yields the rows it was given, one an interval.
type simulator struct {
	*life
	data     []map[string]any
	interval time.Duration
	loop     bool
	at       int
	due      time.Time
}

func newSimulator(l *life, p *reader) host.Source {
	s := &simulator{life: l, interval: p.millis("interval", 10*time.Millisecond), loop: p.boolean("loop", true)}
	v, ok := p.value("data")
	if !ok {
		v = map[string]any{"temperature": 22.5, "humidity": int64(50)}
	}
	if text, ok := v.(string); ok {
		var decoded any
		if err := decoder(strings.NewReader(text)).Decode(&decoded); err != nil {
			p.wrong("data", text, "a list of objects")
		}
		v = plain(decoded)
	}
	err := eachRow("", v, func(row any) error {
		if m, ok := row.(map[string]any); ok {
			s.data = append(s.data, m)
		}
		return nil
	})
	if err != nil || len(s.data) == 0 {
		p.wrong("data", v, "a list of objects")
	}
	return s
}

// Open implements host.Source.
func (s *simulator) Open(context.Context) error {
	return s.open(func() error { s.due = time.Now(); return nil })
}

// Next implements host.Source. A reader that is late gets no burst.
func (s *simulator) Next(ctx context.Context) (host.Message, error) {
	if err := s.enter(); err != nil {
		return host.Message{}, err
	}
	defer s.leave()
	if s.at == len(s.data) {
		if !s.loop {
			return host.Message{}, io.EOF
		}
		s.at = 0
	}
	if err := s.wait(ctx, time.Until(s.due)); err != nil {
		return host.Message{}, err
	}
	now := time.Now()
	s.due = s.due.Add(s.interval)
	if s.due.Before(now) {
		s.due = now
	}
	s.at++
	return host.Message{Value: copyRow(s.data[s.at-1]), Time: now}, nil
}

// Close implements host.Source.
func (s *simulator) Close(ctx context.Context) error { return s.close(ctx, nil) }
