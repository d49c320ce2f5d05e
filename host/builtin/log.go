package builtin

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/vanth-io/vanth/host"
)

// logSink writes one line a row to the host's log.
type logSink struct{ *life }

func newLog(l *life, _ *reader) host.Sink { return &logSink{l} }

// Open implements host.Sink.
func (s *logSink) Open(context.Context) error { return s.open(func() error { return nil }) }

// Write implements host.Sink.
func (s *logSink) Write(ctx context.Context, m host.Message) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.print(ctx, m)
}

// Close implements host.Sink.
func (s *logSink) Close(ctx context.Context) error { return s.close(ctx, nil) }

// print logs the rows of a message.
func (l *life) print(ctx context.Context, m host.Message) error {
	return eachRow(l.name, m.Value, func(row any) error {
		b, err := appendJSON(l.name, nil, row)
		if err != nil {
			return err
		}
		l.owner.opts.Log.LogAttrs(ctx, slog.LevelInfo, "row", slog.String("rule", l.rule()), slog.String("row", string(b)))
		return nil
	})
}

// nopSink counts.
type nopSink struct {
	*life
	log  bool
	rows atomic.Uint64
}

func newNop(l *life, p *reader) host.Sink { return &nopSink{life: l, log: p.boolean("log", false)} }

// Open implements host.Sink.
func (s *nopSink) Open(context.Context) error { return s.open(func() error { return nil }) }

// Write implements host.Sink.
func (s *nopSink) Write(ctx context.Context, m host.Message) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := eachRow(s.name, m.Value, func(any) error { s.rows.Add(1); return nil }); err != nil || !s.log {
		return err
	}
	return s.print(ctx, m)
}

// Rows is how many rows were written.
func (s *nopSink) Rows() uint64 { return s.rows.Load() }

// Close implements host.Sink.
func (s *nopSink) Close(ctx context.Context) error { return s.close(ctx, nil) }
