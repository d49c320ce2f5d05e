package native

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// sink runs an api.Sink as a host.Sink. The plugin's Collect runs on a goroutine
// of the sink, since it cannot be interrupted: a Write whose ctx ends first
// returns, and the next Write waits for that Collect before it begins its own.
//
// A collector of tuples gets a map as a tuple, a list of maps as a list, and
// bytes as the JSON of either. A collector of bytes gets bytes as they are and
// everything else as JSON. Properties that are templates are evaluated for each
// message, see template, but for dataTemplate, which is the rule's.
type sink struct {
	*node
	templates []sinkTemplate
	jobs      chan func() error
	replies   chan error
	set       atomic.Pointer[error] // what the plugin set on its context

	late bool // a Collect has not returned; one goroutine uses it
}

type sinkTemplate struct {
	text string
	*template
}

var _ host.Sink = (*sink)(nil)

// newSink adapts s. c says on whose behalf it runs, nil when that is not known.
func newSink(g *guest, name string, s api.Sink, props host.Props, c *host.Call) (host.Sink, error) {
	switch s.(type) {
	case api.BytesCollector, api.TupleCollector:
	default:
		return nil, host.Errorf(host.ErrInvalid, "sink type %s does not implement any collector", name)
	}
	k := &sink{jobs: make(chan func() error), replies: make(chan error, 1)}
	var err error
	if k.templates, err = findTemplates(nil, props); err != nil {
		return nil, fmt.Errorf("sink %s: %w", name, err)
	}
	k.node = newNode(g, host.Symbol{Kind: host.KindSink, Name: name}, s, sinkProps(props), c, func(err error) {
		k.set.Store(&err)
	})
	return k, nil
}

// findTemplates lists the properties that are templates, as eKuiper finds them.
func findTemplates(list []sinkTemplate, props map[string]any) ([]sinkTemplate, error) {
	for key, v := range props {
		switch v := v.(type) {
		case string:
			if key == "dataTemplate" {
				continue
			}
			t, err := parseTemplate(v)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			if t.hasActions() {
				list = append(list, sinkTemplate{v, t})
			}
		case map[string]any:
			var err error
			if list, err = findTemplates(list, v); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return list, nil
}

// Status returns what the plugin last said of its connection, see node.
func (s *sink) Status() (status, message string) { return s.connectionStatus() }

// Open implements host.Sink.
func (s *sink) Open(ctx context.Context) error {
	if err := s.open(ctx, func() {}, nil); err != nil {
		return err
	}
	return s.work("Collect", s.deliver)
}

// Close implements host.Sink. It takes at most twice the grace.
func (s *sink) Close(ctx context.Context) error { return s.close(ctx) }

// deliver is the work of a sink.
func (s *sink) deliver() error {
	for {
		select {
		case job := <-s.jobs:
			s.replies <- s.guest.guard(s.symbol.Name, "Collect", job)
		case <-s.ctx.Done():
			return nil
		}
	}
}

// Write implements host.Sink.
func (s *sink) Write(ctx context.Context, m host.Message) error {
	if s.ctx.Context.Err() != nil || s.worker == nil {
		return s.errClosed()
	}
	job, err := s.prepare(m)
	if err != nil {
		return fmt.Errorf("%s: %w", s.symbol, err)
	}
	if s.late {
		err, ok := s.await(ctx)
		if !ok {
			return err
		}
		if err != nil {
			s.guest.log.Warn("a write that was given up has failed", "sink", s.symbol.Name, "error", err.Error())
		}
	}
	select {
	case s.jobs <- job:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", s.symbol, ctx.Err())
	case <-s.ctx.Done():
		return s.errClosed()
	case <-s.worker.done:
		return s.worker.err
	}
	err, _ = s.await(ctx)
	return err
}

// await waits for the reply to a job; ok is false when it has not come.
func (s *sink) await(ctx context.Context) (err error, ok bool) {
	select {
	case err := <-s.replies:
		s.late = false
		return err, true
	case <-ctx.Done():
		s.late = true
		return fmt.Errorf("%s: Collect has not returned: %w", s.symbol, ctx.Err()), false
	case <-s.ctx.Done():
		return s.errClosed(), false
	case <-s.worker.done: // runtime.Goexit in Collect
		return s.worker.err, false
	}
}

// prepare makes the call of a collector from a message.
func (s *sink) prepare(m host.Message) (func() error, error) {
	if c, ok := s.impl.(api.BytesCollector); ok {
		raw, err := s.raw(m)
		if err != nil {
			return nil, err
		}
		return s.collect(func() error { return c.Collect(s.ctx, raw) }), nil
	}
	c := s.impl.(api.TupleCollector)
	v := m.Value
	if b, ok := v.([]byte); ok {
		var err error
		if v, err = decodeRow(b); err != nil {
			return nil, err
		}
	}
	if row, ok := v.(map[string]any); ok {
		head, err := s.head(m, row)
		if err != nil {
			return nil, err
		}
		return s.collect(func() error { return c.Collect(s.ctx, &tuple{head, row}) }), nil
	}
	rows, err := toRows(v)
	if err != nil {
		return nil, err
	}
	head, err := s.head(m, firstRow(rows))
	if err != nil {
		return nil, err
	}
	return s.collect(func() error { return c.CollectList(s.ctx, &tupleList{head, rows}) }), nil
}

// collect makes the errors of a collector those of its write.
func (s *sink) collect(fn func() error) func() error {
	return func() error {
		if e := s.set.Swap(nil); e != nil {
			s.guest.log.Warn("sink set an error between writes", "sink", s.symbol.Name, "error", fmt.Sprint(*e))
		}
		s.ctx.forget()
		err := fn()
		if e := s.set.Swap(nil); err == nil && e != nil {
			err = *e
		}
		if err != nil {
			return s.guest.returned(s.symbol.Name, err)
		}
		return nil
	}
}

func (s *sink) raw(m host.Message) (*rawTuple, error) {
	var first any
	switch v := m.Value.(type) {
	case map[string]any:
		first = v
	default:
		if rows, err := toRows(v); err == nil {
			first = firstRow(rows)
		} else if b, ok := v.([]byte); ok && len(s.templates) > 0 {
			first, _ = decodeRow(b) // what is no JSON is for the template to say
		}
	}
	head, err := s.head(m, first)
	if err != nil {
		return nil, err
	}
	b, ok := m.Value.([]byte)
	if !ok {
		if b, err = json.Marshal(m.Value); err != nil {
			return nil, host.Errorf(host.ErrInvalid, "no JSON can be made of %s: %v", host.Describe(m.Value), err)
		}
	}
	return &rawTuple{head, b}, nil
}

// head evaluates the templates on a row.
func (s *sink) head(m host.Message, row any) (letterhead, error) {
	h := letterhead{meta: m.Meta, at: m.Time}
	if len(s.templates) == 0 {
		return h, nil
	}
	h.props = make(map[string]string, len(s.templates))
	for _, t := range s.templates {
		text, err := t.execute(row)
		if err != nil {
			return h, host.Errorf(host.ErrInvalid, "property %.100q: %v", t.text, err)
		}
		h.props[t.text] = text
	}
	return h, nil
}

func toRows(v any) ([]map[string]any, error) {
	switch v := v.(type) {
	case []map[string]any:
		return v, nil
	case []any:
		rows := make([]map[string]any, len(v))
		for i, item := range v {
			row, ok := item.(map[string]any)
			if !ok {
				return nil, host.Errorf(host.ErrInvalid, "[%d]: found %s, expected a map", i, host.Describe(item))
			}
			rows[i] = row
		}
		return rows, nil
	}
	return nil, host.Errorf(host.ErrInvalid, "found %s, expected a map, a list of maps or bytes", host.Describe(v))
}

func firstRow(rows []map[string]any) any {
	if len(rows) == 0 {
		return map[string]any{}
	}
	return rows[0]
}

// decodeRow decodes a map or a list of maps from JSON. Numbers are int64 where
// they are whole, else float64.
func decodeRow(payload []byte) (any, error) {
	b := newBudget()
	return b.decodeRow(payload)
}

func (b *budget) decodeRow(payload []byte) (any, error) {
	v, err := b.parseJSON(payload)
	if err == nil {
		v, err = b.convert(v, 0)
	}
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "bytes are not JSON: %v", err)
	}
	return v, nil
}
