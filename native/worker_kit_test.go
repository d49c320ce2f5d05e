package native

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// TestWorkerChild is no test: it is the worker of the other tests, which run
// this binary with it and a file. What the file holds says which plugin it is.
func TestWorkerChild(t *testing.T) {
	if flag.NArg() != 2 || flag.Arg(0) != "native-worker" {
		return
	}
	if flag.Arg(1) == "as a host" {
		hostUntilKilled(t)
	}
	file := os.NewFile(3, "host")
	if how, _ := os.ReadFile(flag.Arg(1)); strings.HasPrefix(string(how), "rogue ") {
		rogue(string(how), file)
	}
	os.Exit(work(flag.Arg(1), file, os.Stdin, os.Stderr, fakeOpen))
}

// fakeOpen stands in for openPlugin.
func fakeOpen(path string) (finder, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	switch string(b) {
	case "damaged":
		return nil, errors.New("invalid ELF header")
	case "dies":
		fmt.Fprintln(os.Stderr, "its initialiser has had enough")
		os.Exit(7)
	case "hangs":
		time.Sleep(time.Hour)
	}
	return func(symbol string) (any, error) {
		symbols := fakeSymbols(string(b))
		if string(b) == "nodes" {
			symbols = fakeNodes(filepath.Join(filepath.Dir(path), "kept"))
		}
		if v, ok := symbols[symbol]; ok {
			return v, nil
		}
		return nil, errors.New("no such symbol")
	}, nil
}

// fakeSymbols is what the plugin exports.
func fakeSymbols(build string) map[string]any {
	fn := func(exec func(api.FunctionContext, []any) (any, bool)) func() api.Function {
		return func() api.Function { return &fakeFunc{exec: exec} }
	}
	return map[string]any{
		"Echo": fn(func(_ api.FunctionContext, args []any) (any, bool) { return args[0], true }),
		"Fail": fn(func(api.FunctionContext, []any) (any, bool) { return errors.New("boom"), false }),
		"Spin": fn(func(ctx api.FunctionContext, _ []any) (any, bool) {
			<-ctx.Done()
			return ctx.Err(), false
		}),
		"Stuck":   fn(func(api.FunctionContext, []any) (any, bool) { select {} }),
		"Version": fn(func(api.FunctionContext, []any) (any, bool) { return build, true }),
		"Pid":     fn(func(api.FunctionContext, []any) (any, bool) { return os.Getpid(), true }),
		"Environ": fn(func(api.FunctionContext, []any) (any, bool) { return strings.Join(os.Environ(), " "), true }),
		"Panic":   fn(func(api.FunctionContext, []any) (any, bool) { panic("in the call") }),
		"Exit": fn(func(api.FunctionContext, []any) (any, bool) {
			fmt.Fprintln(os.Stderr, "last words")
			os.Exit(3)
			return nil, true
		}),
		"Crash": fn(func(api.FunctionContext, []any) (any, bool) {
			go panic("on a goroutine")
			select {}
		}),
		"Fork": fn(func(api.FunctionContext, []any) (any, bool) {
			cmd := exec.Command("/bin/sleep", "1000")
			if err := cmd.Start(); err != nil {
				return err, false
			}
			return cmd.Process.Pid, true
		}),
		"Count": fn(func(ctx api.FunctionContext, _ []any) (any, bool) {
			if err := ctx.IncrCounter("n", 1); err != nil {
				return err, false
			}
			n, err := ctx.GetCounter("n")
			return n, err == nil
		}),
		"Put": fn(func(ctx api.FunctionContext, args []any) (any, bool) {
			return nil, ctx.PutState("v", args[0]) == nil
		}),
		"Take": fn(func(ctx api.FunctionContext, _ []any) (any, bool) {
			v, err := ctx.GetState("v")
			if err != nil {
				return err, false
			}
			return v, true
		}),
		"Say": fn(func(ctx api.FunctionContext, args []any) (any, bool) {
			ctx.GetLogger().Warnf("said %v", args[0])
			return nil, true
		}),
		"Text":  fn(func(api.FunctionContext, []any) (any, bool) { return "\xff", true }),
		"Total": func() api.Function { return &fakeFunc{aggregate: func() bool { return true }} },
		"Wrong": 7,

		"Broken":     func() api.Function { panic("no echo today") },
		"Nothing":    func() api.Function { return nil },
		"Moody":      func() api.Function { return &fakeFunc{aggregate: func() bool { panic("who knows") }} },
		"Quits":      func() api.Function { os.Exit(0); return nil },
		"Ends":       func() api.Function { os.Exit(5); return nil },
		"Unmade":     func() api.Source { panic("made") },
		"UnmadeSink": func() api.Sink { panic("made") },

		"Ticks": func() api.Source { return fakeTicks() },
		"Shelf": func() api.Sink { return fakeShelf() },
	}
}

// fakeTicks is a source that counts, in its state, and ends after 5 rows.
func fakeTicks() api.Source {
	s := &boundedPusher{}
	s.subscribe = func(ctx api.StreamContext, in api.TupleIngest, _ api.ErrorIngest) error {
		for range 5 {
			if err := ctx.IncrCounter("ticks", 1); err != nil {
				return err
			}
			n, _ := ctx.GetCounter("ticks")
			in(ctx, map[string]any{"n": n}, map[string]any{"topic": "t"}, time.Unix(1, 0))
			time.Sleep(20 * time.Millisecond)
		}
		s.eof(ctx, "")
		return nil
	}
	return s
}

// fakeShelf is a sink that logs rows; "die" ends its process.
func fakeShelf() api.Sink {
	s := &tupleSink{one: func(ctx api.StreamContext, row api.MessageTuple) error {
		v, _ := row.Value("v", "")
		switch v {
		case "die":
			os.Exit(4)
		case "refuse":
			return errors.New("no room")
		}
		ctx.GetLogger().Infof("shelved %v", v)
		return nil
	}}
	s.provision = func(_ api.StreamContext, props map[string]any) error {
		if n, ok := props["size"].(int); !ok || n != 3 {
			return fmt.Errorf("size is %#v", props["size"])
		}
		return nil
	}
	return s
}

// hostUntilKilled is a host with a worker, whose process it prints.
func hostUntilKilled(t *testing.T) {
	k := newWorkerKit(t)
	pid, err := exec1(t, k.load(t, "1", "pid"), "pid")
	fmt.Println("worker:", pid, err)
	time.Sleep(time.Hour)
}

// rogue is a worker that does not keep to the protocol.
func rogue(how string, file *os.File) {
	conn, err := net.FileConn(file)
	file.Close()
	if err != nil {
		os.Exit(9)
	}
	l := newLink(conn, func(id int64, op int, _ fields) error {
		b, _ := pack(id, opReply, []any{})
		if op == opExec {
			switch how {
			case "rogue garbage":
				b = []byte("\x04\x00\x00\x00\xc1\xc1\xc1\xc1")
			case "rogue huge":
				b = []byte{0xff, 0xff, 0xff, 0xff}
			case "rogue id":
				b, _ = pack(id+77, opReply, nil)
			case "rogue op":
				b, _ = pack(id, 99)
			case "rogue fields":
				b, _ = pack(id, opReply, 1, 2)
			case "rogue error":
				b, _ = pack(id, opFail, 999, "", "", "", "", "")
			case "rogue state":
				b, _ = pack(0, opState, []any{[]any{1}})
			case "rogue eof":
				_ = conn.Close()
			}
		}
		_, err := conn.Write(b)
		return err
	})
	<-l.done
	time.Sleep(time.Hour) // it does not end by itself either
}

// isolating is a runtime whose modules run in workers of this test binary.
type isolating struct{ *Runtime }

func (r isolating) Load(ctx context.Context, b host.Bundle) (host.Module, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return nil, errRuntimeClosed()
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return r.isolate(ctx, b, filepath.Join(b.Dir, "kit.so"), []string{self, "-test.run=^TestWorkerChild$", "--", "native-worker"})
}

// workerKit is a runtime of workers and what it stands on.
type workerKit struct {
	isolating
	logs  *logs
	state *host.State
}

func newWorkerKit(t testing.TB) *workerKit {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no workers here")
	}
	k := &workerKit{logs: new(logs)}
	k.isolating = isolating{New(Options{Log: slog.New(slog.NewTextHandler(k.logs, nil))})}
	var err error
	if k.state, err = host.NewState(&hosttest.MemStore{}, testID()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(timeout(t, 10*time.Second)); err != nil {
			t.Error(err)
		}
		if left := children(t); left != "" {
			t.Error("a worker is left:", left)
		}
	})
	return k
}

// bundle makes a bundle whose plugin is of the build.
func (k *workerKit) bundle(t testing.TB, build string, symbols ...string) host.Bundle {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kit.so"), []byte(build), 0o600); err != nil {
		t.Fatal(err)
	}
	man := host.Manifest{Version: "1.2.3", Executable: "kit.so"}
	for _, s := range symbols {
		switch s {
		case "ticks":
			man.Sources = append(man.Sources, s)
		case "shelf":
			man.Sinks = append(man.Sinks, s)
		default:
			man.Functions = append(man.Functions, s)
		}
	}
	return host.Bundle{Plugin: host.Plugin{ID: testID(), Dir: dir, Manifest: man}, Dir: dir, State: k.state}
}

func (k *workerKit) load(t testing.TB, build string, symbols ...string) *isolated {
	t.Helper()
	m, err := k.Load(timeout(t, time.Minute), k.bundle(t, build, symbols...))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*isolated)
}

// exec calls a function of a module.
func exec1(t testing.TB, m host.Module, name string, args ...any) (any, error) {
	t.Helper()
	f, err := m.Function(name)
	if err != nil {
		t.Fatal(err)
	}
	return f.Exec(timeout(t, 10*time.Second), nil, args)
}

// children lists the processes that this one has, by their command lines.
func children(t testing.TB) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		return ""
	}
	var left []string
	list, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range list {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == fmt.Sprint(os.Getpid()) {
			left = append(left, string(b[:min(60, len(b))]))
		}
	}
	return strings.Join(left, "; ")
}

// running reports whether a process is there and no zombie.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z") && syscall.Kill(pid, 0) == nil
}
