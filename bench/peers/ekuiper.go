package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/rep"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/ipc" // the only transport of portable plugins

	"github.com/vanth-io/vanth/bench/internal/ekuiper"
)

// openLockstep calls functions as eKuiper 2.4 does: a REP socket for each with its
// deadlines.
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
		call[name] = (&ekuiper.Host{Socket: sock}).Call
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

// serveFunction answers calls of the function that the address ends with.
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
	return ekuiper.Serve(sock, function)
}
