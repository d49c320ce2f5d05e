package host

import (
	"context"
	"strings"
)

// load finds the runtime for a bundle, loads it and ties its functions.
func (h *Host) load(ctx context.Context, p Plugin, rec Record, st *State) (*entry, error) {
	ctx, cancel := context.WithTimeout(ctx, h.opts.Install.LoadTimeout)
	defer cancel()
	b := Bundle{Plugin: p, Dir: p.Dir, State: st}
	names := make([]string, 0, len(h.opts.Runtimes))
	for _, rt := range h.opts.Runtimes {
		if !rt.Accepts(b) {
			names = append(names, rt.Name())
			continue
		}
		m, err := rt.Load(ctx, b)
		if err != nil {
			return nil, err
		}
		p.Runtime = rt.Name()
		h.shadowed(&p)
		e, err := newEntry(p, rec, m, st)
		if err != nil {
			h.abandon(ctx, m)
			return nil, err
		}
		return e, nil
	}
	return nil, Errorf(ErrUnsupported, "no runtime accepts the bundle (language %q): this host has %s",
		p.Manifest.Language, strings.Join(names, ", "))
}

// abandon closes a module that was never published, also when ctx has ended.
func (h *Host) abandon(ctx context.Context, m Module) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.opts.Drain)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		h.opts.Log.Warn("a module that was not published did not close", "err", err)
	}
}
