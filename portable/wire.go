package portable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

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

// text is what an answer says, without the quotes of JSON if it is a string.
func text(b json.RawMessage) string {
	var s string
	if json.Unmarshal(b, &s) == nil {
		return s
	}
	return string(b)
}
