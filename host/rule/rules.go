package rule

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
)

// Host is what rules need of a host.Host.
type Host interface {
	Source(name string, c *host.Call, p host.Props) (host.Source, error)
	Sink(name string, c *host.Call, p host.Props) (host.Sink, error)
	Function(name string) (*host.Handle, error)
	Changed() <-chan struct{}
}

// Store is what they need of a host.Store.
type Store interface {
	Documents(kind string) iter.Seq2[host.Document, error]
	PutDocument(host.Document) error
	DeleteDocument(kind, name string) error
}

// The kinds of documents.
const (
	kindStream = "stream"
	kindRule   = "rule"
	kindOffset = "offset"
)

// Options of Rules. Zero values mean the defaults stated.
type Options struct {
	Host  Host
	Store Store
	// Groups reads the file of a source's type: its groups of properties by name,
	// nil when there is no file.
	Groups func(k host.Kind, kind string) (map[string]map[string]any, error)
	// Tap, if set, sees each row that a sink has taken. It must not change it.
	Tap func(sink string, row map[string]any)
	// Log takes what no caller is there to hear. Default: nowhere.
	Log *slog.Logger
	// Drain bounds the time that a rule which is stopped has to write what it has
	// read. Default 5 s.
	Drain time.Duration
}

// Rules are the streams and rules of a host. All methods may be called from many
// goroutines.
type Rules struct {
	opts Options
	life context.Context
	end  context.CancelFunc

	mu      sync.Mutex // guards what follows
	streams map[string]*stream
	rules   map[string]*live
	busy    map[string]bool // rules under change
	closed  bool
}

// Open reads what is stored and starts the rules that were started. A rule that
// cannot be compiled, because a plugin is missing, waits until it can; one that is
// damaged is logged and left out.
func Open(_ context.Context, o Options) (*Rules, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Drain <= 0 {
		o.Drain = 5 * time.Second
	}
	r := &Rules{opts: o, streams: map[string]*stream{}, rules: map[string]*live{}, busy: map[string]bool{}}
	r.life, r.end = context.WithCancel(context.Background())
	for d, err := range o.Store.Documents(kindStream) {
		var s *stream
		if err == nil {
			s, err = r.parseStream(string(d.Body))
		}
		if err != nil {
			o.Log.Error("a stream is left out", "stream", d.Name, "err", err)
			continue
		}
		r.streams[s.Name] = s
	}
	for d, err := range o.Store.Documents(kindRule) {
		var def *definition
		if err == nil {
			def, err = parse(d.Body, d.Name)
		}
		if err != nil {
			o.Log.Error("a rule is left out", "rule", d.Name, "err", err)
			continue
		}
		l := newLive(r, def)
		r.rules[def.ID] = l
		if def.triggered() {
			l.start()
		}
	}
	return r, nil
}

// Close stops every rule, all at once; they are as they were at the next Open.
func (r *Rules) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	list := slices.Collect(maps.Values(r.rules))
	r.mu.Unlock()
	r.end()
	var errs []error
	for _, l := range list {
		if err := l.await(ctx); err != nil {
			errs = append(errs, fmt.Errorf("rule %s: %w", l.id, err))
		}
	}
	return errors.Join(errs...)
}

// begin reserves a rule for one change, which must finish it.
func (r *Rules) begin(id string) (*live, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, host.Errorf(host.ErrClosed, "rule %s: the host is closing", id)
	case r.busy[id]:
		return nil, host.Errorf(host.ErrInUse, "rule %s: another change of it is under way: try again when it has ended", id)
	}
	r.busy[id] = true
	return r.rules[id], nil
}

func (r *Rules) finish(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, id)
}

// Create compiles, stores and, unless it says otherwise, starts a rule.
func (r *Rules) Create(text []byte) (id string, err error) {
	d, err := parse(text, "")
	if err != nil {
		return "", err
	}
	old, err := r.begin(d.ID)
	if err != nil {
		return d.ID, err
	}
	defer r.finish(d.ID)
	if old != nil {
		return d.ID, host.Errorf(host.ErrExists, "rule %s already exists", d.ID)
	}
	if _, err := r.try(d); err != nil {
		return d.ID, err
	}
	return d.ID, r.put(d)
}

// put stores a definition and runs it.
func (r *Rules) put(d *definition) error {
	if !d.Temp {
		if err := r.opts.Store.PutDocument(host.Document{Kind: kindRule, Name: d.ID, Body: d.text}); err != nil {
			return err
		}
	}
	l := newLive(r, d)
	r.mu.Lock()
	r.rules[d.ID] = l
	r.mu.Unlock()
	if d.triggered() {
		l.start()
	}
	return nil
}

// Update puts another definition in place of a rule's, or creates it. When it
// cannot be compiled the old one goes on.
func (r *Rules) Update(id string, text []byte) error {
	d, err := parse(text, id)
	if err != nil {
		return err
	}
	if d.ID != id {
		return host.Errorf(host.ErrInvalid, "RuleId is not consistent with rule id.")
	}
	old, err := r.begin(id)
	if err != nil {
		return err
	}
	defer r.finish(id)
	if old != nil && d.Version != "" && old.def.Version != "" && d.Version <= old.def.Version {
		return host.Errorf(host.ErrInvalid, "rule %s already exists with version (%s), new version (%s) is lower", id, old.def.Version, d.Version)
	}
	if _, err := r.try(d); err != nil {
		return err
	}
	if old != nil {
		old.stop()
		if err := old.await(r.life); err != nil {
			return err
		}
	}
	return r.put(d)
}

// Delete stops and forgets a rule. The error is host.ErrNotFound.
func (r *Rules) Delete(id string) error {
	l, err := r.begin(id)
	if err != nil {
		return err
	}
	defer r.finish(id)
	if l == nil {
		return host.Errorf(host.ErrNotFound, "rule %s not found", id)
	}
	if err := r.opts.Store.DeleteDocument(kindRule, id); err != nil {
		return err
	}
	l.stop()
	r.mu.Lock()
	delete(r.rules, id)
	r.mu.Unlock()
	err = l.await(r.life)
	for d, e := range r.opts.Store.Documents(kindOffset) {
		if e == nil && strings.HasPrefix(d.Name, id+"/") {
			err = errors.Join(err, r.opts.Store.DeleteDocument(kindOffset, d.Name))
		}
	}
	return err
}

// notFound is the error of what one does to a rule that is not there.
func notFound(what, id string) error {
	return host.Errorf(host.ErrNotFound, "%s: Rule %s is not found in registry, please check if it is created", what, id)
}

// Start starts a rule; one that runs is left as it is.
func (r *Rules) Start(id string) error { return r.change("start rule error", id, true, false) }

// Stop stops a rule and waits until it has.
func (r *Rules) Stop(id string) error { return r.change("stop rule error", id, false, true) }

// Restart stops and starts a rule.
func (r *Rules) Restart(id string) error { return r.change("restart rule error", id, true, true) }

func (r *Rules) change(what, id string, start, stop bool) error {
	l, err := r.begin(id)
	if err != nil {
		return err
	}
	defer r.finish(id)
	if l == nil {
		return notFound(what, id)
	}
	if !l.def.Temp {
		if err := r.opts.Store.PutDocument(host.Document{Kind: kindRule, Name: id, Body: l.def.stored(start)}); err != nil {
			return err
		}
	}
	l.text.Store(new(l.def.stored(start)))
	if stop {
		l.stop()
		if err := l.await(r.life); err != nil {
			return err
		}
	}
	if start {
		l.start()
	}
	return nil
}

// Wait blocks until a rule that runs has ended, or ctx has, which stops it. The
// error is why the rule ended, if that was not in good order.
func (r *Rules) Wait(ctx context.Context, id string) error {
	l := r.find(id)
	if l == nil {
		return notFound("wait", id)
	}
	l.mu.Lock()
	done := l.done
	l.mu.Unlock()
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			l.stop()
			if err := l.await(ctx); err != nil {
				return err
			}
		}
	}
	if state, message := l.state(); state == StoppedByError {
		return fmt.Errorf("rule %s: %s", id, message)
	}
	return nil
}

// Text is the definition of a rule as it is stored. The error is
// host.ErrNotFound.
func (r *Rules) Text(id string) ([]byte, error) {
	l := r.find(id)
	if l == nil {
		return nil, host.Errorf(host.ErrNotFound, "Rule %s is not found.", id)
	}
	return *l.text.Load(), nil
}

func (r *Rules) find(id string) *live {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rules[id]
}

// Info is a rule in a list.
type Info struct {
	ID, Name, Version string
	State             State
	Tags              []string
}

// List lists the rules by id.
func (r *Rules) List() []Info {
	r.mu.Lock()
	list := slices.SortedFunc(maps.Values(r.rules), func(a, b *live) int { return strings.Compare(a.id, b.id) })
	r.mu.Unlock()
	infos := make([]Info, len(list))
	for i, l := range list {
		state, _ := l.state()
		infos[i] = Info{l.id, l.def.title(), l.def.Version, state, l.def.Tags}
	}
	return infos
}

// Validate compiles a definition and returns the streams it reads.
func (r *Rules) Validate(text []byte) (sources []string, err error) {
	d, err := parse(text, "")
	if err != nil {
		return nil, err
	}
	p, err := r.try(d)
	if err != nil {
		return nil, err
	}
	return p.reads, nil
}

// try compiles a definition and makes its sources and sinks, so that what is
// missing is said before anything is stored.
func (r *Rules) try(d *definition) (*plan, error) {
	p, err := r.compile(d, 0)
	if err != nil {
		return nil, err
	}
	for _, s := range p.sources {
		if _, err := r.opts.Host.Source(s.kind, s.call, s.props); err != nil {
			return nil, err
		}
	}
	for _, s := range p.sinks {
		if _, err := r.opts.Host.Sink(s.kind, s.call, s.props); err != nil {
			return nil, err
		}
	}
	return p, nil
}
