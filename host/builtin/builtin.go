package builtin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/vanth-io/vanth/host"
)

// maxBytes bounds one message, whether it is a line, a body or a payload.
const maxBytes = 64 << 20

// Options configure a Module. Zero values mean the defaults stated.
type Options struct {
	// Home is the folder of the host. It must be absolute. Files are read and
	// written below its data folder.
	Home string
	// Log takes the rows of the log sink, and what no caller is there to hear.
	// Default: nowhere.
	Log *slog.Logger
	// ExternalFiles permits files outside of the data folder, and links that lead
	// out of it.
	ExternalFiles bool
	// Private are names in the data folder that rules may neither read nor write.
	// Default: what the host itself keeps there.
	Private []string
	// PushAddr is where httppush sources listen. Default 127.0.0.1:10081.
	PushAddr string
	// PushCert and PushKey are PEM files; with both httppush speaks HTTPS.
	PushCert, PushKey string
}

func (o *Options) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Private == nil {
		o.Private = []string{"bundles", "tmp", "cache", "log", "native", "vanth.db"}
	}
	if o.PushAddr == "" {
		o.PushAddr = "127.0.0.1:10081"
	}
}

// Module makes the built-in sources and sinks. It is a [host.Module], safe for
// concurrent use.
type Module struct {
	opts   Options
	topics topics
	push   listener

	mu     sync.Mutex // guards what follows
	closed bool
	open   map[*life]bool
	writes map[string]*life // files by path: who writes them
}

// New makes a module; it starts nothing. Whoever made it closes it.
func New(o Options) *Module {
	o.fill()
	m := &Module{opts: o, open: map[*life]bool{}, writes: map[string]*life{}}
	m.topics.now.Store(&readers{})
	return m
}

// maker makes a source or a sink from its properties.
type maker[T any] struct {
	name string
	make func(l *life, p *reader) T
}

func sources() []maker[host.Source] {
	return []maker[host.Source]{
		{"memory", newMemorySource},
		{"simulator", newSimulator},
		{"file", newFileSource},
		{"httppull", newPull},
		{"httppush", newPush},
		{"mqtt", newMQTTSource},
		{"host", newMachine},
	}
}

func sinks() []maker[host.Sink] {
	return []maker[host.Sink]{
		{"memory", newMemorySink},
		{"file", newFileSink},
		{"rest", newRest},
		{"mqtt", newMQTTSink},
		{"log", newLog},
		{"nop", newNop},
	}
}

// Symbols implements host.Module.
func (m *Module) Symbols() []host.Symbol {
	var list []host.Symbol
	for _, k := range sources() {
		list = append(list, host.Symbol{Kind: host.KindSource, Name: k.name})
	}
	for _, k := range sinks() {
		list = append(list, host.Symbol{Kind: host.KindSink, Name: k.name})
	}
	return list
}

// Function implements host.Module: there is none.
func (m *Module) Function(name string) (host.Function, error) {
	return nil, host.Errorf(host.ErrNotFound, "function %s: not found", name)
}

// Source implements host.Module.
func (m *Module) Source(name string, c *host.Call, props host.Props) (host.Source, error) {
	return build(m, sources(), host.Symbol{Kind: host.KindSource, Name: name}, c, props)
}

// Sink implements host.Module.
func (m *Module) Sink(name string, c *host.Call, props host.Props) (host.Sink, error) {
	return build(m, sinks(), host.Symbol{Kind: host.KindSink, Name: name}, c, props)
}

func build[T node](m *Module, kinds []maker[T], s host.Symbol, c *host.Call, props host.Props) (none T, err error) {
	for _, k := range kinds {
		if k.name != s.Name {
			continue
		}
		if !filepath.IsAbs(m.opts.Home) {
			return none, host.Errorf(host.ErrInvalid, "builtin: home %q: expected an absolute path", m.opts.Home)
		}
		l, p := newLife(m, s.String(), c), read(s.String(), props)
		n := k.make(l, p)
		if p.err != nil {
			l.end()
			return none, p.err
		}
		l.self = n
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.closed {
			l.end()
			return none, l.gone()
		}
		m.open[l] = true
		return n, nil
	}
	return none, host.Errorf(host.ErrNotFound, "%s: not found", s)
}

// Close implements host.Module: it closes every source and sink.
func (m *Module) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	left := make([]*life, 0, len(m.open))
	for l := range m.open {
		left = append(left, l)
	}
	m.mu.Unlock()
	errs := make([]error, len(left))
	var wg sync.WaitGroup
	for i, l := range left {
		wg.Go(func() { errs[i] = l.self.Close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// PushAddress is where httppush sources listen, "" while none is open.
func (m *Module) PushAddress() string { return m.push.addr() }

func (m *Module) forget(l *life) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, l)
}

// claim makes l the one who writes a file.
func (m *Module) claim(path string, l *life) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.writes[path] != nil {
		return false
	}
	m.writes[path] = l
	return true
}

func (m *Module) release(path string, l *life) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.writes[path] == l {
		delete(m.writes, path)
	}
}

// node is what sources and sinks have in common.
type node interface {
	Open(context.Context) error
	Close(context.Context) error
}

// unavailable is an error that may pass when tried again.
func unavailable(format string, a ...any) error {
	return &passing{fmt.Errorf(format, a...)}
}

// passing adds host.ErrUnavailable to an error without printing it.
type passing struct{ err error }

func (e *passing) Error() string   { return e.err.Error() }
func (e *passing) Unwrap() []error { return []error{e.err, host.ErrUnavailable} }
