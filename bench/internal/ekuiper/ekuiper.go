package ekuiper

import (
	"encoding/json"
	"fmt"
	"sync"
)

// Socket is what a call goes over. The host's is a REP socket, for calls.
type Socket interface {
	Send(b []byte) error
	Recv() ([]byte, error)
}

// What goes over the wire.
type (
	request struct {
		Func string `json:"func"`
		Arg  any    `json:"arg"`
	}
	meta struct {
		RuleID     string `json:"ruleId"`
		OpID       string `json:"opId"`
		InstanceID int    `json:"instanceId"`
		FuncID     int    `json:"funcId"`
	}
	reply struct {
		State  bool `json:"state"`
		Result any  `json:"result"`
	}
)

// Host calls one function as eKuiper does, but for what it logs: one call at a time, and encoding/json.
type Host struct {
	Socket Socket
	mu     sync.Mutex // held from the request to its answer
}

// Call is one call.
func (h *Host) Call(args ...any) (any, error) {
	m, err := json.Marshal(meta{RuleID: "r", OpID: "o"})
	if err != nil {
		return nil, err
	}
	ask, err := json.Marshal(request{Func: "Exec", Arg: append(args[:len(args):len(args)], string(m))})
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var answer []byte
	for len(answer) == 0 || answer[0] == 'h' { // a handshake is no answer
		if err := h.Socket.Send(ask); err != nil {
			return nil, err
		}
		if answer, err = h.Socket.Recv(); err != nil {
			return nil, err
		}
	}
	var r reply
	if err := json.Unmarshal(answer, &r); err != nil {
		return nil, err
	}
	if !r.State {
		return nil, fmt.Errorf("the plugin failed: %v", r.Result)
	}
	return r.Result, nil
}

// Serve answers calls as the loop of eKuiper's SDK for Go does, but for what that logs, until the socket fails.
func Serve(s Socket, function func(args []any) any) error {
	var contexts sync.Map
	for {
		ask, err := s.Recv()
		if err != nil {
			return err
		}
		var f request
		if err := json.Unmarshal(ask, &f); err != nil {
			return err
		}
		r := reply{State: true, Result: false}
		if f.Func == "Exec" {
			list, _ := f.Arg.([]any)
			last, _ := list[len(list)-1].(string)
			var m meta
			if err := json.Unmarshal([]byte(last), &m); err != nil {
				return err
			}
			contexts.LoadOrStore(fmt.Sprintf("%s_%s_%d_%d", m.RuleID, m.OpID, m.InstanceID, m.FuncID), &m)
			r.Result = function(list[:len(list)-1])
		}
		answer, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if err := s.Send(answer); err != nil {
			return err
		}
	}
}
