package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// smallMemory is what a host must do with, all of it, with one processor.
const smallMemory = 64 << 20

// TestSmallMachine runs a host with 64 MiB of memory and one processor: it installs a
// plugin, calls it 100,000 times, and updates it meanwhile. Nothing fails, and neither
// the host nor anything it starts comes near the end that the kernel would make of it.
func TestSmallMachine(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "--home", t.TempDir(), "--listen", "127.0.0.1:0"}
	var p *process
	g, err := newGroup(t, smallMemory, 1)
	if err == nil {
		p = g.start(t, path, args...)
	} else {
		taskset, e := exec.LookPath("taskset")
		if e != nil {
			t.Skipf("small machine: no control group can be made (%v), and there is no taskset", err)
		}
		t.Logf("small machine: no control group can be made (%v): one processor by taskset, memory is only watched", err)
		g = nil
		t.Setenv("GOMEMLIMIT", strconv.Itoa(smallMemory/2))
		p = launchBinary(t, taskset, append([]string{"-c", firstProcessor(t), path}, args...)...)
	}
	p.address = p.log.address(t, p.ended)
	if g != nil && !strings.Contains(p.log.String(), "to=64.0MiB heap=32.0MiB wasm.compileMiB=32") {
		t.Errorf("the limit of the group was not seen:\n%s", p.log)
	}

	const total = 100_000
	began := time.Now()
	busy(t, p, total)
	took := time.Since(began)
	tooLarge(t, p)

	most := memoryOf(t, p.cmd.Process.Pid, "status", "VmHWM")
	if most > smallMemory {
		t.Errorf("the host had %d bytes resident, at most %d are expected", most, smallMemory)
	}
	t.Logf("calls took %v; the host had %d KiB resident at most", took.Round(time.Millisecond), most>>10)
	if g == nil {
		return
	}
	if n := g.killed(t); n != 0 {
		t.Errorf("the kernel killed %d processes of the group", n)
	}
	t.Logf("the group, with what the kernel caches for it, had %d KiB at most", g.peak()>>10)
}

// busy calls a plugin at least so many times, in batches of two callers, and for as
// long as it takes to update it ten times.
func busy(t *testing.T, p *process, calls int) {
	t.Helper()
	const rows, callers, updates = 1000, 2, 10
	c := newPeer(p.address)
	defer c.close()
	if status, body, err := c.do("POST", "/plugins/wasm?name=busy", versioned(t, "busy", 1)); err != nil || status != http.StatusCreated {
		t.Fatal(status, body, err)
	}
	var known, sent, done atomic.Int64 // versions that were answered and sent; calls
	known.Store(1)
	sent.Store(1)
	var load sync.WaitGroup
	for range callers {
		load.Go(func() {
			c := newPeer(p.address)
			defer c.close()
			for !t.Failed() && (done.Load() < int64(calls) || known.Load() <= updates) {
				if err := batch(c, rows, known.Load(), &sent); err != nil {
					t.Error(err)
				}
				done.Add(rows)
			}
		})
	}
	for n := int64(2); n <= updates+1 && !t.Failed(); n++ {
		sent.Store(n)
		if status, body, err := c.do("PUT", "/plugins/wasm/busy", versioned(t, "busy", int(n))); err != nil || status != http.StatusOK {
			t.Errorf("update %d: %d %s %v", n, status, body, err)
		}
		known.Store(n)
	}
	load.Wait()
	t.Logf("%d calls during %d updates, and after", done.Load(), updates)
}

// batch calls the plugin for so many rows. Each answer is a version that was the
// plugin's between now, when from is, and the end.
func batch(c *peer, rows int, from int64, sent *atomic.Int64) error {
	status, answer, err := c.do("POST", "/functions/busy/batch", bytes.Repeat([]byte("[]\n"), rows))
	lines := strings.Fields(answer)
	if err != nil || status != http.StatusOK || len(lines) != rows {
		return fmt.Errorf("batch: %d, %d answers, expected %d: %v", status, len(lines), rows, err)
	}
	to := sent.Load()
	for _, l := range lines {
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(l, `{"result":`), "}"), 10, 64)
		if err != nil || n < from || n > to {
			return fmt.Errorf("found the answer %s, expected one of versions %d to %d", l, from, to)
		}
	}
	return nil
}

// tooLarge installs a plugin that is too large for the machine to compile, where the
// samples are built. It is refused, with what to do, and the host serves on.
func tooLarge(t *testing.T, p *process) {
	t.Helper()
	archive, err := os.ReadFile(filepath.Join("..", "..", "build", "plugins", "geo.zip"))
	if err != nil {
		t.Log("no build/plugins/geo.zip: nothing is tried that is too large (make plugins)")
		return
	}
	c := newPeer(p.address)
	defer c.close()
	status, body, err := c.do("POST", "/plugins/wasm?name=geo", archive)
	if err != nil || status != http.StatusCreated && !strings.Contains(body, "wasm.compileMiB") {
		t.Errorf("a plugin that is too large: %d %s %v", status, body, err)
	}
	t.Logf("a plugin in standard Go: %d %s", status, strings.TrimSpace(body))
	if got, err := c.call("busy"); err != nil || got == 0 {
		t.Errorf("after that: %d, %v\n%s", got, err, p.log)
	}
}

// firstProcessor is the number of one that this process may use.
func firstProcessor(t *testing.T) string {
	t.Helper()
	first := ""
	_ = eachLine(os.DirFS("/"), "proc/self/status", func(line string) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			first = strings.TrimSpace(list)
		}
	})
	if i := strings.IndexAny(first, ",-"); i > 0 {
		first = first[:i]
	}
	if first == "" {
		t.Fatal("/proc/self/status does not say which processors there are")
	}
	return first
}

// TestProcessorsOfGroup: Go itself takes as many processors as the group may use, 2 at
// least, and as many as it may run on.
func TestProcessorsOfGroup(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGroup(t, 1<<30, 1.5)
	if err != nil {
		t.Skipf("processors of a control group: none can be made: %v", err)
	}
	seen := func(prefix ...string) string {
		args := append(prefix, path, "serve", "--home", t.TempDir(), "--listen", "127.0.0.1:0")
		p := g.start(t, args[0], args[1:]...)
		p.log.address(t, p.ended)
		_, n, _ := strings.Cut(p.log.String(), " processors=")
		n, _, _ = strings.Cut(n, "\n")
		return n
	}
	if taskset, err := exec.LookPath("taskset"); err != nil {
		t.Log("processors that a process may run on: there is no taskset")
	} else if n := seen(taskset, "-c", firstProcessor(t)); n != "1" {
		t.Errorf("a host on one processor takes %q, want 1", n)
	}
	if n := seen(); n != "2" {
		t.Errorf("a host with a quota of 1.5 processors takes %q, want 2", n)
	}
	if runtime.NumCPU() < 3 {
		t.Skipf("processors of a control group: with %d there is nothing to take away, since Go takes 2 at least", runtime.NumCPU())
	}
}

// TestMemoryLimitIsTheOperators: GOMEMLIMIT outweighs the group.
func TestMemoryLimitIsTheOperators(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGroup(t, smallMemory, 1)
	if err != nil {
		t.Skipf("memory of a control group: none can be made: %v", err)
	}
	t.Setenv("GOMEMLIMIT", "20MiB")
	p := g.start(t, path, "serve", "--home", t.TempDir(), "--listen", "127.0.0.1:0")
	p.log.address(t, p.ended)
	if !strings.Contains(p.log.String(), "to=64.0MiB heap=20MiB ") {
		t.Errorf("the log does not say so:\n%s", p.log)
	}
}
