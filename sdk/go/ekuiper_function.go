//go:build !wasip1

package vanth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vanth-io/vanth/sdk/go/internal/sp"
)

// startFunction begins to answer the calls of a function, for the rest of the process's life.
func (e *ekuiper) startFunction(name string) error {
	f := e.plugin.function(name)
	if f == nil {
		return errors.New("symbol not found")
	}
	if e.functions[name] {
		return nil
	}
	calls := sp.NewRequester(e.path("func_"+name), 0, nil)
	first, cancel := context.WithTimeout(e.ctx, 5*time.Second)
	defer cancel()
	if err := calls.Connect(first); err != nil {
		return fmt.Errorf("function %s: %w", name, err)
	}
	e.functions[name] = true
	e.spawn(func() {
		defer calls.Close()
		for answer := []byte(sp.Handshake); ; {
			request, err := calls.Ask(e.ctx, answer)
			if err != nil {
				return // only the end of e.ctx is one
			}
			answer = e.answer(f, request)
		}
	})
	return nil
}

// answer runs one request to a function.
func (e *ekuiper) answer(f *function, text []byte) []byte {
	result, err := e.run(f, text)
	reply := struct {
		State  bool `json:"state"`
		Result any  `json:"result"`
	}{err == nil, result}
	if err != nil {
		reply.Result = err.Error()
	}
	out, err := json.Marshal(reply)
	if err != nil {
		reply.State, reply.Result = false, err.Error()
		out, _ = json.Marshal(reply)
	}
	return out
}

func (e *ekuiper) run(f *function, text []byte) (any, error) {
	var request struct {
		Func string `json:"func"`
		Arg  any    `json:"arg"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&request); err != nil {
		return nil, err
	}
	f.executor.turn.Lock()
	defer f.executor.turn.Unlock()
	args, isList := request.Arg.([]any)
	if request.Arg != nil && !isList {
		return nil, errors.New("argument is not a list")
	}
	switch request.Func {
	case "IsAggregate":
		return f.aggregate, nil
	case "Validate":
		for i := range args {
			args[i] = asJSON(args[i])
		}
		return nil, f.callee.validate(args)
	case "Exec":
		u, err := e.useOf(args)
		if err != nil {
			return nil, err
		}
		return f.callee.exec(u.contextOf(e.ctx, e.plugin, f, e.keep), args[:len(args)-1])
	}
	return nil, fmt.Errorf("invalid func %s", request.Func)
}

// useOf reads the last argument.
func (e *ekuiper) useOf(args []any) (*use, error) {
	var m struct {
		Rule     string `json:"ruleId"`
		Op       string `json:"opId"`
		Instance int64  `json:"instanceId"`
		Func     int64  `json:"funcId"`
	}
	if len(args) == 0 {
		return nil, errors.New("the last argument, which tells the rule, is missing")
	}
	text, _ := args[len(args)-1].(string)
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&m); err != nil {
		return nil, fmt.Errorf("the last argument, which tells the rule: %w", err)
	}
	if m.Rule == "" || m.Op == "" {
		return nil, errors.New("ruleId and opId are required")
	}
	key := useKey{m.Rule, m.Op, m.Instance, m.Func}
	if u, ok := e.uses.Load(key); ok {
		return u.(*use), nil
	}
	u := e.plugin.newUse(0)
	u.rule, u.op, u.instance, u.fn = m.Rule, m.Op, m.Instance, m.Func
	kept, _ := e.uses.LoadOrStore(key, u)
	return kept.(*use), nil
}
