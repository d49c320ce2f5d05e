package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// status returns a figure of /proc/<pid>/status, in KiB or as it stands.
func status(t testing.TB, pid any, key string) (n int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%v/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n"+key+":")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(key, err)
	}
	return n
}

// toll is what something did to this process.
type toll struct {
	grew   int           // KiB of resident memory at most
	missed time.Duration // the longest beat of a heart that beats every millisecond
}

// watchToll runs f and returns its toll.
func watchToll(t testing.TB, f func()) toll {
	t.Helper()
	runtime.GC()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // VmHWM starts anew
		t.Fatal(err)
	}
	before := status(t, "self", "VmRSS")
	stop, beats := make(chan struct{}), make(chan time.Duration)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		var longest time.Duration
		for last := time.Now(); ; last = time.Now() {
			select {
			case <-stop:
				beats <- longest
				return
			case <-tick.C:
				longest = max(longest, time.Since(last))
			}
		}
	}()
	f()
	close(stop)
	return toll{missed: <-beats, grew: status(t, "self", "VmHWM") - before}
}

// bearable is what a host does not notice, beside what others do to it.
func (l toll) bearable(others toll) bool {
	return l.missed < 50*time.Millisecond+others.missed && l.grew < 8<<10
}

// TestJailBombs: what would hold up or exhaust a compiler is refused with the limit
// that it met, and the host does not notice it. The machine may be busy with other
// things: so the toll is taken three times at most.
func TestJailBombs(t *testing.T) {
	const (
		noTime   = "m.wasm: compiling took more than 300ms of processor time (wasm.compileTime): allow more"
		noMemory = "m.wasm: compiling took more than 64 MiB of memory (wasm.compileMiB): allow more"
	)
	quick := Options{CompileTime: 300 * time.Millisecond, CompileMiB: 1 << 10}
	small := Options{CompileTime: time.Minute, CompileMiB: 64}
	for _, c := range []struct {
		name string
		o    Options
		code []byte
		want string
	}{
		{"60,000 ifs, time", quick, ifs(60_000), noTime},
		{"60,000 ifs, memory", small, ifs(60_000), noMemory},
		{"2,000 x 50,000 locals", small, manyLocals(2_000), noMemory},
		{"20,000 fills, time", quick, fills(20_000), noTime},
		{"20,000 fills, memory", small, fills(20_000), noMemory},
		{"interpreted locals", Options{Engine: "interpreter"}, manyLocals(600), "more than 32 MiB of memory (what the interpreter may keep for 4829 bytes)"},
		{"interpreted ifs", Options{Engine: "interpreter", CompileMiB: 20}, ifs(200_000), "more than 20 MiB of memory (wasm.compileMiB)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newJailKit(t, "", c.o)
			others := watchToll(t, func() { time.Sleep(200 * time.Millisecond) })
			var l toll
			for range 3 {
				began := time.Now()
				var err error
				l = watchToll(t, func() { err = k.make(c.code) })
				t.Logf("refused after %v, grew %d KiB, longest beat %v", time.Since(began).Round(time.Millisecond), l.grew, l.missed)
				if !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("%v, want %q", err, c.want)
				}
				if l.bearable(others) {
					return
				}
			}
			t.Errorf("the host grew by %d KiB and its heart stood still for %v", l.grew, l.missed)
		})
	}
}

// TestJailIsNeeded: without it the host does notice.
func TestJailIsNeeded(t *testing.T) {
	for _, engine := range []string{"compiler", "interpreter"} {
		rt := newRuntime(t, Options{Engine: engine})
		k := &jailKit{Runtime: rt, t: t}
		l := watchToll(t, func() {
			if err := k.make(manyLocals(100)); err != nil {
				t.Error(err)
			}
			if err := k.make(fills(1_000)); err != nil {
				t.Error(err)
			}
		})
		if l.bearable(toll{}) {
			t.Errorf("%s: the host grew by %d KiB and its heart stood still for %v: this check finds nothing", engine, l.grew, l.missed)
		}
		runtime.GC()
	}
}

// TestJailConfines: what the kernel says of a child at work.
func TestJailConfines(t *testing.T) {
	t.Setenv("VANTH_SECRET", "1")
	t.Setenv("LD_LIBRARY_PATH", "/nowhere")
	k := newJailKit(t, "", Options{CompileTime: 3 * time.Second, CompileMiB: 100})
	done := make(chan error)
	go func() { done <- k.make(ifs(60_000)) }()
	pid := k.child()
	for status(t, pid, "VmRSS") < 40<<10 {
		time.Sleep(time.Millisecond)
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, f := range threads {
		b, _ := os.ReadFile(f)
		if _, rest, _ := bytes.Cut(b, []byte(") ")); len(b) > 0 && string(bytes.Fields(rest)[16]) != fmt.Sprint(niceness) {
			t.Errorf("a thread has niceness %s", bytes.Fields(rest)[16])
		}
	}
	limits, _ := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	score, _ := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
	if !strings.Contains(string(limits), "Max cpu time              5                    5                    seconds") || string(score) != "1000\n" || len(threads) < 2 {
		t.Errorf("%s\n%s\n%d threads", limits, score, len(threads))
	}
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("its group is %d: %v", group, err)
	}
	if err := <-done; err == nil {
		t.Error("it was compiled")
	}
	if _, env, _ := strings.Cut(k.runs()[0], " "); env != "GOMAXPROCS=1 GOTRACEBACK=none LD_LIBRARY_PATH=/nowhere\n" {
		t.Errorf("its environment is %q", env)
	}
}

// TestJailBoundsResidentMemory: what a child may have is what it has at most, beside
// what every process has.
func TestJailBoundsResidentMemory(t *testing.T) {
	for _, mib := range []int{50, 150} {
		for name, code := range map[string][]byte{"ifs": ifs(60_000), "locals": manyLocals(2_000), "fills": fills(20_000)} {
			k := newJailKit(t, "", Options{CompileMiB: mib, CompileTime: time.Second})
			done := make(chan error)
			go func() { done <- k.make(code) }()
			pid, most := k.child(), 0
			for err := error(nil); err == nil; time.Sleep(100 * time.Microsecond) {
				b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
				if _, rest, ok := bytes.Cut(b, []byte("\nVmHWM:")); ok {
					_, _ = fmt.Sscan(string(rest), &most)
				}
				select {
				case err = <-done:
					if err == nil {
						t.Fatal(name, "is compiled")
					}
				default:
				}
			}
			t.Logf("%d MiB, %s: at most %d MiB", mib, name, most>>10)
			if most < 10<<10 || most > (mib+30)<<10 {
				t.Errorf("%s: it had %d KiB, with %d MiB allowed", name, most, mib)
			}
		}
	}
}

// gone holds that a process is no more, not even a zombie.
func gone(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

// ending is a way in which a child at work comes to its end.
type ending struct {
	name string
	end  func(k *jailKit, pid int, cancel func())
	want string
	is   error
}

// TestJailEnds: a child that is killed, given up or closed over is gone at once, and
// leaves nothing in the cache. On a busy machine, at once is tried three times.
func TestJailEnds(t *testing.T) {
	by := func(s syscall.Signal) func(*jailKit, int, func()) {
		return func(_ *jailKit, pid int, _ func()) { _ = syscall.Kill(pid, s) }
	}
	for _, c := range []ending{
		{"killed", by(syscall.SIGKILL), "m.wasm: compiling was killed from outside, after ", host.ErrInvalid},
		{"stopped", by(syscall.SIGTERM), "m.wasm: the compiler failed: signal: terminated", host.ErrInvalid},
		{"crashed", by(syscall.SIGSEGV), "m.wasm: the compiler failed: exit status 2: SIGSEGV", host.ErrInvalid},
		{"given up", func(_ *jailKit, _ int, cancel func()) { cancel() }, "m.wasm: given up before it was compiled", context.Canceled},
		{"closed", func(k *jailKit, _ int, _ func()) { k.jail.end() }, "m.wasm: given up before it was compiled: the wasm runtime is closed", host.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var took time.Duration
			for range 3 {
				if took = c.try(t); took < 100*time.Millisecond {
					return
				}
			}
			t.Errorf("it took %v", took)
		})
	}
}

// try returns how long the end of a child took.
func (c *ending) try(t *testing.T) time.Duration {
	dir, temp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	k := newJailKit(t, "", Options{CacheDir: dir})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() {
		done <- k.beyond(ctx, ifs(20_000))
	}()
	pid := k.child()
	for status(t, pid, "VmRSS") < 30<<10 { // it is at work
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	c.end(k, pid, cancel)
	err := <-done
	took := time.Since(began)
	if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
		t.Errorf("%v, want %q", err, c.want)
	}
	gone(t, pid)
	if err := errors.Join(emptyFolder(dir), emptyFolder(temp)); err != nil {
		t.Error(err)
	}
	return took
}

// TestJailClose: closing the runtime ends a load at once.
func TestJailClose(t *testing.T) {
	k := newJailKit(t, "dozes", Options{})
	done := make(chan error)
	go func() {
		_, err := k.Load(context.Background(), watBundle(t, `(module (func (export "f")))`, host.Manifest{Functions: []string{"f"}}))
		done <- err
	}()
	pid := k.child()
	began := time.Now()
	go k.Close(context.Background())
	if err := <-done; !errors.Is(err, host.ErrClosed) || time.Since(began) > time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	gone(t, pid)
}

// TestJailDiesWithItsHost: a child does not outlive a host that is killed.
func TestJailDiesWithItsHost(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.CommandContext(t.Context(), childBinary(t), "-test.run=^TestJailHost$", "--", log)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := (&jailKit{t: t, log: log}).child()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for deadline := time.Now().Add(time.Second); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) { // whose parent it is now may not look
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the child is alive: %s", stat)
		}
	}
}

// TestJailLeaksNothing: no process, no descriptor, no memory and no folder is left of
// children, however they ended.
func TestJailLeaksNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	good := newJailKit(t, "", Options{CompileMiB: 100})
	bad := newJailKit(t, "crashes", Options{})
	slow := newJailKit(t, "", Options{CompileTime: 20 * time.Millisecond})
	late := newJailKit(t, "dozes", Options{CompileTime: 2 * time.Millisecond})
	cycle := func(i int) {
		var each sync.WaitGroup
		for n, k := range []*jailKit{good, bad, slow, late} {
			each.Go(func() {
				if err := k.make(ifs([]int{1, 1, 20_000, 1}[n] + i)); (err == nil) != (k == good) {
					t.Errorf("%d: %v", n, err)
				}
			})
		}
		each.Wait()
	}
	cycle(0)
	fds := func() int { list, _ := os.ReadDir("/proc/self/fd"); return len(list) }
	open, threads := fds(), status(t, "self", "Threads")
	for i := range 50 {
		cycle(1 + i)
	}
	if now := fds(); now > open {
		t.Errorf("%d descriptors, %d before", now, open)
	}
	if now := status(t, "self", "Threads"); now > threads+8 {
		t.Errorf("%d threads, %d before", now, threads)
	}
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("child %d is left: %v", pid, err)
	}
	if err := emptyFolder(os.Getenv("TMPDIR")); err != nil {
		t.Error(err)
	}
}
