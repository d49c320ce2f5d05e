package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vanth-io/vanth/host/internal/fetch"
)

// Request asks for a plugin to be installed from a URL or from an archive.
type Request struct {
	ID ID
	// URL names the archive: http, https or file, ending in .zip.
	URL string
	// Archive is the archive itself, where there is no URL.
	Archive io.Reader
	// SHA256 is what the archive's digest must be, in hex; "" for unchecked.
	SHA256 string
	// ShellParas are the arguments of the archive's install.sh.
	ShellParas []string
	// Functions are the functions that a native function plugin exports; nil
	// for one of the plugin's own name. Other plugins have a manifest.
	Functions []string
}

// Install brings a new plugin: it is serving when Install returns, or nothing
// of it remains. A plugin of that name that cannot run is replaced. The error
// is an *[InstallError]; it wraps ErrExists for a name that is taken.
func (h *Host) Install(ctx context.Context, r Request) (Plugin, error) {
	return h.install(ctx, r, func(old *entry) error {
		if old != nil && (old.plugin.Err == nil || errors.Is(old.plugin.Err, ErrRestart)) {
			return Errorf(ErrExists, "invalid name %s: duplicate", r.ID.Name)
		}
		return nil
	})
}

// Replace brings another version of a plugin. Calls in flight finish on the old
// one, later ones run on the new, none fails; when the new version cannot be
// installed the old one keeps serving. The error is an *[InstallError]; it
// wraps ErrNotFound when there is nothing to replace.
func (h *Host) Replace(ctx context.Context, r Request) (Plugin, error) {
	return h.install(ctx, r, func(old *entry) error {
		if old == nil {
			return Errorf(ErrNotFound, "invalid name %s: not exist", r.ID.Name)
		}
		return nil
	})
}

// Remove withdraws a plugin, waits a bounded time for the calls in flight, and
// removes what installing it brought, its state included. The error is
// ErrNotFound or that of the store.
func (h *Host) Remove(ctx context.Context, id ID) error {
	old, err := h.reg.begin(id)
	if err != nil {
		return err
	}
	defer h.reg.finish(id)
	if old == nil {
		return Errorf(ErrNotFound, "%s: not found", id)
	}
	// Drop-ins go first: they would come back at the next start. Of a plugin
	// that is one, this is the commit.
	for _, path := range h.paths.dropped(id) {
		if err := h.discard(path); err != nil {
			return fmt.Errorf("%s: the drop-in cannot be removed, and would come back: %w", id, err)
		}
	}
	journalDir, config, err := h.planRemoval(old.record)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	if old.state != nil {
		old.state.drop(true)
	}
	if err := h.opts.Store.DeletePlugin(id); err != nil && !old.plugin.DropIn {
		if old.state != nil {
			old.state.drop(false)
		}
		return fmt.Errorf("%s: store: %w", id, err)
	}
	h.reg.withdraw(id)
	h.retire(ctx, old)
	if journalDir != "" {
		h.removeConfig(config)
		_ = os.RemoveAll(journalDir)
	}
	for _, rt := range h.opts.Runtimes {
		if k, ok := rt.(Keeper); ok {
			k.Forget(id)
		}
	}
	if err := h.discard(h.paths.plugin(id)); err != nil {
		h.opts.Log.Warn("files remain until the next start", "plugin", id.String(), "err", err)
	}
	return nil
}

// retire ends a withdrawn entry within the drain time; the caller's own
// cancellation does not cut calls in flight short.
func (h *Host) retire(ctx context.Context, e *entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.opts.Drain)
	defer cancel()
	if err := e.end(ctx); err != nil {
		h.opts.Log.Warn("calls in flight were ended by force", "plugin", e.plugin.ID.String(), "err", err)
	}
}

// discard removes a folder so that a kill leaves it whole or gone: it is moved
// to the temporary folder, which is swept at every start, and removed there.
// One that does not exist is fine.
func (h *Host) discard(dir string) error {
	grave, err := os.MkdirTemp(h.paths.tmp, "gone-*")
	if err != nil {
		return err
	}
	err = os.Rename(dir, filepath.Join(grave, "x"))
	if errors.Is(err, syscall.EXDEV) {
		// A drop-in folder on a volume of its own: it is hidden beside itself.
		_ = os.Remove(grave)
		grave = filepath.Join(filepath.Dir(dir), gone+filepath.Base(dir))
		err = errors.Join(os.RemoveAll(grave), os.Rename(dir, grave))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		_ = os.RemoveAll(grave)
		return err
	}
	if err := syncDir(filepath.Dir(dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(grave)
}

// install runs the steps. Up to the store's transaction everything is undone on
// an error; after it the new version stands, whatever happens.
func (h *Host) install(ctx context.Context, r Request, admit func(old *entry) error) (Plugin, error) {
	in := &installation{h: h, req: r}
	fail := func(s Step, err error) (Plugin, error) {
		in.rollback()
		return Plugin{}, &InstallError{r.ID, s, err}
	}
	if err := h.checkRequest(r); err != nil {
		return fail(StepReserve, err)
	}
	if err := admit(h.reg.snapshot().plugins[r.ID]); err != nil {
		return fail(StepReserve, err) // said early: nothing need be fetched
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.life, func() { cancel(Errorf(ErrClosed, "the host is closing")) })()
	// The archive comes at its sender's pace, and must not hold the name.
	if err := in.fetch(ctx); err != nil {
		return fail(StepFetch, err)
	}
	old, err := h.reg.begin(r.ID)
	if err != nil {
		return fail(StepReserve, err)
	}
	defer h.reg.finish(r.ID)
	if err := admit(old); err != nil {
		return fail(StepReserve, err)
	}
	in.old = old
	for _, s := range in.steps() {
		err := context.Cause(ctx)
		if err == nil {
			err = s.do(ctx)
		}
		if err != nil {
			return fail(s.step, err)
		}
	}
	h.reg.publish(in.entry)
	in.dropJournal()
	if old != nil {
		if !in.carried {
			h.retire(ctx, old)
		}
		in.removeOld()
	}
	return in.entry.plugin, nil
}

func (h *Host) checkRequest(r Request) error {
	if r.ID.Class.dropIn() == "" {
		return Errorf(ErrUnsupported, "class %s: this build installs no such plugins", r.ID.Class)
	}
	if err := CheckName(r.ID.Name); err != nil {
		return err
	}
	if r.Archive == nil {
		if err := fetch.Check(r.URL); err != nil {
			return Errorf(ErrInvalid, "%v", err)
		}
	}
	return nil
}
