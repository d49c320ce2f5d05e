package portable

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable/internal/sp"
)

// wire is eKuiper's way to talk, contract part 4: a control socket, a socket for
// each function, and those of wire_node.go. Each is asked inside out: the plugin
// dials and asks for work.
type wire struct {
	p       *process
	up      chan struct{} // closed at the first handshake
	control *sp.Caller

	mu        sync.Mutex // guards what follows
	functions map[string]*wireFunction
	closed    bool
}

// wireFunction is a function's socket. A plugin's loop for one function may end
// while its process lives on, see watch.
type wireFunction struct {
	w      *wire
	name   string
	caller *sp.Caller
	lost   chan struct{} // gets a token when its connection ends
}

var _ link = (*wire)(nil)

// newWire listens on the control socket: SDKs dial it once, at their start.
func newWire(p *process) (*wire, error) {
	w := &wire{p: p, up: make(chan struct{}), functions: map[string]*wireFunction{}}
	var once sync.Once
	claim := w.claim("plugin_" + p.m.id.Name)
	events := sp.CallerEvents{Up: func(sp.Peer) { once.Do(func() { close(w.up) }) }}
	if o, ok := p.child.(*outside); ok {
		o.attend(&claim, &events)
	}
	var err error
	w.control, err = p.m.engine.hub.Caller(claim, events)
	return w, err
}

// claim names a socket file of this process.
func (w *wire) claim(name string) sp.Claim {
	if w.p.m.rt.opts.Outside {
		return sp.Claim{Path: w.path(name)} // of any process of our user: nobody knows what a debugger runs
	}
	return sp.Claim{Path: w.path(name), Owns: w.p.owns}
}

func (w *wire) path(name string) string { return filepath.Join(w.p.tmp, name+".ipc") }

func (w *wire) lane() string { return "ekuiper" }

// bye implements link: there is no word for it on this wire.
func (w *wire) bye() {}

func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	list := w.functions
	w.functions = nil
	w.mu.Unlock()
	_ = w.control.Close()
	for _, f := range list {
		_ = f.caller.Close()
	}
}

// command is a message on the control socket; arg is JSON in a JSON string.
type command struct {
	Cmd string `json:"cmd"`
	Arg string `json:"arg"`
}

// target is what a command is about.
type target struct {
	SymbolName string `json:"symbolName"`
	Meta       struct {
		RuleID     string `json:"ruleId"`
		OpID       string `json:"opId"`
		InstanceID int64  `json:"instanceId"`
	} `json:"meta"`
	PluginType string `json:"pluginType"`
	// DataSource goes under both spellings: Python's SDK reads the second.
	DataSource string         `json:"dataSource,omitempty"`
	Datasource string         `json:"datasource,omitempty"`
	Config     map[string]any `json:"config,omitempty"`
}

// tell sends a command and takes the answer. What is not "ok" is a *refusal.
func (w *wire) tell(ctx context.Context, cmd string, t *target, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	arg, err := json.Marshal(t)
	if err != nil {
		return host.Errorf(host.ErrInvalid, "%s %s: %v", cmd, t.SymbolName, err)
	}
	msg, err := json.Marshal(command{cmd, string(arg)})
	if err != nil {
		return err
	}
	reply, err := w.control.Call(ctx, msg, nil)
	if err != nil {
		return w.broken(ctx, fmt.Errorf("%s %s: %w", cmd, t.SymbolName, err))
	}
	if string(reply) != "ok" {
		return &refusal{string(reply)}
	}
	return nil
}

// broken adds to an error of a socket what it means for the process.
func (w *wire) broken(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, sp.ErrBusy):
		return host.Errorf(host.ErrBusy, "%d calls wait already: try again", maxQueue)
	case errors.Is(err, sp.ErrNotSent) && ctx.Err() == nil:
		return fmt.Errorf("%w: %w", errNotSent, errGone)
	case ctx.Err() == nil:
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return err
}

// maxQueue is how many calls of one function wait for its process.
const maxQueue = 1024

// function implements link: it listens, and then tells the plugin to dial.
func (w *wire) function(ctx context.Context, name string) error {
	f := &wireFunction{w: w, name: name, lost: make(chan struct{}, 1)}
	up := make(chan struct{}, 1)
	var err error
	f.caller, err = w.p.m.engine.hub.Caller(w.claim("func_"+name), sp.CallerEvents{
		Up: func(sp.Peer) {
			select {
			case up <- struct{}{}:
			default:
			}
		},
		Down: func(sp.Peer, error) {
			select {
			case f.lost <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		return err
	}
	if err := w.startFunction(ctx, name); err != nil {
		return errors.Join(err, f.caller.Close())
	}
	select {
	case <-up:
	case <-w.p.child.Done():
		return errors.Join(errGone, f.caller.Close())
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("the plugin did not connect to its socket: %w", ctx.Err()), f.caller.Close())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errors.Join(errGone, f.caller.Close())
	}
	w.functions[name] = f
	go f.watch()
	return nil
}

func (w *wire) startFunction(ctx context.Context, name string) error {
	return w.tell(ctx, "start", &target{SymbolName: name, PluginType: "func"}, w.p.m.rt.opts.InitTimeout)
}

// reconnect is how long a plugin has to dial again when the connection of a
// function ends.
const reconnect = 2 * time.Second

// watch mends a function whose loop in the plugin has ended while the process
// lives, which callers would see as time-outs for ever: the plugin is told to
// start it again, and when that does not help the process is restarted.
func (f *wireFunction) watch() {
	for {
		select {
		case <-f.lost:
		case <-f.w.p.child.Done():
			return
		}
		for attempt := range 2 {
			select {
			case <-time.After(reconnect):
			case <-f.w.p.child.Done():
				return
			}
			if f.caller.Conns() > 0 {
				break
			}
			if attempt == 1 {
				f.w.p.m.log.Warn("a function's connection ended and the plugin does not mend it: its process is restarted", "function", f.name)
				f.w.p.child.Kill()
				return
			}
			_ = f.w.startFunction(f.w.p.m.life, f.name)
		}
	}
}

// reply is the answer to a call.
type reply struct {
	State  bool            `json:"state"`
	Result json.RawMessage `json:"result"`
}

// ask calls a function. use gets the answer, which is valid until it returns.
func (w *wire) ask(ctx context.Context, name string, build func([]byte) ([]byte, error), use func(*reply) error) error {
	w.mu.Lock()
	f := w.functions[name]
	w.mu.Unlock()
	if f == nil {
		return fmt.Errorf("%w: %w", errNotSent, errGone)
	}
	rt := w.p.m.rt
	b := rt.borrow()
	defer rt.keep(b)
	var err error
	if b.request, err = build(b.request[:0]); err != nil {
		return err
	}
	if b.answer, err = f.caller.Call(ctx, b.request, b.answer[:0]); err != nil {
		return w.broken(ctx, err)
	}
	r, err := decodeReply(b.answer)
	if err != nil {
		return w.p.m.fault(name, host.FaultResult, fmt.Errorf("Failed to unmarshal function result %.1024s", b.answer)) //nolint:staticcheck // eKuiper's sentence
	}
	return use(&r)
}

// decodeReply reads an answer. The result points into it. What most answers look
// like, success and a text or a number, is taken apart at sight.
func decodeReply(b []byte) (r reply, err error) {
	if rest, ok := bytes.CutPrefix(b, []byte(`{"state":true,"result":`)); ok {
		if v, ok := bytes.CutSuffix(rest, []byte("}")); ok && (isPlain(v) || isNumber(v)) {
			return reply{State: true, Result: v}, nil
		}
	}
	err = json.Unmarshal(b, &r)
	return r, err
}

// decodeResult decodes the result of a call.
func decodeResult(b []byte) (v any, err error) {
	if isPlain(b) {
		return string(b[1 : len(b)-1]), nil
	}
	switch string(b) {
	case "", "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	err = json.Unmarshal(b, &v)
	return v, err
}

// isNumber tells whether b has only what numbers have.
func isNumber(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			return false
		}
	}
	return len(b) > 0
}

// isPlain tells whether b is one JSON string whose inside stands for itself.
func isPlain(b []byte) bool {
	n := len(b)
	if n < 2 || b[0] != '"' || b[n-1] != '"' {
		return false
	}
	for _, c := range b[1 : n-1] {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (w *wire) aggregate(ctx context.Context, name string) (is bool, err error) {
	err = w.ask(ctx, name,
		func(b []byte) ([]byte, error) { return append(b, `{"func":"IsAggregate","arg":null}`...), nil },
		func(r *reply) error {
			if !r.State {
				return &refusal{"IsAggregate: " + text(r.Result)}
			}
			if err := json.Unmarshal(r.Result, &is); err != nil {
				return &refusal{fmt.Sprintf("IsAggregate: found %.64s, expected true or false", r.Result)}
			}
			return nil
		})
	return is, err
}

// validate gives the plugin as many arguments as there are; where eKuiper has
// the nodes of its parser, of which plugins use the number only, it sees values.
func (w *wire) validate(ctx context.Context, name string, args []any) error {
	return w.ask(ctx, name,
		func(b []byte) ([]byte, error) {
			b, err := appendArguments(append(b, `{"func":"Validate","arg":`...), args, false, nil)
			return append(b, '}'), err
		},
		func(r *reply) error {
			if !r.State {
				return host.Errorf(host.ErrInvalid, "%s", text(r.Result))
			}
			return nil
		})
}

func (w *wire) exec(ctx context.Context, name string, c *host.Call, args []any) (v any, err error) {
	err = w.ask(ctx, name,
		func(b []byte) ([]byte, error) {
			b, err := appendArguments(append(b, `{"func":"Exec","arg":`...), args, true, c)
			return append(b, '}'), err
		},
		func(r *reply) error {
			if r.State {
				if v, err = decodeResult(r.Result); err != nil {
					err = w.p.m.fault(name, host.FaultResult, fmt.Errorf("found result %.256q: %w", r.Result, err))
				}
				return err
			}
			if len(r.Result) == 0 || string(r.Result) == "null" {
				return nil // no value
			}
			return w.p.m.returned(name, text(r.Result))
		})
	return v, err
}

// text is what an answer says, without the quotes of JSON if it is a string.
func text(b json.RawMessage) string {
	var s string
	if json.Unmarshal(b, &s) == nil {
		return s
	}
	return string(b)
}
