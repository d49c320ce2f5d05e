package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Relister is a Module that can serve other functions of the code it has loaded.
// What it remembers beside the [State] stays with it; a second module of the same
// code would begin without.
type Relister interface {
	// Relist returns a module of the same code and memory with these functions.
	// Both may be called, and are of one life: closing one closes the other.
	// After an error nothing has changed.
	Relist(functions []string) (Module, error)
}

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
	p.Manifest.Functions, p.Manifest.Listed, p.Err = slices.Clone(functions), true, nil
	rec.ID, rec.Functions = id, p.Manifest.Functions
	fresh, err := h.reg.claim(id, p.Manifest.List())
	if err != nil {
		return err
	}
	e, shared, err := h.reload(ctx, old, p, rec)
	if err == nil {
		if err = h.opts.Store.PutPlugin(rec); err != nil && !shared {
			h.abandon(ctx, e.module)
		}
	}
	if err != nil {
		h.reg.unclaim(fresh)
		return err
	}
	h.reg.publish(e)
	if !shared {
		h.retire(ctx, old)
	}
	return nil
}

// reload makes the entry of a plugin whose list of functions changes. shared: it
// runs what old runs, which goes on, or nothing.
func (h *Host) reload(ctx context.Context, old *entry, p Plugin, rec Record) (e *entry, shared bool, err error) {
	if m, ok := old.module.(Relister); ok && old.plugin.Waiting == nil {
		next, err := m.Relist(p.Manifest.Functions)
		if err != nil {
			return nil, true, err
		}
		e, err = newEntry(p, rec, next, old.state)
		return e, true, err
	}
	st := old.state
	if st == nil { // without one, nothing that it remembers would be saved
		if st, err = NewState(h.opts.Store, p.ID); err != nil {
			return nil, false, fmt.Errorf("%w: delete the plugin to start without it", err)
		}
	}
	if e, err = h.load(ctx, p, rec, st); errors.Is(err, ErrRestart) {
		e = old.postpone(p, rec, err)
		e.state = st
		return e, true, nil
	}
	return e, false, err
}
