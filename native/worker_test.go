package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

func TestWorkerConformance(t *testing.T) {
	hosttest.Runtime(t, hosttest.RuntimeKit{
		New:      func() (host.Runtime, error) { return isolating{New(Options{})}, nil },
		Files:    map[string][]byte{"kit.so": []byte("1")},
		Damaged:  map[string][]byte{"kit.so": []byte("damaged")},
		Language: host.LanguageNative,
		Foreign:  "go",
	})
	if left := children(t); left != "" {
		t.Error("a worker is left:", left)
	}
}

func TestWorkerLoad(t *testing.T) {
	k := newWorkerKit(t)
	for _, c := range []struct {
		name, build string
		symbols     []string
		want        string
	}{
		{"damaged", "damaged", []string{"echo"}, "invalid ELF header"},
		{"an initialiser that exits", "dies", []string{"echo"}, "its initialiser has had enough"},
		{"wrong type", "1", []string{"wrong"}, "Wrong is not type of api.Function"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := k.Load(timeout(t, time.Minute), k.bundle(t, c.build, c.symbols...))
			if m != nil || !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, error %v, want %s", m, err, c.want)
			}
		})
	}
	t.Run("an initialiser that hangs", func(t *testing.T) {
		_, err := k.Load(timeout(t, 300*time.Millisecond), k.bundle(t, "hangs", "echo"))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	t.Run("absent and aggregate", func(t *testing.T) {
		m := k.load(t, "1", "nobody", "total")
		if _, err := exec1(t, m, "nobody"); !errors.Is(err, host.ErrUnavailable) {
			t.Error(err)
		}
		if f, err := m.Function("total"); err != nil || !f.Signature().Aggregate {
			t.Error(f, err)
		}
	})
	t.Run("two builds", func(t *testing.T) {
		one, two := k.load(t, "build 1", "version"), k.load(t, "build 2", "version")
		a, err1 := exec1(t, one, "version")
		b, err2 := exec1(t, two, "version")
		if a != "build 1" || b != "build 2" {
			t.Error(a, b, err1, err2)
		}
	})
}

func TestWorkerFaults(t *testing.T) {
	k := newWorkerKit(t)
	m := k.load(t, "1", "echo", "panic", "exit", "crash", "text", "environ")
	if _, err := exec1(t, m, "echo", "x"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		fault host.Fault
		text  string
	}{
		{"panic", host.FaultTrap, "panic: in the call"},
		{"text", host.FaultResult, "UTF-8"},
		{"exit", host.FaultTrap, "exit status 3 (printed: \"last words\")"},
		{"crash", host.FaultTrap, "panic: on a goroutine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := exec1(t, m, c.name)
			g, ok := errors.AsType[*host.GuestError](err)
			if !ok || g.Fault != c.fault || g.Symbol != c.name || g.Plugin != testID() || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %s: %s", err, c.fault, c.text)
			}
			if v, err := exec1(t, m, "echo", "again"); v != "again" {
				t.Error(v, err)
			}
		})
	}
	if v, err := exec1(t, m, "environ"); v != "GOTRACEBACK=single" {
		t.Error("the plugin sees", v, err)
	}
	if _, err := exec1(t, m, "echo", "\xff"); !errors.Is(err, host.ErrInvalid) {
		t.Error(err)
	}
}

func TestWorkerBackOff(t *testing.T) {
	k := newWorkerKit(t)
	m := k.load(t, "1", "exit")
	start := time.Now()
	for range 4 { // at once, and after 0.1, 0.2 and 0.4 s
		if _, err := exec1(t, m, "exit"); !strings.Contains(fmt.Sprint(err), "exit status 3") {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < 700*time.Millisecond {
		t.Error("four crashes within", took)
	}
	if _, err := exec1(t, m, "exit"); !strings.Contains(fmt.Sprint(err), "exit status 3") {
		t.Fatal(err) // after 0.8 s
	}
	_, err := exec1(t, m, "exit") // 1.6 s is beyond patience
	if !errors.Is(err, host.ErrUnavailable) || !strings.Contains(err.Error(), "exit status 3") {
		t.Error(err)
	}
}

func TestWorkerRogue(t *testing.T) {
	k := newWorkerKit(t)
	good := k.load(t, "1", "echo")
	for _, how := range []string{"garbage", "huge", "id", "op", "fields", "error", "state", "eof"} {
		t.Run(how, func(t *testing.T) {
			m := k.load(t, "rogue "+how, "echo")
			start := time.Now()
			_, err := exec1(t, m, "echo", "x")
			if g, ok := errors.AsType[*host.GuestError](err); !ok || g.Fault != host.FaultTrap || time.Since(start) > 5*time.Second {
				t.Error(err, time.Since(start))
			}
			if v, err := exec1(t, good, "echo", "y"); v != "y" {
				t.Error(v, err)
			}
			if err := m.Close(timeout(t, 10*time.Second)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWorkerCancel(t *testing.T) {
	k := newWorkerKit(t)
	m := k.load(t, "1", "echo", "stuck", "spin")
	for _, name := range []string{"stuck", "spin"} {
		f, err := m.Function(name)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		if _, err := f.Exec(ctx, nil, nil); !errors.Is(err, context.Canceled) || time.Since(start) > 2*time.Second {
			t.Error(name, err, time.Since(start))
		}
	}
	if v, err := exec1(t, m, "echo", "x"); v != "x" {
		t.Error(v, err)
	}
	start := time.Now() // the stuck call holds its worker no longer than the graces
	if err := m.Close(timeout(t, 10*time.Second)); err != nil || time.Since(start) > 4*time.Second {
		t.Error(err, time.Since(start))
	}
}

func TestWorkerConcurrent(t *testing.T) {
	k := newWorkerKit(t)
	m := k.load(t, "1", "echo")
	f, _ := m.Function("echo")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 200 {
				want := fmt.Sprint(i, n)
				if v, err := f.Exec(timeout(t, 10*time.Second), &host.Call{Rule: "r", Func: int64(i)}, []any{want}); v != want {
					t.Error(v, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestWorkerKill(t *testing.T) {
	k := newWorkerKit(t)
	m := k.load(t, "1", "echo", "pid", "fork")
	f, _ := m.Function("echo")
	child, err := exec1(t, m, "fork")
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var good, bad atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v, err := f.Exec(timeout(t, 10*time.Second), nil, []any{"x"})
				switch g, ok := errors.AsType[*host.GuestError](err); {
				case err == nil && v == "x":
					good.Add(1)
				case ok && g.Fault == host.FaultTrap:
					bad.Add(1)
				default:
					t.Error(v, err)
				}
			}
		})
	}
	// survivor calls again while a call is among those that a kill ended.
	survivor := func(name string, args ...any) (any, error) {
		for range 100 {
			v, err := exec1(t, m, name, args...)
			if g, ok := errors.AsType[*host.GuestError](err); !ok || g.Fault != host.FaultTrap {
				return v, err
			}
		}
		return nil, errors.New("100 calls were ended by a kill")
	}
	var last any
	for range 10 {
		time.Sleep(20 * time.Millisecond)
		pid, err := survivor("pid")
		if err != nil || pid == last {
			t.Error(pid, last, err)
			continue
		}
		last = pid
		_ = syscall.Kill(int(pid.(int64)), syscall.SIGKILL)
		for until := time.Now().Add(5 * time.Second); running(int(pid.(int64))) && time.Now().Before(until); {
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	wg.Wait()
	if v, err := survivor("echo", "after"); v != "after" {
		t.Error(v, err)
	}
	if good.Load() == 0 || bad.Load() == 0 {
		t.Error(good.Load(), "calls succeeded,", bad.Load(), "failed")
	}
	if pid := int(child.(int64)); running(pid) {
		t.Error("a child of the worker is left", pid)
	}
}

// TestWorkerDiesWithHost kills a host that has a worker.
func TestWorkerDiesWithHost(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(timeout(t, 20*time.Second), self, "-test.run=^TestWorkerChild$", "--", "native-worker", "as a host")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	_, err = fmt.Fscanf(out, "worker: %d", &pid)
	if err != nil || !running(pid) {
		t.Errorf("worker %d runs: %t, %v", pid, running(pid), err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for until := time.Now().Add(5 * time.Second); running(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the worker outlives its host:", pid)
		}
	}
}

func TestWorkerState(t *testing.T) {
	k := newWorkerKit(t)
	one, two := k.load(t, "1", "count", "put", "take", "exit"), k.load(t, "2", "count", "take")
	for i := range 3 {
		if n, err := exec1(t, one, "count"); n != int64(i+1) {
			t.Error(n, err)
		}
	}
	if _, err := exec1(t, one, "put", "kept"); err != nil {
		t.Error(err)
	}
	// Another build, loaded before that was written, sees it, and they add up.
	if n, err := exec1(t, two, "count"); n != int64(4) {
		t.Error(n, err)
	}
	_, _ = exec1(t, one, "exit") // and so does the next worker, after a crash
	if n, err := exec1(t, one, "count"); n != int64(5) {
		t.Error(n, err)
	}
	if v, err := exec1(t, one, "take"); v != nil { // functions have key spaces of their own outside of rules
		t.Error(v, err)
	}
	f, _ := one.Function("put")
	g, _ := two.Function("take")
	call := &host.Call{Rule: "r", Op: "o"}
	ctx := timeout(t, 10*time.Second)
	want := map[string]any{"a": int64(1)}
	if _, err := f.Exec(ctx, call, []any{want}); err != nil {
		t.Error(err)
	}
	if v, err := g.Exec(ctx, call, nil); !reflect.DeepEqual(v, want) {
		t.Error(v, err)
	}
}

func TestWorkerLog(t *testing.T) {
	k := newWorkerKit(t)
	m := k.load(t, "1", "say")
	f, _ := m.Function("say")
	if _, err := f.Exec(timeout(t, 10*time.Second), &host.Call{Rule: "r1"}, []any{"hello"}); err != nil {
		t.Fatal(err)
	}
	if s := k.logs.String(); !strings.Contains(s, `level=WARN msg="said hello" plugin=functions/kit rule=r1`) {
		t.Error(s)
	}
}

// BenchmarkWorker is a call through a worker process.
func BenchmarkWorker(b *testing.B) {
	k := newWorkerKit(b)
	m := k.load(b, "1", "echo")
	f, err := m.Function("echo")
	if err != nil {
		b.Fatal(err)
	}
	ctx, args := context.Background(), []any{"text"}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.Exec(ctx, nil, args); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel16", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := f.Exec(ctx, nil, args); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
