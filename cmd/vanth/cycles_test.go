//go:build linux

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestCyclesLeaveNothing installs and deletes over and over: descriptors, threads
// and files are in the end what they were, and memory does not grow by the cycle.
// The code of native plugins stays mapped: Go cannot unload it. VANTH_CYCLES is
// how many cycles of each.
func TestCyclesLeaveNothing(t *testing.T) {
	t.Run("wasm", func(t *testing.T) {
		cycles(t, func() *process { return startServe(t, t.TempDir()) }, "wasm", number("VANTH_CYCLES", 1000), versioned)
	})
	t.Run("portable", func(t *testing.T) {
		cycles(t, func() *process { return startServe(t, t.TempDir()) }, "portables", number("VANTH_CYCLES", 100), versionedProgram)
	})
	t.Run("native", func(t *testing.T) {
		nativeBinary(t)
		same := versionedSo(t, "alfa", 1)
		start := func() *process {
			p, _ := startNative(t, t.TempDir())
			return p
		}
		cycles(t, start, "functions", number("VANTH_CYCLES", 100), func(testing.TB, string, int) []byte { return same })
	})
}

// number is what a variable of the environment says, or n.
func number(variable string, n int) int {
	if m, err := strconv.Atoi(os.Getenv(variable)); err == nil && m > 0 {
		return m
	}
	return n
}

func cycles(t *testing.T, start func() *process, class string, n int, body func(testing.TB, string, int) []byte) {
	cycle := func(c *peer, i int) {
		if status, text, err := c.do("POST", "/plugins/"+class+"?name=alfa", body(t, "alfa", i)); err != nil || status != http.StatusCreated {
			t.Fatal(status, text, err)
		}
		if got, err := c.call("alfa"); err != nil || got == 0 {
			t.Fatal(got, err)
		}
		if status, text, err := c.do("DELETE", "/plugins/"+class+"/alfa", nil); err != nil || status != http.StatusOK {
			t.Fatal(status, text, err)
		}
	}
	young, p := start(), start()
	c, other := newPeer(p.address), newPeer(young.address)
	defer c.close()
	defer other.close()
	cycle(other, 1)
	for i := range n / 5 { // what grows once may grow
		cycle(c, i+1)
	}
	before := footprint(t, p)
	for i := range n {
		cycle(c, i+1)
	}
	after := footprint(t, p)
	t.Logf("before %+v, after %+v", before, after)
	if after.fds > before.fds+2 || after.threads > before.threads+4 {
		t.Errorf("descriptors or threads are left: %+v became %+v", before, after)
	}
	if grown := after.rss - before.rss; grown > 8<<10+n*4 {
		t.Errorf("%d KiB more resident after %d cycles", grown, n)
	}
	if after.files > before.files {
		t.Errorf("files are left: %+v became %+v", before, after)
	}
	few, many := goroutines(t, young), goroutines(t, p)
	t.Logf("%d goroutines after 1 cycle, %d after %d", few, many, n+n/5)
	if few == 0 || many > few+4 {
		t.Errorf("goroutines are left: %d became %d\n%s", few, many, p.log)
	}
}

// goroutines ends a host, which tells all that it has then.
func goroutines(t *testing.T, p *process) int {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	p.wait(t)
	return strings.Count(p.log.String(), "\ngoroutine ")
}

// use is what a host holds: memory in KiB, in all, of its own (anonymous), and
// of the code and data of plugins; files that it wrote.
type use struct{ fds, threads, rss, own, plugins, files int }

func footprint(t *testing.T, p *process) (u use) {
	t.Helper()
	pid := fmt.Sprint(p.cmd.Process.Pid)
	fds, err := os.ReadDir("/proc/" + pid + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	u.fds = len(fds)
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		fmt.Sscanf(line, "Threads: %d", &u.threads)
		fmt.Sscanf(line, "VmRSS: %d", &u.rss)
	}
	u.own, u.plugins = resident(t, pid)
	home := p.cmd.Args[3]
	for _, pattern := range []string{"data/tmp/*", "data/bundles/*/*", "data/native/*/*", "etc/*/*"} {
		found, _ := filepath.Glob(filepath.Join(home, pattern))
		u.files += len(found)
	}
	return u
}

// resident tells what is resident of no file, and of .so files that Go opened.
func resident(t *testing.T, pid string) (own, plugins int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/" + pid + "/smaps")
	if err != nil {
		t.Fatal(err)
	}
	var file string
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); len(f) >= 5 && strings.Contains(f[0], "-") {
			file = strings.Join(f[5:], " ")
			continue
		}
		var n int
		if _, err := fmt.Sscanf(line, "Rss: %d", &n); err != nil {
			continue
		}
		switch {
		case strings.Contains(file, "/native/open/"):
			plugins += n
		case file == "" || strings.HasPrefix(file, "["):
			own += n
		}
	}
	return own, plugins
}
