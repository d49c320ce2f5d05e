package portable

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable/internal/child"
	"github.com/vanth-io/vanth/portable/internal/sp"
)

// Runtime is the host.Runtime of child processes. See the package.
type Runtime struct {
	opts    Options
	buffers sync.Pool            // of *buffers
	looker  atomic.Pointer[lane] // whose calls look for their answers

	mu      sync.Mutex // guards what follows
	engine  *engine    // nil before the first plugin
	modules map[*module]struct{}
	outputs map[host.ID]*output
	closed  bool
}

// engine is what the processes of a runtime share.
type engine struct {
	spawner *child.Spawner
	hub     *sp.Hub
	private bool // processes get a /tmp of their own
}

var _ host.Runtime = (*Runtime)(nil)

// New returns a runtime. Nothing is started before the first plugin.
func New(o Options) *Runtime {
	o.fill()
	return &Runtime{opts: o, modules: map[*module]struct{}{}, outputs: map[host.ID]*output{}}
}

// Name implements host.Runtime.
func (*Runtime) Name() string { return "portable" }

// Accepts implements host.Runtime.
func (*Runtime) Accepts(b host.Bundle) bool { return b.Plugin.Manifest.IsProgram() }

// Load implements host.Runtime: it starts the processes and waits for their
// handshakes.
func (r *Runtime) Load(ctx context.Context, b host.Bundle) (host.Module, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := r.start()
	if err != nil {
		return nil, err
	}
	m, err := newModule(r, e, b)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.modules[m] = struct{}{}
	}
	r.mu.Unlock()
	if closed {
		m.end()
		m.out.Close()
		return nil, errRuntimeClosed()
	}
	if err := m.start(ctx); err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*r.opts.Grace)
		defer cancel()
		return nil, errors.Join(err, m.Close(clean))
	}
	return m, nil
}

// start makes the engine.
func (r *Runtime) start() (*engine, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errRuntimeClosed()
	}
	if r.engine != nil {
		return r.engine, nil
	}
	o := child.Options{Log: r.opts.Log}
	if r.opts.Outside {
		o.Level = child.LevelProcess // it will start nothing
	}
	s := child.NewSpawner(o)
	r.engine = &engine{
		spawner: s,
		hub:     sp.NewHub(sp.Options{WriteTimeout: r.opts.SendTimeout, Log: r.opts.Log}),
		private: s.Level() == child.LevelNamespaces && !r.opts.SharedTmp,
	}
	return r.engine, nil
}

// forget is called by a module that has closed.
func (r *Runtime) forget(m *module) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.modules, m)
	o := r.outputs[m.id]
	if o.users--; o.users == 0 {
		delete(r.outputs, m.id)
		o.Close()
	}
}

// output is what the modules of one plugin printed: generations share it.
type output struct {
	*child.Log
	users int
}

// output returns that of a plugin; forget gives it back.
func (r *Runtime) output(id host.ID) *child.Log {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.outputs[id]
	if o == nil {
		o = &output{Log: r.openLog(id)}
		r.outputs[id] = o
	}
	o.users++
	return o.Log
}

// Forget implements host.Keeper: what a plugin printed goes with it.
func (r *Runtime) Forget(id host.ID) {
	if r.opts.LogDir == "" || id.Class != host.ClassPortables {
		return
	}
	files, _ := filepath.Glob(filepath.Join(r.opts.LogDir, id.Name+".log*"))
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			r.opts.Log.Warn("what a plugin printed remains", "err", err)
		}
	}
}

// openLog opens a plugin's log. Without its file the plugin runs too.
func (r *Runtime) openLog(id host.ID) *child.Log {
	o := child.LogOptions{Log: r.opts.Log}
	if r.opts.LogDir != "" {
		err := os.MkdirAll(r.opts.LogDir, 0o700)
		if err == nil {
			var l *child.Log
			if l, err = child.OpenLog(filepath.Join(r.opts.LogDir, id.Name+".log"), o); err == nil {
				return l
			}
		}
		r.opts.Log.Warn("what a plugin prints is kept in memory only", "plugin", id.String(), "err", err)
	}
	l, _ := child.OpenLog("", o) // only files fail
	return l
}

// Close implements host.Runtime.
func (r *Runtime) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	list := make([]*module, 0, len(r.modules))
	for m := range r.modules {
		list = append(list, m)
	}
	e := r.engine
	r.engine = nil
	r.mu.Unlock()
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, m := range list {
		wg.Go(func() { errs[i] = m.Close(ctx) })
	}
	wg.Wait()
	err := errors.Join(errs...)
	if e != nil {
		err = errors.Join(err, e.spawner.Close(ctx), e.hub.Close())
	}
	return err
}

func errRuntimeClosed() error {
	return host.Errorf(host.ErrClosed, "the portable runtime is closed")
}
