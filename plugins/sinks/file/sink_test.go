package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/plugins/internal/fake"
)

func TestLines(t *testing.T) {
	ctx := fake.NewContext(context.Background())
	ctx.Root = t.TempDir()
	path := filepath.Join(ctx.Root, "out.jsonl")
	if err := os.WriteFile(path, []byte(`{"old":true}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := connect(t, ctx, map[string]any{"path": "out.jsonl", "sync": true, "fileType": "lines", "format": "json", "sendSingle": true, "rollingInterval": 0})
	if err := s.Collect(ctx, row{"b": 1, "a": "<é\n>"}); err != nil {
		t.Fatal(err)
	}
	if err := s.CollectList(ctx, rows{{"n": nil}, {}}); err != nil {
		t.Fatal(err)
	}
	if err := s.CollectList(ctx, rows{}); err != nil {
		t.Fatal(err)
	}
	want := `{"old":true}` + "\n" + `{"a":"<é\n>","b":1}` + "\n" + `{"n":null}` + "\n{}\n"
	if got := content(t, path); got != want {
		t.Errorf("found\n%swant\n%s", got, want)
	}
}

func TestRotation(t *testing.T) {
	ctx, path := fake.NewContext(context.Background()), filepath.Join(t.TempDir(), "out")
	s := connect(t, ctx, map[string]any{"path": path, "rollingSize": 20, "rollingCount": 2})
	line := func(v any) string { return fmt.Sprintf("{\"a\":%v}\n", v) } // 8 bytes for one digit
	for i := range 4 {
		if err := s.Collect(ctx, row{"a": i}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CollectList(ctx, rows{{"a": 4}, {"a": strings.Repeat("x", 30)}, {"a": 5}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		path:        line(5),
		path + ".1": line(`"` + strings.Repeat("x", 30) + `"`), // longer than a file may be: alone
		path + ".2": line(4),
	} {
		if got := content(t, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("a third old file is kept")
	}
}

// Sinks that share a path, each used by several goroutines, lose no row, tear none and keep to the size.
func TestWriters(t *testing.T) {
	const sinks, writers, each, size, keep = 3, 3, 60, 500, 1000
	ctx, path := fake.NewContext(context.Background()), filepath.Join(t.TempDir(), "out")
	open := make([]api.TupleCollector, sinks)
	var wg sync.WaitGroup
	for i := range open {
		// The second one writes in bundles.
		open[i] = connect(t, ctx, map[string]any{"path": path, "rollingSize": size, "rollingCount": keep, "interval": i % 2})
		for j := range writers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for k := range each {
					if err := open[i].Collect(ctx, row{"by": fmt.Sprint(i, " ", j), "n": k}); err != nil {
						t.Error(err)
					}
				}
			}()
		}
	}
	wg.Wait()
	for _, s := range open {
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	}

	next, files := map[string]int{}, []string{path}
	for i := 1; i <= keep; i++ {
		if old := fmt.Sprint(path, ".", i); exists(old) {
			files = append(files, old)
		}
	}
	for i := len(files) - 1; i >= 0; i-- { // the oldest first
		text := content(t, files[i])
		if len(text) > size {
			t.Errorf("%s: %d bytes", files[i], len(text))
		}
		for line := range strings.Lines(text) {
			var r struct {
				By string
				N  int
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil || r.N != next[r.By] {
				t.Fatalf("%s: %q: %v, expected n %d", files[i], line, err, next[r.By])
			}
			next[r.By]++
		}
	}
	if len(next) != sinks*writers || len(files) < 10 {
		t.Errorf("%d writers in %d files", len(next), len(files))
	}
	for by, n := range next {
		if n != each {
			t.Errorf("%s: %d rows, want %d", by, n, each)
		}
	}
}

// With an interval rows wait for it, and Close writes what waits even if the rule's context is done.
func TestInterval(t *testing.T) {
	ctx, path := fake.NewContext(context.Background()), filepath.Join(t.TempDir(), "out")
	quick := connect(t, ctx, map[string]any{"path": path, "interval": "5ms"})
	if err := quick.Collect(ctx, row{"a": 1}); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); content(t, path) != "{\"a\":1}\n"; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("found %q", content(t, path))
		}
	}

	parent, cancel := context.WithCancel(context.Background())
	done := fake.NewContext(parent)
	slow := connect(t, done, map[string]any{"path": path + "2", "interval": 3600000})
	if err := slow.CollectList(done, rows{{"a": 1}, {"a": 2}}); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path+"2"); got != "" {
		t.Errorf("did not wait: %q", got)
	}
	cancel()
	for range 2 {
		if err := slow.Close(done); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := content(t, path+"2"), "{\"a\":1}\n{\"a\":2}\n"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
}

// More rows than may wait do not wait.
func TestWaitingBounded(t *testing.T) {
	ctx, path := fake.NewContext(context.Background()), filepath.Join(t.TempDir(), "out")
	s := connect(t, ctx, map[string]any{"path": path, "interval": 3600000}).(*sink)
	for range 5 {
		if err := s.Collect(ctx, row{"a": strings.Repeat("x", maxWaiting/2)}); err != nil {
			t.Fatal(err)
		}
		if len(s.waiting) > maxWaiting {
			t.Errorf("%d bytes wait", len(s.waiting))
		}
	}
}

// The file that is at the path counts, not the one that was; and a line that has no end gets one.
func TestOthersTouchTheFile(t *testing.T) {
	ctx, path := fake.NewContext(context.Background()), filepath.Join(t.TempDir(), "out")
	s := connect(t, ctx, map[string]any{"path": path})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.Collect(ctx, row{"a": 1}); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != "{\"a\":1}\n" {
		t.Errorf("found %q", got)
	}
	if err := os.Rename(path, path+".mine"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(`{"torn":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Collect(ctx, row{"a": 2}); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, path), "{\"torn\":\n{\"a\":2}\n"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
}

// A write that fails half way leaves whole lines, and the error says how many rows are in.
func TestDiskFull(t *testing.T) {
	if !alone(t) {
		return
	}
	ctx, path := fake.NewContext(context.Background()), filepath.Join(t.TempDir(), "out")
	now := connect(t, ctx, map[string]any{"path": path, "rollingSize": 24, "rollingCount": 5})
	later := connect(t, ctx, map[string]any{"path": path + "2", "interval": 3600000})
	if err := later.CollectList(ctx, rows{{"a": 1}, {"a": 2}, {"a": 3}}); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 100)
	var err, lost error
	limitFiles(t, 20, func() { // bytes that a file of this process may have
		err = now.CollectList(ctx, rows{{"a": 1}, {"a": 2}, {"a": long}})
		lost = later.Close(ctx)
	})
	if want := "sinks/file: write " + path + ": file too large: 2 of 3 rows written"; err == nil || err.Error() != want || !errors.Is(err, syscall.EFBIG) {
		t.Errorf("found %v, want %s", err, want)
	}
	if got := content(t, path) + content(t, path+".1"); got != "{\"a\":1}\n{\"a\":2}\n" {
		t.Errorf("found %q", got)
	}
	if want := "sinks/file: write " + path + "2: file too large: 3 rows lost"; lost == nil || lost.Error() != want {
		t.Errorf("found %v, want %s", lost, want)
	}
	if got := content(t, path+"2"); got != "" {
		t.Errorf("found %q", got)
	}
	if err := now.Collect(ctx, row{"a": 3}); err != nil || content(t, path) != "{\"a\":3}\n" {
		t.Errorf("afterwards: %q, %v", content(t, path), err)
	}
}

// A background write that fails is logged, and what it was to write goes on waiting.
func TestTickFails(t *testing.T) {
	if !alone(t) {
		return
	}
	ctx, path := fake.NewContext(context.Background()), filepath.Join(t.TempDir(), "out")
	s := connect(t, ctx, map[string]any{"path": path, "interval": 3600000}).(*sink)
	if err := s.Collect(ctx, row{"a": 1}); err != nil {
		t.Fatal(err)
	}
	limitFiles(t, 3, func() { s.tick(ctx) })
	want := []string{"error: sinks/file: write " + path + ": file too large: tried again at the next interval"}
	if got := ctx.Log(); !reflect.DeepEqual(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
	s.tick(ctx)
	if got := content(t, path); got != "{\"a\":1}\n" {
		t.Errorf("found %q", got)
	}
}

func TestBusy(t *testing.T) {
	parent, cancel := context.WithCancel(context.Background())
	ctx, path := fake.NewContext(parent), filepath.Join(t.TempDir(), "out")
	s := connect(t, fake.NewContext(context.Background()), map[string]any{"path": path})
	defer hold(t, path)()
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := s.Collect(ctx, row{}); !errors.Is(err, errBusy) || !errors.Is(err, context.Canceled) {
		t.Errorf("found %v", err)
	}
}

// Close waits for its turn even if the rule's context is done.
func TestBusyAtClose(t *testing.T) {
	parent, cancel := context.WithCancel(context.Background())
	ctx, path := fake.NewContext(parent), filepath.Join(t.TempDir(), "out")
	s := connect(t, ctx, map[string]any{"path": path, "interval": 3600000})
	if err := s.Collect(ctx, row{}); err != nil {
		t.Fatal(err)
	}
	cancel()
	time.AfterFunc(20*time.Millisecond, hold(t, path))
	if err := s.Close(ctx); err != nil || content(t, path) != "{}\n" {
		t.Errorf("found %q, %v", content(t, path), err)
	}
}

// A row that is no JSON is refused with its whole list.
func TestNoJSON(t *testing.T) {
	ctx, path := fake.NewContext(context.Background()), filepath.Join(t.TempDir(), "out")
	s := connect(t, ctx, map[string]any{"path": path})
	err := s.CollectList(ctx, rows{{"a": 1}, {"a": math.NaN()}})
	if want := "sinks/file: row 2 of 2: json: unsupported value: NaN"; err == nil || err.Error() != want {
		t.Errorf("found %v, want %s", err, want)
	}
	if got := content(t, path); got != "" {
		t.Errorf("found %q", got)
	}
}

func TestNotConnected(t *testing.T) {
	ctx, s := fake.NewContext(context.Background()), File().(api.TupleCollector)
	if err := s.Collect(ctx, row{}); !errors.Is(err, errNotConnected) {
		t.Errorf("before Connect: %v", err)
	}
	s = connect(t, ctx, map[string]any{"path": filepath.Join(t.TempDir(), "out")})
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Collect(ctx, row{}); !errors.Is(err, errNotConnected) {
		t.Errorf("after Close: %v", err)
	}
}

func TestConnectRefuses(t *testing.T) {
	ctx, dir := fake.NewContext(context.Background()), t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                       "open " + dir + ": not a regular file",
		pipe:                      "open " + pipe + ": not a regular file",
		filepath.Join(dir, "a/b"): "open " + dir + "/a/b: no such file or directory",
	} {
		s := File()
		if err := s.Provision(ctx, map[string]any{"path": path}); err != nil {
			t.Fatal(err)
		}
		var status []string
		err := s.Connect(ctx, func(is, why string) { status = append(status, is+" "+why) })
		if err == nil || err.Error() != "sinks/file: "+want {
			t.Errorf("found %v, want %s", err, want)
		}
		if want := []string{"connecting ", "disconnected sinks/file: " + want}; !reflect.DeepEqual(status, want) {
			t.Errorf("status %q, want %q", status, want)
		}
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}
