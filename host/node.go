package host

import (
	"errors"
	"maps"
)

// Source makes a source by name, of the plugin that serves it now, or a built-in
// one. When its plugin is replaced or removed it fails with ErrClosed; whoever
// uses it then makes another. The error is ErrNotFound when nothing has the
// name, ErrUnavailable when its plugin does not run: [Host.Changed] tells when to
// try again.
func (h *Host) Source(name string, c *Call, props Props) (Source, error) {
	return node(h, Symbol{KindSource, name}, func(m Module) (Source, error) { return m.Source(name, c, props) })
}

// Sink makes a sink by name, see Source.
func (h *Host) Sink(name string, c *Call, props Props) (Sink, error) {
	return node(h, Symbol{KindSink, name}, func(m Module) (Sink, error) { return m.Sink(name, c, props) })
}

// node has the module of a symbol make something.
func node[T any](h *Host, s Symbol, make_ func(Module) (T, error)) (T, error) {
	var none T
	for {
		snap := h.reg.snapshot()
		e := snap.nodes[s]
		if e == nil {
			return builtin(h, snap, s, make_)
		}
		if e.module == nil {
			return none, Errorf(ErrUnavailable, "%s: plugin %s does not run: %v", s, e.plugin.ID, e.plugin.Err)
		}
		v, err := make_(e.module)
		if err != nil && e.gone.Load() && errors.Is(err, ErrClosed) && !h.reg.closed.Load() {
			continue // replaced meanwhile
		}
		return v, err
	}
}

func builtin[T any](h *Host, snap *snapshot, s Symbol, make_ func(Module) (T, error)) (T, error) {
	var none T
	if h.opts.Builtin != nil {
		v, err := make_(h.opts.Builtin)
		if !errors.Is(err, ErrNotFound) {
			return v, err
		}
	}
	names := map[string]bool{}
	for y := range snap.nodes {
		if y.Kind == s.Kind {
			names[y.Name] = true
		}
	}
	if h.opts.Builtin != nil {
		for _, y := range h.opts.Builtin.Symbols() {
			if y.Kind == s.Kind {
				names[y.Name] = true
			}
		}
	}
	if near := nearest(s.Name, maps.Keys(names)); near != "" {
		return none, Errorf(ErrNotFound, "%s: not found; nearest: %s", s, near)
	}
	return none, Errorf(ErrNotFound, "%s: not found", s)
}

// Changed is closed at the next change of what is installed. Ask for it before
// looking for what may be missing.
func (h *Host) Changed() <-chan struct{} { return h.reg.snapshot().replaced }

// Owner is the plugin that serves a symbol now; ok is false for none, and for
// what is built in.
func (h *Host) Owner(s Symbol) (id ID, ok bool) {
	snap := h.reg.snapshot()
	if e := snap.nodes[s]; e != nil {
		return e.plugin.ID, true
	}
	if b := snap.functions[s.Name]; b != nil && s.Kind == KindFunction {
		return b.owner.plugin.ID, true
	}
	return ID{}, false
}
