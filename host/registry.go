package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host/stripe"
)

// entry is a published plugin: loaded, or listed with the reason why not.
type entry struct {
	plugin   Plugin // never changes after publication
	record   Record // zero for a drop-in
	module   Module // nil when plugin.Err is set
	state    *State // nil when the store could not read it
	bindings []*binding
	gone     atomic.Bool // withdrawn: calls go to its successor, if there is one
	// spent is the fuel of the modules before this one, and waited for how long their calls
	// had to wait for processors; set before publication.
	spent  uint64
	waited time.Duration
	keeps  stripe.Pool[kept] // what is forgotten ends by itself
}

// fuel is what the plugin's calls used; false when nothing counts them.
func (e *entry) fuel() (used uint64, counted bool) {
	if m, ok := e.module.(Meter); ok {
		return e.spent + m.Fuel(), true
	}
	return e.spent, e.spent > 0
}

// waiting is for how long the plugin's calls had to wait for processors.
func (e *entry) waiting() time.Duration {
	if m, ok := e.module.(Meter); ok {
		return e.waited + m.Waited()
	}
	return e.waited
}

// end closes the module: it waits for the calls in flight until ctx ends, and
// then forces the rest to end and returns ctx's error. The entry must have been
// withdrawn.
func (e *entry) end(ctx context.Context) error {
	if e.module == nil {
		return nil
	}
	err := e.module.Close(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: close: %w", e.plugin.ID, err)
	}
	return nil
}

// follow has e count on from the entry that it replaces; nil for none.
func (e *entry) follow(old *entry) {
	if old == nil {
		return
	}
	e.spent, e.waited = old.spent, old.waited
	if m, ok := old.module.(Meter); ok && old.module != e.module {
		e.spent += m.Fuel()
		e.waited += m.Waited()
	}
}

// snapshot is what readers see. It is never modified.
type snapshot struct {
	plugins   map[ID]*entry
	functions map[string]*binding
	nodes     map[Symbol]*entry // of sources and sinks
	replaced  chan struct{}     // closed when another snapshot stands
}

// registry holds what is published. Readers load a snapshot; writers copy and
// swap it under mu.
type registry struct {
	snap atomic.Pointer[snapshot]

	mu     sync.Mutex    // guards what follows, and swaps
	busy   map[ID]bool   // operations under way: one per plugin
	claims map[Symbol]ID // names published, or reserved by an operation
	usages map[string]*usage
	closed atomic.Bool    // set under mu; read without by calls that found no module
	ops    sync.WaitGroup // operations under way; grows under mu, while not closed
}

func (r *registry) init() {
	r.snap.Store(&snapshot{plugins: map[ID]*entry{}, functions: map[string]*binding{}, nodes: map[Symbol]*entry{}, replaced: make(chan struct{})})
	r.busy = map[ID]bool{}
	r.claims = map[Symbol]ID{}
	r.usages = map[string]*usage{}
}

func (r *registry) snapshot() *snapshot { return r.snap.Load() }

// function finds a published function.
func (r *registry) function(name string) (*binding, error) {
	s := r.snapshot()
	if b, ok := s.functions[name]; ok {
		return b, nil
	}
	if near := nearest(name, maps.Keys(s.functions)); near != "" {
		return nil, Errorf(ErrNotFound, "function %s: not found; nearest: %s", name, near)
	}
	return nil, Errorf(ErrNotFound, "function %s: not found", name)
}

func (r *registry) states() []*State {
	var list []*State
	for _, e := range r.snapshot().plugins {
		if e.state != nil {
			list = append(list, e.state)
		}
	}
	return list
}

// begin reserves an ID for one operation, which must finish it. It returns the
// entry published under it, nil for none.
func (r *registry) begin(id ID) (*entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return nil, Errorf(ErrClosed, "%s: the host is closing", id)
	}
	if r.busy[id] {
		return nil, Errorf(ErrInUse, "%s: another operation on it is under way: try again when it has ended", id)
	}
	r.busy[id] = true
	r.ops.Add(1)
	return r.snapshot().plugins[id], nil
}

func (r *registry) finish(id ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, id)
	r.ops.Done()
}

// claim reserves symbol names for id: all or none. Names that id holds already
// are not claimed again; those that were are returned, for unclaim.
func (r *registry) claim(id ID, symbols []Symbol) ([]Symbol, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var fresh []Symbol
	for _, s := range symbols {
		holder, taken := r.claims[s]
		if taken && holder != id {
			return nil, Errorf(ErrExists, "%s name %s already exists: plugin %s exports it", s.Kind, s.Name, holder)
		}
		if !taken {
			fresh = append(fresh, s)
		}
	}
	for _, s := range fresh {
		r.claims[s] = id
	}
	return fresh, nil
}

func (r *registry) unclaim(symbols []Symbol) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range symbols {
		delete(r.claims, s)
	}
}

// publish makes an entry visible in one step, in place of the one of its ID,
// and sends further calls to it. Its names must have been claimed.
func (r *registry) publish(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range e.bindings {
		if r.usages[b.name] == nil {
			r.usages[b.name] = newUsage()
		}
		b.usage = r.usages[b.name]
	}
	e.follow(r.snapshot().plugins[e.plugin.ID])
	old := r.swap(e.plugin.ID, e)
	if old == nil {
		return
	}
	// Names the new version no longer exports are free.
	kept := map[Symbol]bool{}
	for _, s := range e.plugin.Manifest.List() {
		kept[s] = true
	}
	for _, b := range e.bindings { // a carried module still exports the old names
		kept[Symbol{KindFunction, b.name}] = true
	}
	for s, id := range r.claims {
		if id == e.plugin.ID && !kept[s] {
			delete(r.claims, s)
			delete(r.usages, s.Name)
		}
	}
	old.gone.Store(true)
}

// withdraw makes a plugin invisible, frees its names and refuses further calls.
func (r *registry) withdraw(id ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.swap(id, nil); old != nil {
		for s, holder := range r.claims {
			if holder == id {
				delete(r.claims, s)
			}
		}
		for _, b := range old.bindings {
			delete(r.usages, b.name)
		}
		old.gone.Store(true)
	}
}

// swap requires r.mu; it returns the entry that was published.
func (r *registry) swap(id ID, e *entry) (old *entry) {
	s := r.snapshot()
	next := &snapshot{plugins: maps.Clone(s.plugins), functions: maps.Clone(s.functions), nodes: maps.Clone(s.nodes), replaced: make(chan struct{})}
	if old = s.plugins[id]; old != nil {
		delete(next.plugins, id)
		for _, b := range old.bindings {
			if n := next.functions[b.name]; n != nil && n.owner == old {
				delete(next.functions, b.name)
			}
		}
		maps.DeleteFunc(next.nodes, func(_ Symbol, e *entry) bool { return e == old })
	}
	if e != nil {
		next.plugins[id] = e
		for _, b := range e.bindings {
			next.functions[b.name] = b
		}
		for _, y := range e.plugin.Manifest.List() {
			if y.Kind != KindFunction {
				next.nodes[y] = e
			}
		}
	}
	r.snap.Store(next)
	close(s.replaced)
	return old
}

// close refuses further operations.
func (r *registry) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed.Store(true)
}

// withdrawAll refuses calls to every plugin; all stay listed, so that their
// state can still be saved.
func (r *registry) withdrawAll() []*entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*entry
	for _, e := range r.snapshot().plugins {
		e.gone.Store(true)
		list = append(list, e)
	}
	return list
}

// newEntry ties a module's functions to their names.
func newEntry(p Plugin, rec Record, m Module, st *State) (*entry, error) {
	if g, ok := m.(Granted); ok {
		grant := g.Grant()
		p.Grant = &grant
	}
	e := &entry{plugin: p, record: rec, module: m, state: st}
	e.keeps.Spread()
	var missing []error
	exported := map[Symbol]bool{}
	for _, s := range m.Symbols() {
		exported[s] = true
	}
	for _, s := range p.Manifest.List() {
		if !exported[s] {
			missing = append(missing, invalid("%s is in the manifest, but the code does not export it", s))
			continue
		}
		if s.Kind != KindFunction {
			continue
		}
		fn, err := m.Function(s.Name)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		b := &binding{name: s.Name, owner: e, index: len(e.bindings), fn: fn, signature: fn.Signature()}
		b.scalar, _ = fn.(Scalar)
		b.bytes, _ = fn.(Bytes)
		b.batch, _ = fn.(Batch)
		if b.signature.Columnar() == nil {
			b.columns, _ = fn.(Columns)
		}
		b.metered, _ = fn.(Metered)
		e.bindings = append(e.bindings, b)
	}
	return e, errors.Join(missing...)
}

// postpone makes an entry for a version that can only run after a restart: until
// then the module of e goes on under it, or nothing does. e may be nil.
func (e *entry) postpone(p Plugin, rec Record, reason error) *entry {
	if e == nil || e.module == nil {
		p.Err = reason
		next := brokenEntry(p, rec, nil, p.Manifest.Functions)
		if e != nil {
			next.state = e.state
		}
		return next
	}
	p.Waiting, p.Runtime, p.Grant = reason, e.plugin.Runtime, e.plugin.Grant
	next := &entry{plugin: p, record: rec, module: e.module, state: e.state}
	next.keeps.Spread()
	for _, b := range e.bindings {
		c := *b
		c.owner = next
		next.bindings = append(next.bindings, &c)
	}
	return next
}

// brokenEntry lists a plugin that cannot run, with its reason. The names that
// are known stay reserved for it.
func brokenEntry(p Plugin, rec Record, st *State, functions []string) *entry {
	e := &entry{plugin: p, record: rec, state: st}
	for _, n := range functions {
		e.bindings = append(e.bindings, &binding{name: n, owner: e, signature: &Signature{Variadic: true}})
	}
	return e
}
