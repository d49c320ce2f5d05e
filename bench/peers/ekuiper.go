package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/rep"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/ipc" // the only transport of portable plugins
)

// What goes over eKuiper's wire, on both sides of it.
type (
	funcData struct {
		Func string `json:"func"`
		Arg  any    `json:"arg"`
	}
	funcMeta struct {
		RuleID     string `json:"ruleId"`
		OpID       string `json:"opId"`
		InstanceID int    `json:"instanceId"`
		FuncID     int    `json:"funcId"`
	}
	funcReply struct {
		State  bool `json:"state"`
		Result any  `json:"result"`
	}
)

// openLockstep calls functions as eKuiper 2.4 does, but for what it logs: a REP
// socket for each with its deadlines, one call at a time, and encoding/json.
func openLockstep(ctx context.Context, s *subject, b *bench) error {
	dir, err := os.MkdirTemp(b.dir, "s-*")
	if err != nil {
		return err
	}
	call := map[string]func(args ...any) (any, error){}
	var socks []mangos.Socket
	args := []string{roleWord, roleLockstep}
	for name := range ekuiperFunctions() {
		url := "ipc://" + filepath.Join(dir, name)
		sock, err := listen(url)
		if err != nil {
			return err
		}
		s.onClose(sock.Close)
		call[name] = (&lockstep{sock: sock}).call
		socks, args = append(socks, sock), append(args, url)
	}
	cmd := exec.CommandContext(ctx, b.self, args...)
	cmd.Stderr = os.Stderr
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.onClose(func() error { return errors.Join(life.Close(), cmd.Wait()) })
	for _, sock := range socks {
		if _, err := sock.Recv(); err != nil {
			return fmt.Errorf("no handshake: %w", err)
		}
	}
	s.add = func(a, b int64) (int64, error) { return number(call["add"](a, b)) }
	s.fib = func(n int64) (int64, error) { return number(call["fib"](n)) }
	s.row = rowOf(func(m map[string]any) (any, error) { return call["row"](m) })
	s.echo = func(size int, _ bool) (*echoer, error) {
		return newEchoer(size, func(_, payload []byte) ([]byte, error) { return payloadOf(call["echo"](payload)) }), nil
	}
	return nil
}

func listen(url string) (mangos.Socket, error) {
	sock, err := rep.NewSocket()
	if err != nil {
		return nil, err
	}
	for o, limit := range map[string]time.Duration{mangos.OptionRecvDeadline: 5 * time.Second, mangos.OptionSendDeadline: time.Second} {
		if err := sock.SetOption(o, limit); err != nil {
			return nil, err
		}
	}
	return sock, sock.Listen(url)
}

// lockstep is the host's side of one function.
type lockstep struct {
	mu   sync.Mutex // held from the request to its answer
	sock mangos.Socket
}

func (l *lockstep) call(args ...any) (any, error) {
	meta, err := json.Marshal(funcMeta{RuleID: "r", OpID: "o"})
	if err != nil {
		return nil, err
	}
	request, err := json.Marshal(funcData{Func: "Exec", Arg: append(args, string(meta))})
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var answer []byte
	for len(answer) == 0 || answer[0] == 'h' { // a handshake is no answer
		if err := l.sock.Send(request); err != nil {
			return nil, err
		}
		if answer, err = l.sock.Recv(); err != nil {
			return nil, err
		}
	}
	var r funcReply
	if err := json.Unmarshal(answer, &r); err != nil {
		return nil, err
	}
	if !r.State {
		return nil, fmt.Errorf("the plugin failed: %v", r.Result)
	}
	return r.Result, nil
}

// ekuiperFunctions are what plugins of eKuiper's wire do with their arguments.
func ekuiperFunctions() map[string]func(args []any) any {
	return map[string]func(args []any) any{
		"add":  func(args []any) any { return args[0].(float64) + args[1].(float64) },
		"echo": func(args []any) any { return args[0] },
		"row":  func(args []any) any { return args[0] },
		"fib":  func(args []any) any { return fibonacci(int64(args[0].(float64))) },
	}
}

// lockstepPlugin is the other side of openLockstep: a loop for each function. It
// ends when the host closes its standard input, if only by ending.
func lockstepPlugin(urls []string) error {
	failed := make(chan error)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		failed <- err
	}()
	for _, url := range urls {
		go func() { failed <- serveFunction(url) }()
	}
	return <-failed
}

// wirePlugin is the other side of openWire. Control is on one socket, and each
// function on its own.
func wirePlugin() error {
	control, err := dial("ipc:///tmp/plugin_" + prefix + roleWire + ".ipc")
	if err != nil {
		return err
	}
	for {
		command, err := control.Recv()
		if err != nil {
			return err
		}
		for name := range ekuiperFunctions() {
			symbol := prefix + roleWire + "_" + name
			if strings.Contains(string(command), `"start"`) && strings.Contains(string(command), symbol) {
				go func() { _ = serveFunction("ipc:///tmp/func_" + symbol + ".ipc") }()
			}
		}
		if err := control.Send([]byte("ok")); err != nil {
			return err
		}
	}
}

// dial makes a plugin's socket. It does not send again what is not answered within a
// minute, which the SDK means to switch off too: a host that is idle for longer would
// take that for the answer to its next call.
func dial(url string) (mangos.Socket, error) {
	sock, err := req.NewSocket()
	if err != nil {
		return nil, err
	}
	if err := sock.SetOption(mangos.OptionRetryTime, time.Duration(0)); err != nil {
		return nil, err
	}
	if err := sock.Dial(url); err != nil {
		return nil, err
	}
	return sock, sock.Send([]byte("handshake"))
}

// serveFunction answers calls as the loop of eKuiper's SDK for Go does, but for
// what that logs. The function is the one that the address ends with.
func serveFunction(url string) error {
	name := strings.TrimSuffix(url[strings.LastIndexAny(url, "/_")+1:], ".ipc")
	function := ekuiperFunctions()[name]
	if function == nil {
		return errors.New(url + ": there is no such function")
	}
	sock, err := dial(url)
	if err != nil {
		return err
	}
	var contexts sync.Map
	for {
		request, err := sock.Recv()
		if err != nil {
			return err
		}
		var f funcData
		if err := json.Unmarshal(request, &f); err != nil {
			return err
		}
		r := funcReply{State: true, Result: false}
		if f.Func == "Exec" {
			list, _ := f.Arg.([]any)
			meta, _ := list[len(list)-1].(string)
			var m funcMeta
			if err := json.Unmarshal([]byte(meta), &m); err != nil {
				return err
			}
			contexts.LoadOrStore(fmt.Sprintf("%s_%s_%d_%d", m.RuleID, m.OpID, m.InstanceID, m.FuncID), &m)
			r.Result = function(list[:len(list)-1])
		}
		answer, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if err := sock.Send(answer); err != nil {
			return err
		}
	}
}
