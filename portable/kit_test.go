package portable_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/portable"
)

// allSDKs are the ways to talk that a test runs with where it makes sense.
var allSDKs = []string{"go", "python", "socket", "ring"}

// each runs a test with each of the SDKs named.
func each(t *testing.T, sdks []string, test func(*testing.T, string)) {
	for _, sdk := range sdks {
		t.Run(sdk, func(t *testing.T) { test(t, sdk) })
	}
}

func wires() []string { return []string{"go", "python"} }
func lanes() []string { return []string{"socket", "ring"} }

// testOptions are short enough for tests.
func testOptions(t testing.TB) portable.Options {
	return portable.Options{
		Dir: t.TempDir(), InitTimeout: 10 * time.Second, SendTimeout: 5 * time.Second, RecvTimeout: 2 * time.Second, Grace: time.Second,
		Env: []string{"GORACE"},
		Log: slog.New(slog.NewTextHandler(&logWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// logWriter is the host's log, shown with -v.
type logWriter struct{ t testing.TB }

func (l *logWriter) Write(b []byte) (int, error) {
	if testing.Verbose() && os.Getenv("VANTH_LOG") != "" {
		fmt.Fprintf(os.Stderr, "    %s: %s", l.t.Name(), b)
	}
	return len(b), nil
}

// newRuntime returns a runtime that is closed, and found clean, at the end.
func newRuntime(t testing.TB, o portable.Options) *portable.Runtime {
	t.Helper()
	rt := portable.New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := rt.Close(ctx); err != nil {
			t.Error("close: ", err)
		}
		if left := children(t); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
		if left, _ := os.ReadDir(o.Dir); len(left) > 0 {
			t.Errorf("folders are left: %v", left)
		}
	})
	return rt
}

// plugin is a module under test.
type plugin struct {
	host.Module
	dir  string
	role role
}

// newRole is a role with all that plugins of the tests have.
func newRole(sdk string) role {
	return role{
		Name: "kit", SDK: sdk,
		Functions: []string{"echo", "fail", "sleep", "die"},
		Sources:   []string{"rows"}, Sinks: []string{"file"},
	}
}

// bundle makes a bundle whose program plays r.
func bundle(t testing.TB, r role, change ...func(*host.Manifest)) host.Bundle {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		_ = os.Chmod(dir, 0o755)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	must(t, os.WriteFile(filepath.Join(dir, roleFile), b, 0o644))
	must(t, os.Symlink(program, filepath.Join(dir, "plugin")))
	m := host.Manifest{
		Version: "1", Language: "executable", Executable: "plugin",
		Functions: r.Functions, Sources: r.Sources, Sinks: r.Sinks,
	}
	for _, c := range change {
		c(&m)
	}
	id := host.ID{Class: host.ClassPortables, Name: r.Name}
	state, err := host.NewState(&hosttest.MemStore{}, id)
	must(t, err)
	return host.Bundle{Plugin: host.Plugin{ID: id, Dir: dir, Manifest: m}, Dir: dir, State: state}
}

// load loads a plugin that plays r.
func load(t testing.TB, rt host.Runtime, r role, change ...func(*host.Manifest)) *plugin {
	t.Helper()
	b := bundle(t, r, change...)
	m, err := rt.Load(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return &plugin{m, b.Dir, r}
}

// start loads a plugin of an SDK with everything in it.
func start(t testing.TB, sdk string) *plugin {
	return load(t, newRuntime(t, testOptions(t)), newRole(sdk))
}

// startWith loads a plugin with the functions named.
func startWith(t testing.TB, sdk string, functions ...string) *plugin {
	r := newRole(sdk)
	r.Functions = functions
	return load(t, newRuntime(t, testOptions(t)), r)
}

func (p *plugin) function(t testing.TB, name string) host.Function {
	t.Helper()
	f, err := p.Function(name)
	must(t, err)
	return f
}

// call calls a function with two seconds to answer.
func (p *plugin) call(name string, args ...any) (any, error) {
	f, err := p.Function(name)
	if err != nil {
		return nil, err
	}
	return f.Exec(context.Background(), &host.Call{Rule: "r1", Op: "2_project"}, args)
}

// want calls a function whose answer is known.
func (p *plugin) want(t testing.TB, want any, name string, args ...any) {
	t.Helper()
	if got, err := p.call(name, args...); err != nil || got != want {
		t.Fatalf("%s%v = %v, %v; want %v", name, args, got, err, want)
	}
}

func (p *plugin) status() host.Status { return p.Module.(host.Supervised).Status() }

func (p *plugin) pid(t testing.TB) int {
	t.Helper()
	st := p.status()
	if len(st.Processes) == 0 {
		t.Fatalf("no process: %+v", st)
	}
	return st.Processes[0].PID
}

// until waits for a condition, five seconds at most.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	within(t, 5*time.Second, what, ok)
}

func within(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%v and still not: %s\n%s", limit, what, stacks(buf[:runtime.Stack(buf, true)]))
		}
	}
}

// stacks keeps the goroutines of the package under test.
func stacks(all []byte) (kept []byte) {
	for g := range bytes.SplitSeq(all, []byte("\n\n")) {
		if bytes.Contains(g, []byte("vanth/portable.")) {
			kept = append(append(kept, g...), "\n\n"...)
		}
	}
	return kept
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
