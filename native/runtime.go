package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/native/internal/inspect"
)

// Options configure the runtime. Zero values mean the defaults stated.
type Options struct {
	// Home is what plugins see as their root path: etc/ is below it.
	Home string
	// StateDir keeps what was found out about files: which passed, which are in
	// quarantine. "" keeps nothing.
	StateDir string
	// Probe is the command that opens a file in a child: its arguments are
	// followed by the file's path, and [Probe] does what it must do. nil opens
	// files without a probe.
	Probe []string
	// ProbeTimeout bounds it, and the start of a worker. Default 20 s.
	ProbeTimeout time.Duration
	// Worker is the command that runs a plugin in a process of its own: its
	// arguments are followed by the file's path, and [Worker] does what it must
	// do. nil runs plugins in this process.
	Worker []string
	// Log takes what plugins log. Default: nowhere.
	Log *slog.Logger
}

// finder finds what an opened plugin exports, as plugin.Plugin does.
type finder func(symbol string) (any, error)

// Runtime is the host.Runtime for .so files.
type Runtime struct {
	opts Options
	self func() (*inspect.Host, error)
	open func(path string) (finder, error)

	placing sync.Mutex // one file at a time is placed

	mu      sync.Mutex // guards what follows; held while a file is opened, since the order counts
	closed  bool
	opened  map[string]openFile // by plugin path
	host    *inspect.Host       // what the process has become by what it opened
	modules map[closer]struct{}
}

// closer is what lives as long as a module.
type closer interface{ Close(context.Context) error }

// placed is a file where it is opened from.
type placed struct{ path, digest string }

// openFile is a plugin that is mapped for as long as the process lives.
type openFile struct {
	digest string
	find   finder
}

// New starts the runtime. Whoever calls it calls Close.
func New(o Options) *Runtime {
	if o.ProbeTimeout <= 0 {
		o.ProbeTimeout = 20 * time.Second
	}
	if o.StateDir != "" {
		// What an earlier process opened is mapped nowhere any more.
		_ = os.RemoveAll(filepath.Join(o.StateDir, openName))
		prune(o.StateDir)
	}
	return &Runtime{
		opts: o, self: sync.OnceValues(inspect.Self), open: openPlugin,
		opened: map[string]openFile{}, modules: map[closer]struct{}{},
	}
}

// Name implements host.Runtime.
func (*Runtime) Name() string { return "native" }

// Accepts implements host.Runtime.
func (*Runtime) Accepts(b host.Bundle) bool {
	return b.Plugin.Manifest.Language == host.LanguageNative
}

// Load implements host.Runtime.
func (r *Runtime) Load(ctx context.Context, b host.Bundle) (host.Module, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !opens {
		return nil, canOpen()
	}
	file, err := r.place(b)
	if err != nil {
		return nil, err
	}
	f, err := r.judge(ctx, file, b.Plugin.Manifest)
	if err != nil {
		r.unplace(file)
		return nil, err
	}
	if r.opts.Worker != nil {
		return r.isolate(ctx, b, file.path, r.opts.Worker)
	}
	find, err := r.take(file, f)
	if err != nil {
		if errors.Is(err, host.ErrRestart) {
			r.unplace(file)
		}
		return nil, err
	}
	g, err := newGuest(b, guestOptions{Home: r.opts.Home, Log: r.opts.Log})
	if err != nil {
		return nil, err
	}
	m := newModule(r, file, g, find, b.Plugin.Manifest)
	if err := m.symbols.check(m.manifest); err != nil {
		return nil, errors.Join(err, g.close(ctx))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.Join(errRuntimeClosed(), g.close(ctx))
	}
	r.modules[m.loaded] = struct{}{}
	return m, nil
}

func errRuntimeClosed() error {
	return host.Errorf(host.ErrClosed, "the native runtime is closed")
}

// judge reads the file and has a child open it and look for what the manifest
// names. Nothing of it has run here.
func (r *Runtime) judge(ctx context.Context, file placed, m host.Manifest) (*inspect.File, error) {
	self, err := r.self()
	if err != nil {
		return nil, fmt.Errorf("this binary cannot be read: %w", err)
	}
	f, err := inspect.Read(file.path)
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "cannot open %v", err) // which names the file
	}
	if list := inspect.Differences(f, self); len(list) > 0 {
		return nil, host.Errorf(host.ErrInvalid, "cannot open %s: %s", file.path, strings.Join(list, "; "))
	}
	return f, r.probe(ctx, file, m)
}

// take opens a file that was judged, or finds it open.
func (r *Runtime) take(file placed, f *inspect.File) (finder, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errRuntimeClosed()
	}
	if o, ok := r.opened[f.PluginPath]; ok {
		if o.digest == file.digest {
			return o.find, nil
		}
		return nil, host.Errorf(host.ErrRestart, "another build of %s is loaded, and Go can load only one: this one runs after the host was started anew", f.PluginPath)
	}
	if r.host == nil {
		self, err := r.self()
		if err != nil {
			return nil, err
		}
		r.host = self
	}
	if list := inspect.Differences(f, r.host); len(list) > 0 {
		return nil, host.Errorf(host.ErrInvalid, "cannot open %s beside the plugins that are loaded: %s", file.path, strings.Join(list, "; "))
	}
	r.host = r.host.With(f) // also when it is refused: it stays mapped
	find, err := r.open(file.path)
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "cannot open %s: %v", file.path, err)
	}
	r.opened[f.PluginPath] = openFile{file.digest, find}
	return find, nil
}

// Close implements host.Runtime.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	var list []closer
	for m := range r.modules {
		list = append(list, m)
	}
	r.mu.Unlock()
	var errs []error
	for _, m := range list {
		errs = append(errs, m.Close(ctx))
	}
	return errors.Join(errs...)
}
