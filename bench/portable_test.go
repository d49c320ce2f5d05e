//go:build linux

package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/rep"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/ipc"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/portable"
)

// BenchmarkPortableWire calls a function that answers "ok" in another process over
// eKuiper's wire: vanth through the host, lockstep as eKuiper does, and pingpong
// the same bytes over a bare Unix socket. The plugin of the first two is the same
// loop on a mangos REQ socket. They take turns of 100 calls, after ten to warm up,
// so that what else the machine does hits all alike; what is reported are medians
// of the turns, and how many times the calls a second of lockstep vanth makes.
func BenchmarkPortableWire(b *testing.B) {
	args := []any{"abc", int64(3)}
	echo, ctx := wireFunction(b), context.Background()
	subjects := []struct {
		name string
		call func() (any, error)
		took []float64
	}{
		{name: "pingpong", call: pingpong(b)},
		{name: "vanth", call: func() (any, error) { return echo.Exec(ctx, nil, args) }},
		{name: "lockstep", call: lockstep(b, args)},
	}
	const turn, warmUp = 100, 10
	for b.Loop() {
		for i := range subjects {
			s := &subjects[i]
			var begun time.Time
			for n := range warmUp + turn {
				if n == warmUp {
					begun = time.Now()
				}
				if v, err := s.call(); err != nil || v != "ok" {
					b.Fatal(s.name, v, err)
				}
			}
			s.took = append(s.took, float64(time.Since(begun).Nanoseconds())/turn)
		}
	}
	median := map[string]float64{}
	for _, s := range subjects {
		slices.Sort(s.took)
		median[s.name] = s.took[len(s.took)/2]
		b.ReportMetric(median[s.name], s.name+"-ns")
	}
	b.ReportMetric(median["lockstep"]/median["vanth"], "lockstep/vanth")
	b.ReportMetric(median["vanth"]/median["pingpong"], "vanth/pingpong")
	b.ReportMetric(testing.AllocsPerRun(turn, func() { _, _ = echo.Exec(ctx, nil, args) }), "vanth-allocs")
	b.ReportMetric(0, "ns/op")
}

// pingpong sends what vanth does and takes as many bytes as it gets.
func pingpong(b *testing.B) func() (any, error) {
	b.Helper()
	ln, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	startPeer(b, "pingpong", ln.Addr().String())
	conn, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	message, answer := make([]byte, 120), make([]byte, 28)
	return func() (any, error) {
		if _, err := conn.Write(message); err != nil {
			return nil, err
		}
		_, err := conn.Read(answer)
		return "ok", err
	}
}

// lockstep returns a call as eKuiper 2.4 makes it, but for what it logs: a REP
// socket with its deadlines, under a lock, and encoding/json.
func lockstep(b *testing.B, args []any) func() (any, error) {
	b.Helper()
	sock, err := rep.NewSocket()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { sock.Close() })
	for o, limit := range map[string]time.Duration{mangos.OptionRecvDeadline: 5 * time.Second, mangos.OptionSendDeadline: time.Second} {
		if err := sock.SetOption(o, limit); err != nil {
			b.Fatal(err)
		}
	}
	url := "ipc://" + filepath.Join(b.TempDir(), "s")
	if err := sock.Listen(url); err != nil {
		b.Fatal(err)
	}
	startPeer(b, "req", url)
	if _, err := sock.Recv(); err != nil {
		b.Fatal(err)
	}
	var mu sync.Mutex
	return func() (any, error) {
		meta, err := json.Marshal(funcMeta{RuleID: "r", OpID: "o"})
		if err != nil {
			return nil, err
		}
		request, err := json.Marshal(funcData{Func: "Exec", Arg: append(args[:len(args):len(args)], string(meta))})
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if err := sock.Send(request); err != nil {
			return nil, err
		}
		answer, err := sock.Recv()
		if err != nil {
			return nil, err
		}
		var r funcReply
		err = json.Unmarshal(answer, &r)
		return r.Result, err
	}
}

// What goes over the wire, on both sides of it.
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

// startPeer starts this binary as the other side.
func startPeer(b *testing.B, role, at string) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self, peerWord, role, at)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// peerWord makes this binary the other side of BenchmarkPortableWire.
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
	case "req":
		return loop(at)
	}
	// A plugin of one function: control on one socket, the function on another.
	control, err := dial("ipc:///tmp/plugin_" + at + ".ipc")
	if err != nil {
		return err
	}
	for {
		command, err := control.Recv()
		if err != nil {
			return err
		}
		if bytes.Contains(command, []byte(`"start"`)) {
			go func() { _ = loop("ipc:///tmp/func_echo.ipc") }()
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

// loop answers calls as the loop of eKuiper's SDK for Go does, but for what that
// logs.
func loop(url string) error {
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
			key := fmt.Sprintf("%s_%s_%d_%d", m.RuleID, m.OpID, m.InstanceID, m.FuncID)
			contexts.LoadOrStore(key, &m)
			r.Result = "ok"
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

// BenchmarkPortableLane calls the sample mirror, in Go, over the fast lane: one
// caller, 16 of them, and 1,000 rows in one crossing (ns a row).
func BenchmarkPortableLane(b *testing.B) {
	program := filepath.Join(b.TempDir(), "mirror")
	cmd := exec.Command("go", "-C", "../plugins", "build", "-o", program, "./portable/mirror")
	if said, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, said)
	}
	code, err := os.ReadFile(program)
	if err != nil {
		b.Fatal(err)
	}
	echo := portableFunction(b, "mirror", "echo", map[string]string{
		"mirror.json": `{"version":"1","language":"go","executable":"mirror","functions":["echo"]}`, "mirror": string(code),
	})
	ctx := context.Background()
	args := []any{"abc"}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if v, err := echo.Exec(ctx, nil, args); err != nil || v != "abc" {
				b.Fatal(v, err)
			}
		}
	})
	b.Run("callers16", func(b *testing.B) {
		b.SetParallelism(8) // times GOMAXPROCS
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if v, err := echo.Exec(ctx, nil, args); err != nil || v != "abc" {
					b.Error(v, err)
				}
			}
		})
	})
	b.Run("batch1000", func(b *testing.B) {
		const rows = 1000
		batch := frame.AppendArrayHeader(nil, rows)
		for range rows {
			batch = frame.AppendString(frame.AppendArrayHeader(batch, 1), "abc")
		}
		var out []byte
		for n := 0; n < b.N; n += rows {
			var err error
			if out, err = echo.ExecBatch(ctx, nil, out[:0], batch); err != nil {
				b.Fatal(err)
			}
		}
		if v, err := frame.Decode(out); err != nil || len(v.([]any)) != rows || v.([]any)[999] != "abc" {
			b.Fatal(err)
		}
	})
}

// wireFunction installs a plugin that speaks eKuiper's wire.
func wireFunction(b *testing.B) *host.Handle {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	script := "#!/bin/sh\nexec " + self + " " + peerWord + " plugin peer\n"
	return portableFunction(b, "peer", "echo", map[string]string{
		"peer.json": `{"version":"1","language":"executable","executable":"run.sh","functions":["echo"]}`, "run.sh": script,
	})
}

// portableFunction installs a portable plugin in a host and returns a function.
func portableFunction(b *testing.B, plugin, function string, files map[string]string) *host.Handle {
	b.Helper()
	ctx := context.Background()
	rt := portable.New(portable.Options{SharedTmp: true}) // where this binary is
	b.Cleanup(func() { rt.Close(ctx) })
	h, err := host.Open(ctx, host.Options{Home: b.TempDir(), Store: &hosttest.MemStore{}, Runtimes: []host.Runtime{rt}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close(ctx) })
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for name, content := range files {
		head := &zip.FileHeader{Name: name, Method: zip.Deflate}
		head.SetMode(0o755)
		f, err := w.CreateHeader(head)
		if err == nil {
			_, err = strings.NewReader(content).WriteTo(f)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	if _, err := h.Install(ctx, host.Request{ID: host.ID{Class: host.ClassPortables, Name: plugin}, Archive: &z}); err != nil {
		b.Fatal(err)
	}
	return handle(b, h, function)
}
