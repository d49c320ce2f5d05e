package native

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// TestProbeChild is no test: it is the probe of the other tests, which run this
// binary with it and a file. What the file holds says which plugin it is, and
// the log beside it gets a line for each run.
func TestProbeChild(t *testing.T) {
	if flag.NArg() != 2 || flag.Arg(0) != "native-probe" {
		return
	}
	path := flag.Arg(1)
	if f, err := os.OpenFile(path+".log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintln(f, strings.Join(os.Environ(), " "))
		f.Close()
	}
	os.Exit(try(path, os.Stdin, os.Stdout, os.Stderr, func(path string) (finder, error) {
		switch b, _ := os.ReadFile(path); string(b) {
		case "chatters":
			fmt.Println(strings.Repeat("hello ", answerBytes/5))
		case "leaves":
			os.Exit(0)
		case "forks":
			cmd := exec.Command("/bin/sleep", "1000")
			cmd.Stdout = os.Stdout
			err := cmd.Start()
			_ = os.WriteFile(path+".pid", fmt.Append(nil, cmd.Process.Pid), 0o600)
			return func(string) (any, error) { return nil, errors.New("none") }, err
		}
		return fakeOpen(path)
	}))
}

// probeKit is a runtime whose probes are this test binary.
type probeKit struct {
	*Runtime
	t    *testing.T
	path string
}

func newProbeKit(t *testing.T, build string) *probeKit {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no plugins here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	k := &probeKit{t: t, path: filepath.Join(t.TempDir(), "kit.so")}
	k.Runtime = New(Options{
		StateDir: t.TempDir(), ProbeTimeout: 20 * time.Second,
		Probe: []string{self, "-test.run=^TestProbeChild$", "--", "native-probe"},
	})
	if err := os.WriteFile(k.path, []byte(build), 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *probeKit) try(m host.Manifest) error {
	m.Executable = "kit.so"
	return k.probe(k.t.Context(), placed{k.path, "digest"}, m)
}

// runs returns the environments of the probes that ran.
func (k *probeKit) runs() []string {
	b, _ := os.ReadFile(k.path + ".log")
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")[:strings.Count(string(b), "\n")]
}

// TestProbeLooksForSymbols: the probe finds what the module would, in its words,
// and that a file passed holds for the names that were looked for.
func TestProbeLooksForSymbols(t *testing.T) {
	k := newProbeKit(t, "1")
	good := host.Manifest{Functions: []string{"echo", "absent"}, Sources: []string{"ticks"}, Sinks: []string{"shelf"}}
	bad := host.Manifest{Functions: []string{"echo", "wrong"}, Sources: []string{"shelf"}, Sinks: []string{"gone"}}
	for range 2 {
		if err := k.try(good); err != nil {
			t.Error(err)
		}
	}
	if n := len(k.runs()); n != 1 {
		t.Errorf("%d probes for one question", n)
	}
	find, err := fakeOpen(k.path)
	if err != nil {
		t.Fatal(err)
	}
	bad.Executable = "kit.so"
	want := symbols{find: find}.check(bad)
	for range 2 {
		if err := k.try(bad); !errors.Is(err, host.ErrInvalid) || err.Error() != want.Error() {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	for _, text := range []string{"Wrong is not type of api.Function", "Shelf is not type of api.Source", "kit.so does not export Gone, which a sink of this name must"} {
		if !strings.Contains(want.Error(), text) {
			t.Errorf("no %q in %v", text, want)
		}
	}
	if err := k.try(good); err != nil {
		t.Errorf("the good names after the bad ones: %v", err)
	}
}

// TestProbeMakesFunctions: a function that cannot be made is refused with its
// list, and one whose constructor ends the process stays out of it. Lists without
// them are not held responsible.
func TestProbeMakesFunctions(t *testing.T) {
	k := newProbeKit(t, "1")
	for _, c := range []struct{ name, want string }{
		{"broken", "function broken: constructor: panic: no echo today"},
		{"nothing", "function nothing: constructor returned nil"},
		{"moody", "function moody: IsAggregate: panic: who knows"},
		{"quits", "its initialisers or constructors ended the process"},
		{"ends", "exit status 5"},
	} {
		for range 2 {
			if err := k.try(host.Manifest{Functions: []string{"echo", c.name}}); !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	if n := len(k.runs()); n != 8 {
		t.Errorf("%d probes, want two of those that said what is wrong, and one of the others", n)
	}
	if err := k.try(host.Manifest{Functions: []string{"echo", "total", "absent"}}); err != nil {
		t.Errorf("the good ones: %v", err)
	}
	// Sources and sinks are not made.
	if err := k.try(host.Manifest{Sources: []string{"unmade"}, Sinks: []string{"unmadeSink"}}); err != nil {
		t.Error(err)
	}
}

// TestProbeManyNames: the longest manifest goes there and its errors come back.
func TestProbeManyNames(t *testing.T) {
	k := newProbeKit(t, "1")
	var m host.Manifest
	for i := range 1000 {
		m.Sinks = append(m.Sinks, fmt.Sprintf("%s%d", strings.Repeat("s", 124), i))
	}
	if err := k.try(m); err == nil || strings.Count(err.Error(), "does not export") != 1000 {
		t.Errorf("%.300v", err)
	}
}

// TestProbeOutput: what initialisers print is not taken for an answer.
func TestProbeOutput(t *testing.T) {
	if err := newProbeKit(t, "chatters").try(host.Manifest{Functions: []string{"echo"}}); err != nil {
		t.Errorf("%.300v", err)
	}
	for _, build := range []string{"leaves", "dies"} {
		k := newProbeKit(t, build)
		for range 2 {
			if err := k.try(host.Manifest{}); !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), "in quarantine until it is replaced") {
				t.Errorf("%s: %v", build, err)
			}
		}
		if n := len(k.runs()); n != 1 {
			t.Errorf("%s was tried %d times", build, n)
		}
	}
	for said, want := range map[string]error{
		"": errLeft, "vanth-probe: ": errLeft, `vanth-probe: "`: errLeft, `vanth-probe: ""`: nil,
		"x vanth-probe: \"\"": errLeft, "x\nvanth-probe: \"\"\nmore": nil, "vanth-probe: \"no\"\nvanth-probe: \"\"": nil,
	} {
		if err := symbolsOf(said); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", said, err, want)
		}
	}
	if err := symbolsOf(`vanth-probe: "a\nb"`); !errors.Is(err, host.ErrInvalid) || err.Error() != "a\nb" {
		t.Error(err)
	}
}

// TestProbeHangs: a file that does not let go of its loader is tried once, also
// by the next process, until the word of it is removed.
func TestProbeHangs(t *testing.T) {
	k := newProbeKit(t, "hangs")
	k.opts.ProbeTimeout = time.Second
	first := k.try(host.Manifest{})
	k.Runtime = New(k.opts)
	second := k.try(host.Manifest{})
	for _, err := range []error{first, second} {
		if !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), "its initialisers or constructors did not return within 1s") ||
			!strings.Contains(err.Error(), "in quarantine until it is replaced") {
			t.Error(err)
		}
	}
	if n := len(k.runs()); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
	_, way, _ := strings.Cut(second.Error(), "remove ")
	way, _, _ = strings.Cut(way, " to try")
	if err := os.Remove(way); err != nil {
		t.Error(err)
	}
	if _ = k.try(host.Manifest{}); len(k.runs()) != 2 {
		t.Error("it is not tried again")
	}

	// Nobody waits any more: that says nothing of the file.
	k = newProbeKit(t, "hangs")
	if err := k.probe(timeout(t, 300*time.Millisecond), placed{k.path, "digest"}, host.Manifest{Executable: "kit.so"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if task, _ := looks(host.Manifest{Executable: "kit.so"}); len(k.runs()) != 1 {
		t.Error("no probe ran")
	} else if _, reason := k.recall("digest", task); reason != "" {
		t.Errorf("in quarantine: %s", reason)
	}
}

// TestProbeLeavesNothing: what initialisers start ends with the probe, and is not
// held against the file.
func TestProbeLeavesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no process groups here")
	}
	k := newProbeKit(t, "forks")
	if err := k.try(host.Manifest{}); err != nil {
		t.Error(err)
	}
	var pid int
	b, _ := os.ReadFile(k.path + ".pid")
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); running(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it still runs")
		}
	}
}

// TestPassedIsBounded: each start keeps what passed, up to a bound.
func TestPassedIsBounded(t *testing.T) {
	k := newProbeKit(t, "1")
	kept := func() int {
		k.Runtime = New(k.opts)
		list, _ := os.ReadDir(filepath.Join(k.opts.StateDir, passedName))
		return len(list)
	}
	for i := range maxPassed {
		k.remember(passedName, fmt.Sprint(i), "")
	}
	if n := kept(); n != maxPassed {
		t.Errorf("%d are kept, want %d", n, maxPassed)
	}
	k.remember(passedName, "one more", "")
	if n := kept(); n != 0 {
		t.Errorf("%d are kept", n)
	}
}

// TestProbeEnvironment: a child sees what the dynamic loader reads of the host's
// environment, and nothing else.
func TestProbeEnvironment(t *testing.T) {
	t.Setenv("SECRET", "x")
	for _, want := range []string{"", "LD_LIBRARY_PATH=/nowhere", "LD_LIBRARY_PATH=/nowhere LD_PRELOAD="} {
		t.Run(want, func(t *testing.T) {
			for _, pair := range strings.Fields(want) {
				key, value, _ := strings.Cut(pair, "=")
				t.Setenv(key, value)
			}
			k := newProbeKit(t, "1")
			if err := k.try(host.Manifest{}); err != nil {
				t.Error(err)
			}
			if got := k.runs(); len(got) != 1 || got[0] != want {
				t.Errorf("%q, want %q", got, want)
			}
			v, err := exec1(t, newWorkerKit(t).load(t, "1", "environ"), "environ")
			if want := strings.TrimSpace(want + " GOTRACEBACK=single"); v != want || err != nil {
				t.Errorf("worker: %q, %v, want %q", v, err, want)
			}
		})
	}
}
