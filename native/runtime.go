package native

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
	modules map[host.Module]struct{}
}

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
		_ = os.RemoveAll(filepath.Join(o.StateDir, "open"))
		prune(o.StateDir)
	}
	return &Runtime{
		opts: o, self: sync.OnceValues(inspect.Self), open: openPlugin,
		opened: map[string]openFile{}, modules: map[host.Module]struct{}{},
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
	path, digest, err := r.place(b)
	if err != nil {
		return nil, err
	}
	f, err := r.judge(ctx, path, digest, b.Plugin.Manifest)
	if err != nil {
		r.unplace(path)
		return nil, err
	}
	if r.opts.Worker != nil {
		return r.isolate(ctx, b, path, r.opts.Worker)
	}
	find, err := r.take(path, f, digest)
	if err != nil {
		if errors.Is(err, host.ErrRestart) {
			r.unplace(path)
		}
		return nil, err
	}
	g, err := newGuest(b, guestOptions{Home: r.opts.Home, Log: r.opts.Log})
	if err != nil {
		return nil, err
	}
	m := &module{rt: r, guest: g, manifest: b.Plugin.Manifest, symbols: symbols{guest: g, find: find}}
	if err := m.symbols.check(m.manifest); err != nil {
		return nil, errors.Join(err, g.close(ctx))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errors.Join(errRuntimeClosed(), g.close(ctx))
	}
	r.modules[m] = struct{}{}
	return m, nil
}

func errRuntimeClosed() error {
	return host.Errorf(host.ErrClosed, "the native runtime is closed")
}

// place returns where a file is opened from, and its digest. Go remembers what it
// opened by path, and would give the old code for a new file at an old path: so
// each content gets a path of its own. It is also what is judged, whatever
// happens to the file meanwhile.
func (r *Runtime) place(b host.Bundle) (path, digest string, err error) {
	if err := canOpen(); err != nil {
		return "", "", err
	}
	name := b.Plugin.Manifest.Executable
	f, err := b.Open(name)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	h := sha256.New()
	if r.opts.StateDir == "" || r.opts.Worker != nil { // a worker is a new process
		_, err = io.Copy(h, f)
		return filepath.Join(b.Dir, name), hex.EncodeToString(h.Sum(nil)), err
	}
	r.placing.Lock()
	defer r.placing.Unlock()
	dir := filepath.Join(r.opts.StateDir, "open")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	tmp, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return "", "", err
	}
	defer os.Remove(tmp.Name())
	_, err = io.Copy(io.MultiWriter(h, tmp), f)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return "", "", err
	}
	digest = hex.EncodeToString(h.Sum(nil))
	path = filepath.Join(dir, digest[:16]+"-"+name)
	if _, err := os.Stat(path); err == nil {
		return path, digest, nil // maybe mapped: it must not be touched
	}
	return path, digest, os.Rename(tmp.Name(), path)
}

// unplace removes a placed file that was not opened.
func (r *Runtime) unplace(path string) {
	if r.opts.StateDir != "" && filepath.Dir(path) == filepath.Join(r.opts.StateDir, "open") {
		_ = os.Remove(path)
	}
}

// judge reads the file and has a child open it and look for what the manifest
// names. Nothing of it has run here.
func (r *Runtime) judge(ctx context.Context, path, digest string, m host.Manifest) (*inspect.File, error) {
	self, err := r.self()
	if err != nil {
		return nil, fmt.Errorf("this binary cannot be read: %w", err)
	}
	f, err := inspect.Read(path)
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "cannot open %v", err) // which names the file
	}
	if list := inspect.Differences(f, self); len(list) > 0 {
		return nil, host.Errorf(host.ErrInvalid, "cannot open %s: %s", path, strings.Join(list, "; "))
	}
	return f, r.probe(ctx, path, digest, m)
}

// take opens a file that was judged, or finds it open.
func (r *Runtime) take(path string, f *inspect.File, digest string) (finder, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errRuntimeClosed()
	}
	if o, ok := r.opened[f.PluginPath]; ok {
		if o.digest == digest {
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
		return nil, host.Errorf(host.ErrInvalid, "cannot open %s beside the plugins that are loaded: %s", path, strings.Join(list, "; "))
	}
	r.host = r.host.With(f) // also when it is refused: it stays mapped
	find, err := r.open(path)
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "cannot open %s: %v", path, err)
	}
	r.opened[f.PluginPath] = openFile{digest, find}
	return find, nil
}

// Close implements host.Runtime.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	var list []host.Module
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
