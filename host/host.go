package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Options configure a Host. Zero values mean the defaults stated.
type Options struct {
	// Home is the folder of the host: bundles and temporary files go to data/
	// below it, drop-in bundles are read from plugins/. It must be absolute.
	Home string
	// Runtimes, in the order in which they are asked to accept a bundle.
	// Whoever made them closes them, after the host.
	Runtimes []Runtime
	// Store is closed by whoever opened it, after the host.
	Store Store
	// Builtin has the sources and sinks that every host has. They hide a plugin's
	// of the same name, as in eKuiper. Whoever made it closes it, after the host.
	Builtin Module
	// Log takes what no caller is there to hear. Default: nowhere.
	Log *slog.Logger
	// Install bounds and permits what an installation may do.
	Install InstallPolicy
	// Checkpoint is how often state is saved to the store. Default 1 s.
	Checkpoint time.Duration
	// Drain bounds the wait for the calls in flight on a module that was
	// replaced or removed, before they are forced to end. Default 5 s.
	Drain time.Duration
}

func (o *Options) fill() error {
	if !filepath.IsAbs(o.Home) {
		return invalid("home %q: expected an absolute path", o.Home)
	}
	if o.Store == nil {
		return invalid("host: no store")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Checkpoint <= 0 {
		o.Checkpoint = time.Second
	}
	if o.Drain <= 0 {
		o.Drain = 5 * time.Second
	}
	o.Install.fill(o.Home)
	return nil
}

// Host installs plugins and calls what they export. All methods may be called
// from many goroutines.
type Host struct {
	opts  Options
	paths paths
	reg   registry

	life   context.Context // ends when Close begins
	end    context.CancelFunc
	beat   sync.WaitGroup // the checkpoint goroutine
	closer sync.Once
	closed error // what Close failed with
}

// paths are the folders of a home.
type paths struct {
	bundles string // data/bundles/<class>/<name>/<generation>
	tmp     string // data/tmp: swept at every start
	etc     string // etc: configuration files that plugins bring
	dropIn  string // plugins/<class folder>/<name>
}

func newPaths(home string) paths {
	return paths{
		bundles: filepath.Join(home, "data", "bundles"),
		tmp:     filepath.Join(home, "data", "tmp"),
		etc:     filepath.Join(home, "etc"),
		dropIn:  filepath.Join(home, "plugins"),
	}
}

// dropped lists the drop-ins of a plugin: a folder, and .so files in the classes
// of native plugins. The folder need not exist.
func (p paths) dropped(id ID) []string {
	folder := filepath.Join(p.dropIn, id.Class.dropIn())
	found := []string{filepath.Join(folder, id.Name)}
	list, _ := os.ReadDir(folder)
	for _, e := range list {
		if so, ok := parseSo(e.Name()); ok && id.Class.kind() != 0 && so.plugin == id.Name {
			found = append(found, filepath.Join(folder, e.Name()))
		}
	}
	return found
}

// plugin holds the generations of an installed plugin.
func (p paths) plugin(id ID) string { return filepath.Join(p.bundles, string(id.Class), id.Name) }

// Open starts a host: it sweeps what a killed process left, loads the plugins
// of the store and of the drop-in folders, and returns when every one serves
// or is listed with its error. Only a home that cannot be used is an error.
func Open(ctx context.Context, o Options) (*Host, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	h := &Host{opts: o, paths: newPaths(o.Home)}
	h.life, h.end = context.WithCancel(context.Background())
	h.reg.init()
	err := h.boot(ctx)
	if err == nil && ctx.Err() != nil {
		// What was loading when ctx ended is not broken, it was given up.
		err = errors.Join(ctx.Err(), h.Close(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	h.beat.Go(h.checkpoints)
	return h, nil
}

// Close stops taking work, gives up installations under way, waits for the
// calls in flight, ends every module and saves all state. When ctx ends first
// it forces calls to end and returns its error. Closing again returns the same.
func (h *Host) Close(ctx context.Context) error {
	h.closer.Do(func() {
		h.reg.close()
		h.end()
		h.reg.ops.Wait()
		h.beat.Wait()
		entries := h.reg.withdrawAll()
		errs := make([]error, len(entries))
		var wg sync.WaitGroup
		for i, e := range entries {
			wg.Go(func() { errs[i] = e.end(ctx) })
		}
		wg.Wait()
		h.closed = errors.Join(append(errs, h.saveState(), ctx.Err())...)
	})
	return h.closed
}

// checkpoints saves state until the host closes.
func (h *Host) checkpoints() {
	t := time.NewTicker(h.opts.Checkpoint)
	defer t.Stop()
	for {
		select {
		case <-h.life.Done():
			return
		case <-t.C:
			if err := h.saveState(); err != nil {
				h.opts.Log.Error("state is not saved; it is tried again at the next checkpoint", "err", err)
			}
		}
	}
}

func (h *Host) saveState() error {
	var errs []error
	for _, s := range h.reg.states() {
		if err := s.Save(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.id, err))
		}
	}
	return errors.Join(errs...)
}

// List returns the plugins of a class by name, those that cannot run among
// them.
func (h *Host) List(c Class) []Plugin {
	list := []Plugin{}
	for id, e := range h.reg.snapshot().plugins {
		if id.Class == c {
			list = append(list, e.plugin)
		}
	}
	sortBy(list, func(p *Plugin) string { return p.ID.Name })
	return list
}

// Get returns one plugin. The error is ErrNotFound.
func (h *Host) Get(id ID) (Plugin, error) {
	e, ok := h.reg.snapshot().plugins[id]
	if !ok {
		return Plugin{}, Errorf(ErrNotFound, "%s: not found", id)
	}
	return e.plugin, nil
}

// Fuel is what the calls of a plugin used since it was installed or the host
// started, in units of about one instruction; false when nothing counts them. Calls
// that an update overtakes may be missing.
func (h *Host) Fuel(id ID) (used uint64, counted bool) {
	if e := h.reg.snapshot().plugins[id]; e != nil {
		return e.fuel()
	}
	return 0, false
}

// Waited is for how long calls of a plugin had to wait since it was installed or the
// host started, since it had used its limits.cpuPercent. Calls that an update overtakes
// may be missing.
func (h *Host) Waited(id ID) time.Duration {
	if e := h.reg.snapshot().plugins[id]; e != nil {
		return e.waiting()
	}
	return 0
}

// FunctionDesc describes a published function.
type FunctionDesc struct {
	Name      string
	Plugin    ID
	Version   string
	Runtime   string // "" when the plugin cannot run
	Signature *Signature
	Err       error // why the plugin cannot run
	Usage     Usage
}

// Functions describes every function by name, those of plugins that cannot run
// among them.
func (h *Host) Functions() []FunctionDesc {
	list := []FunctionDesc{}
	snap := h.reg.snapshot()
	for _, b := range snap.functions {
		list = append(list, b.describe())
	}
	sortBy(list, func(f *FunctionDesc) string { return f.Name })
	return list
}

// FunctionNamed describes one function. The error is ErrNotFound and proposes
// the names nearest to it.
func (h *Host) FunctionNamed(name string) (FunctionDesc, error) {
	b, err := h.reg.function(name)
	if err != nil {
		return FunctionDesc{}, err
	}
	return b.describe(), nil
}

// Function resolves a function once; the handle is meant to be kept and called
// many times, and follows updates of the plugin. The error is ErrNotFound for
// a name nobody exports and ErrUnavailable when its plugin cannot run.
func (h *Host) Function(name string) (*Handle, error) {
	b, err := h.reg.function(name)
	if err != nil {
		return nil, err
	}
	f := &Handle{reg: &h.reg, name: name}
	f.cur.Store(b)
	if b.owner.plugin.Err != nil {
		return nil, b.unavailable()
	}
	return f, nil
}

// Invoke resolves name and calls it once, from outside any rule.
func (h *Host) Invoke(ctx context.Context, name string, args ...any) (any, error) {
	f, err := h.Function(name)
	if err != nil {
		return nil, err
	}
	return f.Exec(ctx, nil, args)
}

// mkdirs creates the folders of a home that are missing.
func (p paths) mkdirs() error {
	for _, d := range []string{p.bundles, p.tmp} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	// Drop-in folders may stand on a read-only volume.
	for _, c := range classes() {
		_ = os.MkdirAll(filepath.Join(p.dropIn, c.dropIn()), 0o755)
	}
	return nil
}
