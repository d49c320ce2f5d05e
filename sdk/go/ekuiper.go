//go:build !wasip1

package vanth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vanth-io/vanth/sdk/go/internal/sp"
)

// ekuiper is a plugin's side of eKuiper's wire. The host's commands come as replies on the control
// channel, one at a time.
type ekuiper struct {
	plugin *plugin
	ctx    context.Context // of all user code; done when the process is to end
	dir    string
	keep   *memory
	uses   sync.Map // useKey to *use

	// What follows is the control loop's.
	functions map[string]bool
	streams   map[string]running // sources and sinks that run
	wg        sync.WaitGroup     // all goroutines
}

// running is a source or a sink that can be stopped.
type running interface{ stop() error }

type useKey struct {
	rule, op     string
	instance, fn int64
}

const (
	// lostHost is how long the control channel looks for a host that has gone and may come back.
	lostHost = 10 * time.Second
	// finishRows is what a sink that is stopped waits for rows on their way.
	finishRows = 200 * time.Millisecond
)

// serveEkuiper returns nil when ctx ends and the reason when the host is gone for good.
func serveEkuiper(ctx context.Context, p *plugin) error {
	dir := os.Getenv("VANTH_SOCKETS")
	if dir == "" {
		dir = "/tmp"
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	e := &ekuiper{plugin: p, ctx: inner, dir: dir, keep: newMemory(), functions: map[string]bool{}, streams: map[string]running{}}
	parent := os.Getppid()
	control := sp.NewRequester(e.path("plugin_"+p.name), lostHost, func() bool { return os.Getppid() != parent })
	defer control.Close()
	for answer := sp.Handshake; ; {
		command, err := control.Ask(ctx, []byte(answer))
		if err != nil {
			e.close(cancel)
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("control: %w", err)
		}
		answer = replyOf(e.execute(command))
	}
}

func (e *ekuiper) path(name string) string { return filepath.Join(e.dir, name+".ipc") }

// replyOf makes the reply to a command. The host takes what begins with h for a handshake.
func replyOf(err error) string {
	if err == nil {
		return "ok"
	}
	text := err.Error()
	if text == "" || text == "ok" || text[0] == 'h' {
		return "error: " + text
	}
	return text
}

// close ends what runs, for a while.
func (e *ekuiper) close(cancel context.CancelFunc) {
	cancel()
	done := make(chan struct{})
	go func() {
		for _, s := range e.streams {
			_ = s.stop()
		}
		e.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(farewell):
	}
}

type command struct {
	Cmd string `json:"cmd"`
	Arg string `json:"arg"`
}

// order is what a command is about. encoding/json reads datasource for dataSource too.
type order struct {
	Symbol string `json:"symbolName"`
	Meta   struct {
		Rule     string `json:"ruleId"`
		Op       string `json:"opId"`
		Instance int64  `json:"instanceId"`
	} `json:"meta"`
	Kind       string         `json:"pluginType"`
	DataSource string         `json:"dataSource"`
	Config     map[string]any `json:"config"`
}

func (o *order) key() string {
	return fmt.Sprintf("%s_%s_%d_%s", o.Meta.Rule, o.Meta.Op, o.Meta.Instance, o.Symbol)
}

func (o *order) channel() string {
	return fmt.Sprintf("%s_%s_%d", o.Meta.Rule, o.Meta.Op, o.Meta.Instance)
}

func (e *ekuiper) execute(text []byte) error {
	var c command
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	var o order
	if c.Cmd != "start" && c.Cmd != "stop" {
		return fmt.Errorf("invalid command received: %s", c.Cmd)
	}
	if err := json.Unmarshal([]byte(c.Arg), &o); err != nil {
		return err
	}
	if o.Config == nil {
		o.Config = map[string]any{}
	}
	if o.DataSource == "" { // eKuiper 2 says it there only
		o.DataSource, _ = o.Config["datasource"].(string)
	}
	if o.Kind == "func" {
		if c.Cmd == "stop" {
			return nil
		}
		return e.startFunction(o.Symbol)
	}
	if o.Meta.Rule == "" || o.Meta.Op == "" {
		return fmt.Errorf("invalid arg %s, ruleId and opId are required", c.Arg)
	}
	old := e.streams[o.Kind+"/"+o.key()]
	if c.Cmd == "stop" {
		if old == nil {
			return fmt.Errorf("symbol %s not found", o.key())
		}
		delete(e.streams, o.Kind+"/"+o.key())
		return old.stop()
	}
	if old != nil { // its host has lost count of it
		_ = old.stop()
		delete(e.streams, o.Kind+"/"+o.key())
	}
	s, err := e.start(&o)
	if err != nil {
		return err
	}
	e.streams[o.Kind+"/"+o.key()] = s
	return nil
}

func (e *ekuiper) start(o *order) (running, error) {
	u := &use{rule: o.Meta.Rule, op: o.Meta.Op, instance: o.Meta.Instance}
	ctx, cancel := context.WithCancel(e.ctx)
	c := newContext(ctx, u, e.keep, e.plugin.log)
	switch o.Kind {
	case "source":
		for _, s := range e.plugin.sources {
			if s.name == o.Symbol {
				return e.startSource(o, s.make, c, cancel)
			}
		}
	case "sink":
		for _, s := range e.plugin.sinks {
			if s.name == o.Symbol {
				return e.startSink(o, s.make, c, cancel)
			}
		}
	}
	cancel()
	return nil, errors.New("symbol not found")
}

func (e *ekuiper) spawn(f func()) {
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		f()
	}()
}
