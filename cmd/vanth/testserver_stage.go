package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/vanth-io/vanth/host"
)

// stage is where the symbols of the plugin under test play.
type stage struct {
	manifest host.Manifest
	log      *slog.Logger

	print sync.Mutex // guards out
	out   *json.Encoder

	mu      sync.Mutex    // guards what follows
	module  host.Module   // nil before the plugin came for the first time
	acts    []*act        // in the order of their starts
	changed chan struct{} // closed at the next change of acts
}

// act is a symbol that is started. One of source, sink and function is set.
type act struct {
	symbol   host.Symbol
	call     host.Call
	label    string // what the output calls it, and the input
	source   host.Source
	read     chan struct{} // of a source: closed when nobody reads it any more
	sink     host.Sink
	function host.Function
	agreed   int // how many arguments the function has validated last; of the feeder
}

func newStage(m host.Manifest, out io.Writer, log *slog.Logger) *stage {
	s := &stage{manifest: m, log: log, out: json.NewEncoder(out), changed: make(chan struct{})}
	s.out.SetEscapeHTML(false)
	return s
}

func (s *stage) id() host.ID { return host.ID{Class: host.ClassPortables, Name: s.manifest.Name} }

// enter has the symbols played by a module.
func (s *stage) enter(m host.Module) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.module = m
}

// printed is a line of the output.
type printed struct {
	Source   string          `json:"source,omitempty"`
	Function string          `json:"function,omitempty"`
	Sink     string          `json:"sink,omitempty"`
	Message  any             `json:"message,omitempty"`
	Meta     map[string]any  `json:"meta,omitempty"`
	Args     json.RawMessage `json:"args,omitempty"`
	Row      json.RawMessage `json:"row,omitempty"`
	Result   *any            `json:"result,omitempty"` // points to nil for null
	Delivery string          `json:"delivery,omitempty"`
	Error    string          `json:"error,omitempty"`
}

func (s *stage) say(p printed, err error) {
	if err != nil {
		p.Error = err.Error()
	}
	s.print.Lock()
	defer s.print.Unlock()
	if err := s.out.Encode(p); err != nil {
		s.log.Error("not printed", "err", err)
	}
}

// start serves /symbol/start.
func (s *stage) start(ctx context.Context, c *cue) error {
	a, err := c.act()
	if err != nil {
		return err
	}
	s.mu.Lock()
	m, old := s.module, s.find(a)
	s.mu.Unlock()
	switch {
	case old != nil:
		return fmt.Errorf("%s is started already", a.symbol)
	case m == nil || m.(host.Supervised).Status().State != host.StateRunning:
		return host.Errorf(host.ErrUnavailable, "plugin %s is not connected: start it", s.manifest.Name)
	}
	if err := a.open(ctx, m, c.props()); err != nil {
		return err
	}
	s.mu.Lock()
	a.label = s.name(a)
	s.acts = append(s.acts, a)
	s.announce()
	s.mu.Unlock()
	s.log.Info("started", a.symbol.Kind.String(), a.label)
	if a.source != nil {
		go s.listen(a) // ended, and waited for, by act.close
	}
	return nil
}

// open starts the symbol in the plugin.
func (a *act) open(ctx context.Context, m host.Module, props host.Props) (err error) {
	switch a.symbol.Kind {
	case host.KindFunction:
		a.function, err = m.Function(a.symbol.Name) // started with the plugin, as in the host
	case host.KindSource:
		a.read = make(chan struct{})
		if a.source, err = m.Source(a.symbol.Name, &a.call, props); err == nil {
			err = a.source.Open(ctx)
		}
	default:
		if a.sink, err = m.Sink(a.symbol.Name, &a.call, props); err == nil {
			err = a.sink.Open(ctx)
		}
	}
	return err
}

// close stops the symbol. Functions are never stopped, by no host.
func (a *act) close(ctx context.Context) (err error) {
	switch {
	case a.source != nil:
		err = a.source.Close(ctx)
		<-a.read
	case a.sink != nil:
		err = a.sink.Close(ctx)
	}
	return err
}

// stop serves /symbol/stop. Without meta the only one of its name is meant.
func (s *stage) stop(ctx context.Context, c *cue) error {
	a, err := c.act()
	if err != nil {
		return err
	}
	s.mu.Lock()
	old := s.find(a)
	if old == nil && a.call == (host.Call{}) {
		old = s.only(a.symbol)
	}
	if old != nil {
		s.acts = slices.DeleteFunc(s.acts, func(b *act) bool { return b == old })
		s.announce()
	}
	s.mu.Unlock()
	if old == nil {
		return fmt.Errorf("Symbol %s already close", c.SymbolName) //nolint:staticcheck // eKuiper's sentence
	}
	s.log.Info("stopped", old.symbol.Kind.String(), old.label)
	return old.close(ctx)
}

// close stops what is started, in reverse order.
func (s *stage) close(ctx context.Context) error {
	s.mu.Lock()
	acts := s.acts
	s.acts = nil
	s.mu.Unlock()
	var errs []error
	for _, a := range slices.Backward(acts) {
		errs = append(errs, a.close(ctx))
	}
	return errors.Join(errs...)
}

// find returns what is started as a is meant to be. It requires s.mu.
func (s *stage) find(a *act) *act {
	for _, b := range s.acts {
		if b.symbol == a.symbol && (b.function != nil || b.call == a.call) {
			return b
		}
	}
	return nil
}

// only returns what is started of a symbol, if that is one. It requires s.mu.
func (s *stage) only(symbol host.Symbol) (one *act) {
	for _, b := range s.acts {
		switch {
		case b.symbol != symbol:
		case one != nil:
			return nil
		default:
			one = b
		}
	}
	return one
}

// name finds a label that no other has. It requires s.mu.
func (s *stage) name(a *act) string {
	label := a.symbol.Name
	for _, longer := range []string{a.symbol.Kind.String() + "/" + label, fmt.Sprintf("%s@%s_%s_%d", label, a.call.Rule, a.call.Op, a.call.Instance)} {
		if !slices.ContainsFunc(s.acts, func(b *act) bool { return b.label == label }) {
			break
		}
		label = longer
	}
	return label
}

// announce wakes those who wait for a change. It requires s.mu.
func (s *stage) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// listen prints what a source sends until it is closed.
func (s *stage) listen(a *act) {
	defer close(a.read)
	for {
		m, err := a.source.Next(context.Background())
		switch {
		case errors.Is(err, host.ErrClosed):
			return
		case errors.Is(err, io.EOF):
			s.log.Info("it has ended by itself", "source", a.label)
			return
		}
		s.say(printed{Source: a.label, Message: m.Value, Meta: m.Meta}, err)
	}
}

// cue is the body of both calls, as eKuiper's tool takes it.
type cue struct {
	SymbolName string `json:"symbolName"`
	Meta       struct {
		RuleID     string `json:"ruleId"`
		OpID       string `json:"opId"`
		InstanceID int64  `json:"instanceId"`
	} `json:"meta"`
	PluginType string     `json:"pluginType"`
	DataSource string     `json:"dataSource"`
	Config     host.Props `json:"config"`
}

// act is what a cue is about, not yet open.
func (c *cue) act() (*act, error) {
	kinds := map[string]host.Kind{"source": host.KindSource, "sink": host.KindSink, "func": host.KindFunction, "function": host.KindFunction}
	k, ok := kinds[c.PluginType]
	if !ok {
		return nil, fmt.Errorf("pluginType: found %q, expected source, sink or func", c.PluginType)
	}
	return &act{
		symbol: host.Symbol{Kind: k, Name: c.SymbolName}, agreed: -1,
		call: host.Call{Rule: c.Meta.RuleID, Op: c.Meta.OpID, Instance: c.Meta.InstanceID},
	}, nil
}

// props are what the plugin is configured with: the host has the topic there.
func (c *cue) props() host.Props {
	props := maps.Clone(c.Config)
	if _, has := props["datasource"]; c.DataSource == "" || has {
		return props
	}
	if props == nil {
		props = host.Props{}
	}
	props["datasource"] = c.DataSource
	return props
}
