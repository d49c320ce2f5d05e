package builtin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/vanth-io/vanth/host"
)

// rest sends each message to a server.
type rest struct {
	*life
	request request
	retries int64
	print   bool
}

func newRest(l *life, p *reader) host.Sink {
	s := &rest{
		life: l, request: readRequest(l, p, "post"),
		retries: p.integer("retries", 0, 0, 1000), print: p.boolean("debugResp", false),
	}
	p.noTemplate("url", s.request.url)
	return s
}

// Open implements host.Sink. The server is first asked by Write.
func (s *rest) Open(context.Context) error {
	return s.open(func() error {
		if err := s.request.open(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		return nil
	})
}

// Write implements host.Sink: it returns when the server has accepted the
// message. What may pass is tried again, at growing intervals.
func (s *rest) Write(ctx context.Context, m host.Message) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	body, err := s.body(m.Value)
	if err != nil {
		return err
	}
	for try := int64(0); ; try++ {
		bound, cancel := s.bind(ctx, s.request.timeout)
		answer, after, err := s.request.do(bound, s.request.url, body, maxBytes)
		cancel()
		if err == nil {
			if s.print {
				s.owner.opts.Log.LogAttrs(ctx, slog.LevelInfo, "answer", slog.String("rule", s.rule()), slog.String("body", string(answer[:min(len(answer), 4096)])))
			}
			return nil
		}
		if stopped := s.interrupted(ctx); stopped != nil {
			return stopped
		}
		if try >= s.retries || !errors.Is(err, host.ErrUnavailable) {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		pause := max(after, min(100*time.Millisecond<<min(try, 6), 5*time.Second))
		if err := s.wait(ctx, pause); err != nil {
			return err
		}
	}
}

func (s *rest) body(v any) ([]byte, error) {
	if err := eachRow(s.name, v, func(any) error { return nil }); err != nil {
		return nil, err
	}
	var b []byte
	var err error
	if m, ok := v.(map[string]any); ok && s.request.bodyType == "form" {
		b, err = form(s.name, m)
	} else {
		b, err = appendJSON(s.name, nil, v)
	}
	if err == nil && len(b) > maxBytes {
		err = host.Errorf(host.ErrInvalid, "%s: message: found %d bytes, expected at most %d", s.name, len(b), maxBytes)
	}
	return b, err
}

// Close implements host.Sink.
func (s *rest) Close(ctx context.Context) error {
	return s.close(ctx, func(context.Context) error { s.request.close(); return nil })
}
