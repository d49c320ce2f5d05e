package portable_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/ipc" // the scheme
)

// eKuiper's two SDKs, as the contract's 4.4 to 4.11 have them.

// dialREQ connects a REQ socket as eKuiper's Go SDK does, at once or never.
func dialREQ(url string, retry, keep time.Duration, limit int, hooks ...mangos.PipeEventHook) (mangos.Socket, error) {
	s, err := req.NewSocket()
	if err != nil {
		return nil, err
	}
	_ = s.SetOption(mangos.OptionRetryTime, retry)
	_ = s.SetOption(mangos.OptionRecvDeadline, keep)
	_ = s.SetOption(mangos.OptionMaxRecvSize, limit)
	for _, h := range hooks {
		s.SetPipeEventHook(h)
	}
	return s, s.DialOptions(url, map[string]any{
		mangos.OptionDialAsynch: false, mangos.OptionMaxReconnectTime: 5 * time.Second, mangos.OptionReconnectTime: 100 * time.Millisecond,
	})
}

// inside is the loop that asks for work: each request is the answer to what came
// before.
func inside(s mangos.Socket, answer func([]byte) []byte) error {
	if err := s.Send([]byte("handshake")); err != nil {
		return err
	}
	for {
		b, err := s.Recv()
		if errors.Is(err, mangos.ErrRecvTimeout) {
			if err := s.Send([]byte("handshake")); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		out := answer(b)
		if out == nil {
			return s.Close()
		}
		if err := s.Send(out); err != nil {
			return err
		}
	}
}

func (p *player) python() bool { return p.SDK == "python" }

// control is the life of the process.
func (p *player) control() {
	url := "ipc:///tmp/plugin_" + p.Name + ".ipc"
	keep := time.Duration(0)
	if p.python() {
		keep = p.Keep
	}
	s, err := dialREQ(url, p.Retry, keep, 0)
	for range 50 {
		if err == nil || !p.python() {
			break
		}
		time.Sleep(100 * time.Millisecond)
		s, err = dialREQ(url, p.Retry, keep, 0)
	}
	if err != nil {
		if p.python() {
			os.Exit(0)
		}
		panic(err)
	}
	err = inside(s, func(b []byte) []byte { return []byte(p.command(b)) })
	fmt.Println("control:", err)
	os.Exit(1)
}

// order is the inner object of a command.
type order struct {
	SymbolName string `json:"symbolName"`
	Meta       struct {
		RuleID     string `json:"ruleId"`
		OpID       string `json:"opId"`
		InstanceID int    `json:"instanceId"`
	} `json:"meta"`
	PluginType string         `json:"pluginType"`
	DataSource string         `json:"dataSource"`
	Datasource string         `json:"datasource"`
	Config     map[string]any `json:"config"`
}

// key names a running source or sink as the SDKs do.
func (o *order) key() string {
	return fmt.Sprintf("%s_%s_%d_%s", o.Meta.RuleID, o.Meta.OpID, o.Meta.InstanceID, o.SymbolName)
}

// url is the address of its socket.
func (o *order) url() string {
	return fmt.Sprintf("ipc:///tmp/%s_%s_%d", o.Meta.RuleID, o.Meta.OpID, o.Meta.InstanceID)
}

func (p *player) command(b []byte) string {
	var c struct{ Cmd, Arg string }
	var o order
	if err := json.Unmarshal(b, &c); err != nil {
		return err.Error()
	}
	if err := json.Unmarshal([]byte(c.Arg), &o); err != nil {
		return err.Error()
	}
	note(p.dir, "commands", c.Cmd+" "+c.Arg)
	known := slices.Contains(map[string][]string{"source": p.Sources, "sink": p.Sinks, "func": p.Functions}[o.PluginType], o.SymbolName)
	if c.Cmd == "start" && !known {
		if p.python() {
			return "Traceback (most recent call last):\n  File \"plugin.py\", line 99, in command_reply\nKeyError: '" + o.SymbolName + "'\n"
		}
		return "symbol not found"
	}
	switch {
	case c.Cmd == "start" && o.PluginType == "func":
		return p.startFunction(o.SymbolName)
	case c.Cmd == "start":
		if o.Meta.RuleID == "" || o.Meta.OpID == "" {
			return fmt.Sprintf("invalid arg %s, ruleId and opId are required", c.Arg)
		}
		return p.startNode(&o)
	case c.Cmd == "stop":
		return p.stopNode(&o)
	case p.python():
		return "ok"
	}
	return "invalid command received: " + c.Cmd
}

// startFunction dials, and then says ok.
func (p *player) startFunction(name string) string {
	if base(name) == "unwilling" {
		return "not today"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[name]++
	if p.running[name] > 1 && !p.python() {
		return "ok" // it runs, or did once
	}
	url := "ipc:///tmp/func_" + name + ".ipc"
	s, err := dialREQ(url, p.Retry, p.Keep, p.Limit, func(e mangos.PipeEvent, pipe mangos.Pipe) {
		if e == mangos.PipeEventAttached && base(name) == "redial" {
			p.pipe.Store(&pipe)
		}
	})
	if err != nil {
		return err.Error()
	}
	go func() {
		err := inside(s, func(b []byte) []byte { return p.answer(name, b) })
		fmt.Println("function", name, "ends:", err)
	}()
	return "ok"
}

// answer runs a function; nil when its loop ends.
func (p *player) answer(name string, b []byte) []byte {
	var q struct {
		Func string `json:"func"`
		Arg  any    `json:"arg"`
	}
	if err := json.Unmarshal(b, &q); err != nil {
		return reply(refuse(err.Error()))
	}
	args, list := q.Arg.([]any)
	switch q.Func {
	case "IsAggregate":
		return reply(value(slices.Contains(p.Aggregate, name)))
	case "Validate":
		if !list {
			return reply(refuse("argument is not interface array"))
		}
		if text := p.validate(name, args); text != "" {
			return reply(refuse(text))
		}
		return reply(value(""))
	case "Exec":
		if len(args) == 0 {
			return reply(refuse("not enough arguments"))
		}
		var c struct {
			RuleID string `json:"ruleId"`
			OpID   string `json:"opId"`
		}
		context := word(args[len(args)-1])
		if err := json.Unmarshal([]byte(context), &c); err != nil || c.RuleID == "" || c.OpID == "" {
			return reply(refuse(fmt.Sprintf("invalid context %v, ruleId and opId are required: %v", args[len(args)-1], err)))
		}
		v := p.exec(name, args[:len(args)-1], context)
		switch {
		case v.quit:
			return nil
		case v.redial:
			time.AfterFunc(20*time.Millisecond, func() {
				_ = (*p.pipe.Load()).Close()
			})
		case v.raw != nil:
			return v.raw
		case !v.state && p.python() && v.result != nil:
			v.result = fmt.Sprintf("Traceback (most recent call last):\nException: %v\n", v.result)
		}
		return reply(v)
	}
	return reply(refuse("invalid func " + q.Func))
}

func reply(v verdict) []byte {
	b, err := json.Marshal(map[string]any{"state": v.state, "result": v.result})
	if err != nil {
		b, _ = json.Marshal(map[string]any{"state": false, "result": err.Error()})
	}
	return b
}
