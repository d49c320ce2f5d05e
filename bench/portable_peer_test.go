//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/rep"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/ipc"

	"github.com/vanth-io/vanth/bench/internal/ekuiper"
)

// pingpong sends what vanth does and takes as many bytes as it gets.
func pingpong(t testing.TB) func() (any, error) {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	startPeer(t, "pingpong", ln.Addr().String())
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	message, answer := make([]byte, 120), make([]byte, 28)
	return func() (any, error) {
		if _, err := conn.Write(message); err != nil {
			return nil, err
		}
		_, err := conn.Read(answer)
		return true, err
	}
}

// lockstep returns a call as eKuiper 2.4 makes it: a REP socket with its deadlines.
func lockstep(t testing.TB, args []any) func() (any, error) {
	t.Helper()
	sock, err := rep.NewSocket()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	for o, limit := range map[string]time.Duration{mangos.OptionRecvDeadline: 5 * time.Second, mangos.OptionSendDeadline: time.Second} {
		if err := sock.SetOption(o, limit); err != nil {
			t.Fatal(err)
		}
	}
	url := "ipc://" + filepath.Join(t.TempDir(), "s")
	if err := sock.Listen(url); err != nil {
		t.Fatal(err)
	}
	startPeer(t, "req", url)
	if _, err := sock.Recv(); err != nil {
		t.Fatal(err)
	}
	h := ekuiper.Host{Socket: sock}
	return func() (any, error) { return h.Call(args...) }
}

// startPeer starts this binary as the other side.
func startPeer(t testing.TB, role, at string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, peerWord, role, at)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// peerWord makes this binary the other side of the portable works.
const peerWord = "bench-peer"

// isPeer tells whether this process was started as one, and runs it.
func isPeer() bool {
	if len(os.Args) < 4 || os.Args[1] != peerWord {
		return false
	}
	if err := peer(os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
	}
	return true
}

func peer(role, at string) error {
	switch role {
	case "pingpong":
		conn, err := net.Dial("unix", at)
		if err != nil {
			return err
		}
		message, answer := make([]byte, 120), make([]byte, 28)
		for {
			if _, err := conn.Read(message); err != nil {
				return err
			}
			if _, err := conn.Write(answer); err != nil {
				return err
			}
		}
	case "futex":
		return futexPeer(at)
	case "req":
		return loop(at)
	}
	// A plugin of one function: control on one socket, the function on another. Their
	// names end as what it was started with.
	control, err := dial("ipc:///tmp/plugin_bench" + at + ".ipc")
	if err != nil {
		return err
	}
	for {
		command, err := control.Recv()
		if err != nil {
			return err
		}
		if bytes.Contains(command, []byte(`"start"`)) {
			go func() { _ = loop("ipc:///tmp/func_echo" + at + ".ipc") }()
		}
		if err := control.Send([]byte("ok")); err != nil {
			return err
		}
	}
}

func dial(url string) (mangos.Socket, error) {
	sock, err := req.NewSocket()
	if err != nil {
		return nil, err
	}
	if err := sock.Dial(url); err != nil {
		return nil, err
	}
	return sock, sock.Send([]byte("handshake"))
}

// loop answers calls with true.
func loop(url string) error {
	sock, err := dial(url)
	if err != nil {
		return err
	}
	return ekuiper.Serve(sock, func([]any) any { return true })
}
