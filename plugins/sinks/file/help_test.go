package main

import (
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// row and rows are what a host hands to a sink.
type row map[string]any

func (r row) ToMap() map[string]any { return r }

func (r row) Value(key, _ string) (any, bool) {
	v, ok := r[key]
	return v, ok
}

type rows []row

func (r rows) Len() int { return len(r) }

func (r rows) RangeOfTuples(f func(int, api.MessageTuple) bool) {
	for i, one := range r {
		if !f(i, one) {
			return
		}
	}
}

func (r rows) ToMaps() []map[string]any {
	maps := make([]map[string]any, len(r))
	for i, one := range r {
		maps[i] = one
	}
	return maps
}

// connect returns a sink with the properties, which the test's end closes.
func connect(t *testing.T, ctx api.StreamContext, configs map[string]any) api.TupleCollector {
	t.Helper()
	s := File().(api.TupleCollector)
	if err := s.Provision(ctx, configs); err != nil {
		t.Fatal(err)
	}
	if err := s.Connect(ctx, func(string, string) {}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// hold locks the file as another writer would, and returns what unlocks it.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { other.Close() }
}

// alone reports whether the test has a process of its own, and else runs it in one: limitFiles
// holds for whatever the process writes, a log of the testing package too.
func alone(t *testing.T) bool {
	t.Helper()
	const mark = "VANTH_TEST_ALONE"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", "^"+t.Name()+"$")
	c.Env = append(os.Environ(), mark+"="+t.Name())
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// limitFiles calls f while no file of this process may grow beyond size.
func limitFiles(t *testing.T, size uint64, f func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}
