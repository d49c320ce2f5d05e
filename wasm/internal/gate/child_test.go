package gate_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// TestChild compiles the module that its environment names, and says what that took. It is what compile starts.
func TestChild(t *testing.T) {
	path := os.Getenv("GATE_COMPILE")
	if path == "" {
		t.Skip("started by other tests")
	}
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(256)
	r := wazero.NewRuntimeWithConfig(context.Background(), config)
	idle := peak()
	start := worked()
	if os.Getenv("GATE_MANY") == "" {
		_, err = r.CompileModule(context.Background(), code)
	}
	for os.Getenv("GATE_MANY") != "" && len(code) > 0 {
		n, width := uvarint(code)
		if m, err := r.CompileModule(context.Background(), code[width:width+n]); err == nil {
			m.Close(context.Background())
		}
		code = code[width+n:]
	}
	fmt.Printf("took=%d grew=%d err=%q\n", (worked() - start).Milliseconds(), (peak()-idle)>>10, fmt.Sprint(err))
}

// worked is the processor time that the process had: how long it took by the clock depends on what else runs.
func worked() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak is the most memory that the process had, in KiB.
func peak() (kib int) {
	status, _ := os.ReadFile("/proc/self/status")
	if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
		fmt.Sscan(rest, &kib)
	}
	return kib
}

// cost is what a compilation took.
type cost struct {
	ms, mib int
	err     string // "" for none
}

// raced says that this binary has the race detector, whose cost and memory are no measure of the engine.
var raced bool

// child is a binary of these tests without it.
var child = sync.OnceValues(func() (string, error) {
	if !raced {
		return os.Args[0], nil
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("gate-%d.test", os.Getpid()))
	out, err := exec.Command("go", "test", "-c", "-o", path, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return path, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if raced {
		if path, err := child(); err == nil {
			os.Remove(path)
		}
	}
	os.Exit(code)
}

// compile compiles code in a process of its own, within limits of time and memory.
func compile(t testing.TB, code []byte) cost { t.Helper(); return compileAs(t, code, "") }

// compileAs compiles one module, or many of which each follows its length.
func compileAs(t testing.TB, code []byte, many string) cost {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.wasm")
	if err := os.WriteFile(path, code, 0o600); err != nil {
		t.Fatal(err)
	}
	binary, err := child()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -v 4000000; exec "$0" -test.run '^TestChild$' -test.v`, binary)
	cmd.Env = append(os.Environ(), "GATE_COMPILE="+path, "GATE_MANY="+many)
	out, err := cmd.CombinedOutput()
	c := cost{ms: -1, mib: -1}
	for line := range strings.Lines(string(out)) {
		if _, e := fmt.Sscanf(line, "took=%d grew=%d err=%q", &c.ms, &c.mib, &c.err); e == nil {
			if c.err == "<nil>" {
				c.err = ""
			}
			return c
		}
	}
	c.err = fmt.Sprintf("killed: %v: %.100s", err, out)
	return c
}
