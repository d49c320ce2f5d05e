package host

import (
	"context"
	"errors"
	"slices"
)

// Register sets the functions that a native function plugin exports, which its
// .so file does not tell. The list replaces the one before and outlives the
// host. The error is ErrNotFound, ErrInvalid for an empty or bad list,
// ErrUnsupported for a plugin that has a manifest, or ErrExists for a name that
// another plugin has; then the list before still holds.
func (h *Host) Register(ctx context.Context, id ID, functions []string) error {
	old, err := h.reg.begin(id)
	if err != nil {
		return err
	}
	defer h.reg.finish(id)
	switch {
	case old == nil:
		return Errorf(ErrNotFound, "%s: not found", id)
	case len(functions) == 0:
		return invalid("property 'functions' must not be empty")
	case id.Class != ClassFunctions || old.plugin.Manifest.Language != LanguageNative:
		return Errorf(ErrUnsupported, "%s: its functions are those of its manifest", id)
	}
	if err := checkFunctions(functions); err != nil {
		return err
	}
	p, rec := old.plugin, old.record
	p.Manifest.Functions, p.Err = slices.Clone(functions), nil
	rec.ID, rec.Functions = id, p.Manifest.Functions
	fresh, err := h.reg.claim(id, p.Manifest.List())
	if err != nil {
		return err
	}
	e, err := h.load(ctx, p, rec, old.state)
	waits := errors.Is(err, ErrRestart)
	if waits {
		e, err = old.postpone(p, rec, err), nil
	}
	if err == nil {
		if err = h.opts.Store.PutPlugin(rec); err != nil && !waits {
			h.abandon(ctx, e.module)
		}
	}
	if err != nil {
		h.reg.unclaim(fresh)
		return err
	}
	h.reg.publish(e)
	if !waits { // else its module goes on, or there is none
		h.retire(ctx, old)
	}
	return nil
}
