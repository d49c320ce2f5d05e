package host

import (
	"errors"
	"slices"
)

// Source makes a source by name, the built-in one, or of the plugin that serves it
// now. When its plugin is replaced or removed it fails with ErrClosed; whoever
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

// node has the module of a symbol make something: the built-in one, as in eKuiper,
// before any plugin's.
func node[T any](h *Host, s Symbol, make_ func(Module) (T, error)) (T, error) {
	var none T
	if h.opts.Builtin != nil {
		if v, err := make_(h.opts.Builtin); !errors.Is(err, ErrNotFound) {
			return v, err
		}
	}
	for {
		e := h.reg.snapshot().nodes[s]
		switch {
		case e == nil && s.Kind == KindSource: // eKuiper's sentences
			return none, Errorf(ErrNotFound, "source type %s not found", s.Name)
		case e == nil:
			return none, Errorf(ErrNotFound, "sink %s is not defined", s.Name)
		case e.module == nil:
			return none, Errorf(ErrUnavailable, "%s: plugin %s does not run: %v", s, e.plugin.ID, e.plugin.Err)
		}
		v, err := make_(e.module)
		if err != nil && e.gone.Load() && errors.Is(err, ErrClosed) && !h.reg.closed.Load() {
			continue // replaced meanwhile
		}
		return v, err
	}
}

// shadowed warns of sources and sinks that nobody will find.
func (h *Host) shadowed(p *Plugin) {
	if h.opts.Builtin == nil {
		return
	}
	for _, s := range p.Manifest.List() {
		if s.Kind != KindFunction && slices.Contains(h.opts.Builtin.Symbols(), s) {
			h.opts.Log.Warn("a symbol of a plugin is hidden by the built-in one of the same name", "plugin", p.ID.String(), "symbol", s.String())
		}
	}
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
