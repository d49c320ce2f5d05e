package rule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

// sinkNode is a sink of a rule.
type sinkNode struct {
	node
	kind  string
	call  *host.Call
	props host.Props
	shape shape

	place int         // in the plan
	queue chan parcel // of the run
	sink  host.Sink   // of the goroutine that writes
}

// shape is what a sink gets of a row.
type shape struct {
	single bool     // a row as it is, not a list of one
	fields []string // only these; nil for all
}

func (s *sinkNode) take(w *worker, row *query.Row) {
	w.deliver(s, item{row: row.Fields, meta: row.Meta, time: row.Time})
}

func (s *sinkNode) ends() []*sinkNode { return []*sinkNode{s} }

// sink makes a sink node. name is its operator id.
func (r *Rules) sink(p *plan, name, kind string, props map[string]any) (*sinkNode, error) {
	s := &sinkNode{node: node{name: name}, kind: kind, props: props}
	s.call = &host.Call{Rule: p.rule, Op: name, Run: p.run}
	for _, key := range []string{"dataTemplate", "compression", "encryption", "schemaId", "batchSize", "lingerInterval", "enableCache", "runAsync"} {
		if v, ok := props[key]; ok && v != nil && v != "" && v != false && v != 0.0 {
			return nil, host.Errorf(host.ErrUnsupported, "sink %s: property %s: it is not known here: leave it out", name, key)
		}
	}
	if format, _ := props["format"].(string); format != "" && format != "json" {
		return nil, host.Errorf(host.ErrUnsupported, "sink %s: property format: found %s, expected json", name, format)
	}
	var err error
	if s.shape.single, err = boolProp(props, "sendSingle"); err != nil {
		return nil, fmt.Errorf("sink %s: %w", name, err)
	}
	if list, ok := props["fields"].([]any); ok {
		for _, v := range list {
			field, ok := v.(string)
			if !ok {
				return nil, host.Errorf(host.ErrInvalid, "sink %s: property fields: found %v, expected names of fields", name, v)
			}
			s.shape.fields = append(s.shape.fields, field)
		}
	}
	s.place = len(p.sinks)
	p.sinks = append(p.sinks, s)
	return s, nil
}

func boolProp(props map[string]any, key string) (bool, error) {
	switch v := props[key].(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case string:
		if v == "true" || v == "false" {
			return v == "true", nil
		}
	}
	return false, host.Errorf(host.ErrInvalid, "property %s: found %v, expected true or false", key, props[key])
}

// value is what a sink is given.
func (h *shape) value(row map[string]any) any {
	if h.fields != nil {
		less := make(map[string]any, len(h.fields))
		for _, f := range h.fields {
			less[f] = row[f]
		}
		row = less
	}
	if h.single {
		return row
	}
	return []any{row}
}

// openSink makes and opens a sink, waiting for its plugin.
func (f *flow) openSink(ctx context.Context, s *sinkNode, first bool) (host.Sink, error) {
	sink, err := reopen(ctx, f, &s.metrics, "sink "+s.kind, first, func() (host.Sink, error) {
		k, err := f.opts.Host.Sink(s.kind, s.call, s.props)
		if err != nil {
			return nil, err
		}
		if err := k.Open(ctx); err != nil {
			return nil, errors.Join(err, k.Close(ctx))
		}
		return k, nil
	})
	if err == nil {
		s.metrics.connected(1, nil)
	}
	return sink, err
}

// runSink writes what its queue holds until that is closed.
func (f *flow) runSink(s *sinkNode) {
	for p := range s.queue {
		if p.barrier != nil {
			p.barrier <- f.flush(s)
			continue
		}
		if p.more == nil {
			f.writeRow(s, p.item)
			continue
		}
		for _, i := range p.more {
			f.writeRow(s, i)
		}
	}
	if s.sink == nil {
		return
	}
	if err := f.flush(s); err != nil {
		s.metrics.fail(err)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(f.write), f.opts.Drain)
	defer cancel()
	if err := s.sink.Close(end); err != nil && !errors.Is(err, host.ErrClosed) {
		f.opts.Log.Warn("a sink did not close", "rule", f.p.rule, "sink", s.name, "err", err)
	}
	s.metrics.connected(-1, nil)
}

// flush waits until the sink has what it was given.
func (f *flow) flush(s *sinkNode) error {
	k, ok := s.sink.(host.Flusher)
	if !ok {
		return nil
	}
	return k.Flush(f.write)
}

// writeRow writes one row. When the plugin was replaced it goes to the next one.
func (f *flow) writeRow(s *sinkNode, p item) {
	s.metrics.in(1)
	m := host.Message{Value: s.shape.value(p.row), Meta: p.meta, Time: p.time}
	t := s.metrics.begin()
	for {
		err := s.sink.Write(f.write, m)
		if err == nil {
			s.metrics.end(t, coarse.millis())
			s.metrics.out(1)
			if f.opts.Tap != nil {
				f.opts.Tap(s.name, p.row)
			}
			return
		}
		if f.def.QoS > 0 && passing(err) && f.write.Err() == nil {
			s.metrics.fail(err)
			select {
			case <-time.After(retryAfter):
			case <-f.write.Done():
			}
			continue
		}
		if !errors.Is(err, host.ErrClosed) {
			s.metrics.end(t, coarse.millis())
			s.metrics.fail(err)
			return
		}
		s.metrics.connected(0, err)
		end, cancel := context.WithTimeout(context.WithoutCancel(f.write), time.Second)
		_ = s.sink.Close(end) // it was ended by its plugin
		cancel()
		if s.sink, err = f.openSink(f.plugs, s, false); err != nil {
			s.metrics.fail(fmt.Errorf("a row is lost: %w", err)) // the rule is being stopped
			s.sink = closedSink{}
		}
	}
}

// retryAfter is the pause before a row is written again with qos 1.
const retryAfter = 100 * time.Millisecond

// passing tells whether an error of a write may pass.
func passing(err error) bool {
	if g, ok := errors.AsType[*host.GuestError](err); ok {
		return g.Class == "io" || g.Fault == host.FaultExit || g.Fault == host.FaultDeadline
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, host.ErrBusy) ||
		errors.Is(err, host.ErrInterrupted) || errors.Is(err, host.ErrUnavailable)
}

// closedSink takes the rows that are left when a rule stops without its plugin.
type closedSink struct{}

func (closedSink) Open(context.Context) error  { return host.ErrClosed }
func (closedSink) Close(context.Context) error { return nil }
func (closedSink) Write(context.Context, host.Message) error {
	return host.Errorf(host.ErrUnavailable, "a row is lost: the rule was stopped while its plugin was missing")
}
