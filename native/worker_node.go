package native

import (
	"context"

	"github.com/vanth-io/vanth/host"
)

// node does what is asked of a source or a sink.
func (s *server) node(ctx context.Context, p *opened, op int, f *fields) (any, error) {
	handle := field[int64](f)
	if op == opNew {
		return nil, s.newNode(p, handle, f)
	}
	s.mu.Lock()
	h := s.nodes[handle]
	if op == opShut {
		delete(s.nodes, handle)
	}
	s.mu.Unlock()
	if h == nil {
		return nil, host.Errorf(host.ErrClosed, "%s: no source or sink %d is open", p.guest.id, handle)
	}
	if op == opShut { // also while it is in use, which this ends
		if err := f.end("a request"); err != nil {
			return nil, err
		}
		return nil, h.close(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case op == opOpen:
		if err := f.end("a request"); err != nil {
			return nil, err
		}
		err := h.open(ctx)
		if err != nil { // it has closed itself
			s.mu.Lock()
			delete(s.nodes, handle)
			s.mu.Unlock()
		}
		return nil, err
	case op == opWrite && h.sink != nil:
		m := host.Message{Value: nextAny(f), Meta: nextMap(f), Time: nextTime(f)}
		if err := f.end("a request"); err != nil {
			return nil, err
		}
		return nil, h.sink.Write(ctx, m)
	case op == opNext && h.source != nil:
		if err := f.end("a request"); err != nil {
			return nil, err
		}
		m, err := h.source.Next(ctx)
		if err != nil {
			return nil, err
		}
		var meta any
		if m.Meta != nil {
			meta = m.Meta
		}
		return []any{m.Value, meta, moment(m.Time)}, nil
	}
	return nil, host.Errorf(host.ErrInvalid, "%s: %s cannot do that", p.guest.id, h.symbol)
}

// newNode makes a source or a sink. Its context gets the state of the host
// before the plugin sees it.
func (s *server) newNode(p *opened, handle int64, f *fields) error {
	kind, name := field[string](f), field[string](f)
	call := &host.Call{Rule: field[string](f), Op: field[string](f), Instance: field[int64](f), Run: field[int64](f)}
	props, _ := ints(nextMap(f)).(map[string]any)
	if err := f.end("a request"); err != nil {
		return err
	}
	h := &hosted{symbol: name}
	switch kind {
	case host.KindSink.String():
		k, err := p.Sink(name, call, props)
		if err != nil {
			return err
		}
		if own, ok := k.(*sink); ok {
			own.ctx.state = p.state.through(own.ctx.state)
		}
		h.sink = k
	default:
		src, err := p.Source(name, call, props)
		if err != nil {
			return err
		}
		switch own := src.(type) {
		case *source:
			own.ctx.state = p.state.through(own.ctx.state)
		case rewindable:
			own.ctx.state = p.state.through(own.ctx.state)
		}
		h.source = src
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[handle] = h
	return nil
}

func (h *hosted) open(ctx context.Context) error {
	if h.sink != nil {
		return h.sink.Open(ctx)
	}
	return h.source.Open(ctx)
}

func (h *hosted) close(ctx context.Context) error {
	if h.sink != nil {
		return h.sink.Close(ctx)
	}
	return h.source.Close(ctx)
}

// ints makes int of the integers in properties, in place: they were int when
// they were read from a file, and the wire has int64 only.
func ints(v any) any {
	switch v := v.(type) {
	case int64:
		if n := int(v); int64(n) == v {
			return n
		}
	case map[string]any:
		for key, item := range v {
			v[key] = ints(item)
		}
	case []any:
		for i, item := range v {
			v[i] = ints(item)
		}
	}
	return v
}
