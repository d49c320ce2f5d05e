package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFootprint prints what a host takes with some plugins: memory, processor time
// while nothing is asked of it, and how long it takes from the start of the process to
// the first answer of the plugin that was installed last. It is on demand: make
// footprint.
func TestFootprint(t *testing.T) {
	if os.Getenv("VANTH_FOOTPRINT") == "" {
		t.Skip("footprints are printed by: make footprint")
	}
	const idle = 10 * time.Second
	var rows []*footed
	for _, n := range []int{0, 1, 10, 100} {
		rows = append(rows, &footed{what: "small", plugins: n, body: func(i int) (string, string, []byte) {
			name := fmt.Sprintf("s%03d", i)
			return name, name, versioned(t, name, i+1)
		}})
	}
	if sample := sampleWordcount(t); sample != nil {
		for _, n := range []int{1, 10} {
			rows = append(rows, &footed{what: "standard Go", plugins: n, body: sample})
		}
	} else {
		t.Log("no build/plugins/wordcount.zip: nothing is said of plugins in standard Go (make guests)")
	}
	for _, f := range rows {
		f.measureStarts(t)
	}
	// All have nothing to do at the same time; they settle first.
	time.Sleep(2 * settled)
	for _, f := range rows {
		f.before = usageOf(t, f.host.cmd.Process.Pid)
	}
	time.Sleep(idle)
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %7s | %9s %9s %9s | %8s %8s %8s | %8s %8s\n", "plugins", "", "ms, warm", "median", "no cache", "RSS KiB", "own KiB", "PSS KiB", "idle ms", "wakeups")
	for _, f := range rows {
		pid := f.host.cmd.Process.Pid
		used := usageOf(t, pid)
		fmt.Fprintf(&b, "%-12s %7d | %9.1f %9.1f %9.1f | %8d %8d %8d | %8.2f %8d\n", f.what, f.plugins,
			inMs(slices.Min(f.warm)), inMs(f.warm[len(f.warm)/2]), inMs(f.cold),
			memoryOf(t, pid, "status", "VmRSS")>>10, memoryOf(t, pid, "status", "RssAnon")>>10, memoryOf(t, pid, "smaps_rollup", "Pss")>>10,
			inMs(used.time-f.before.time), used.switches-f.before.switches)
	}
	fmt.Printf("From exec to the first answer; memory and idle: what %v without requests take, %v after the start.\n%s", idle, 2*settled, b.String())
}

func inMs(d time.Duration) float64 { return float64(d) / 1e6 }

// footed is one row of it.
type footed struct {
	what    string
	plugins int
	body    func(i int) (name, function string, archive []byte)

	home   string
	last   string // the function that is called
	warm   []time.Duration
	cold   time.Duration
	host   *process
	before usage
}

// measureStarts installs the plugins, starts the host with and without its cache of
// compiled code, and leaves it running.
func (f *footed) measureStarts(t *testing.T) {
	f.home = t.TempDir()
	f.host = startServe(t, f.home)
	c := newPeer(f.host.address)
	defer c.close()
	for i := range f.plugins {
		name, function, archive := f.body(i)
		if status, body, err := c.do("POST", "/plugins/wasm?name="+name, archive); err != nil || status != http.StatusCreated {
			t.Fatalf("plugin %d: %d %s %v", i, status, body, err)
		}
		f.last = function
	}
	f.stop(t)
	if err := os.RemoveAll(filepath.Join(f.home, "data", "cache")); err != nil {
		t.Fatal(err)
	}
	f.cold = f.start(t)
	for range 5 {
		f.stop(t)
		f.warm = append(f.warm, f.start(t))
	}
	slices.Sort(f.warm)
}

func (f *footed) stop(t *testing.T) {
	_ = f.host.cmd.Process.Signal(os.Interrupt)
	if code := f.host.wait(t); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, f.host.log)
	}
}

// start starts the host and has it answer.
func (f *footed) start(t *testing.T) time.Duration {
	began := time.Now()
	f.host = startServe(t, f.home)
	c := newPeer(f.host.address)
	defer c.close()
	path, body := "/ping", []byte(nil)
	method := "GET"
	if f.last != "" {
		method, path, body = "POST", "/functions/"+f.last+"/call", []byte(`{"args":[]}`)
		if f.what != "small" {
			body = []byte(`{"args":["a b",""]}`)
		}
	}
	status, answer, err := c.do(method, path, body)
	took := time.Since(began)
	if err != nil || status != http.StatusOK {
		t.Fatalf("the first call: %d %s %v", status, answer, err)
	}
	return took
}

// usage is what the threads of a process have used.
type usage struct {
	time     time.Duration // of a processor
	switches int64         // how often a thread went to sleep
}

// usageOf reads it to the nanosecond. Threads that ended meanwhile are not counted; Go
// ends none.
func usageOf(t *testing.T, pid int) (u usage) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	root := os.DirFS("/")
	for _, dir := range tasks {
		b, err := os.ReadFile(dir + "/schedstat")
		if err != nil {
			t.Fatal(err)
		}
		on, _, _ := strings.Cut(string(b), " ")
		ns, err := strconv.ParseInt(on, 10, 64)
		if err != nil {
			t.Fatalf("%s/schedstat: %v", dir, err)
		}
		u.time += time.Duration(ns)
		_ = eachLine(root, strings.TrimPrefix(dir, "/")+"/status", func(line string) {
			if n, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				slept, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
				u.switches += slept
			}
		})
	}
	return u
}

// sampleWordcount makes plugins of the sample in standard Go, each with a function of
// another name, nil where it is not built.
func sampleWordcount(t *testing.T) func(i int) (name, function string, archive []byte) {
	z, err := zip.OpenReader(filepath.Join("..", "..", "build", "plugins", "wordcount.zip"))
	if err != nil {
		return nil
	}
	t.Cleanup(func() { _ = z.Close() })
	content := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if content[filepath.Ext(f.Name)], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
	}
	const was = "accumulateWordCount"
	return func(i int) (string, string, []byte) {
		name, function := fmt.Sprintf("g%03d", i), fmt.Sprintf("accumulateWordC%04d", i)
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for ext, text := range content {
			text = bytes.ReplaceAll(text, []byte(was), []byte(function))
			text = bytes.Replace(text, []byte(`"wordcount"`), []byte(strconv.Quote(name)), 1)
			w, err := z.Create(name + ext)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(text); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return name, function, b.Bytes()
	}
}

// TestIdle: a host with a plugin that nobody calls uses no processor. Three things wake
// it each second: the checkpoint of state (limits.stateCheckpoint), the clock of the
// HTTP server, and Go, which looks how many processors it may use. Each takes some
// microseconds, and a thread or two to be woken.
func TestIdle(t *testing.T) {
	p := startServe(t, t.TempDir())
	c := newPeer(p.address)
	if status, body, err := c.do("POST", "/plugins/wasm?name=idle", versioned(t, "idle", 1)); err != nil || status != http.StatusCreated {
		t.Fatal(status, body, err)
	}
	if n, err := c.call("idle"); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	c.close()
	time.Sleep(settled + 500*time.Millisecond)
	const window = 3 * time.Second
	before := usageOf(t, p.cmd.Process.Pid)
	time.Sleep(window)
	after := usageOf(t, p.cmd.Process.Pid)
	used, woken := after.time-before.time, after.switches-before.switches
	t.Logf("in %v it used %v of a processor and was woken %d times", window, used, woken)
	if used > window/100 || woken > 100 {
		t.Errorf("in %v it used %v of a processor and was woken %d times, expected next to nothing", window, used, woken)
	}
}
