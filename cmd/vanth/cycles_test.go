//go:build linux

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCyclesLeaveNothing installs and deletes over and over: descriptors, threads
// and files are in the end what they were, and memory does not grow by the cycle.
// The code of native plugins stays mapped: Go cannot unload it.
func TestCyclesLeaveNothing(t *testing.T) {
	t.Run("wasm", func(t *testing.T) {
		cycles(t, startServe(t, t.TempDir()), "wasm", 1000, versioned)
	})
	t.Run("native", func(t *testing.T) {
		nativeBinary(t)
		p, _ := startNative(t, t.TempDir())
		same := versionedSo(t, "alfa", 1)
		cycles(t, p, "functions", 100, func(testing.TB, string, int) []byte { return same })
	})
}

func cycles(t *testing.T, p *process, class string, n int, body func(testing.TB, string, int) []byte) {
	c := newPeer(p.address)
	defer c.close()
	cycle := func(i int) {
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
	for i := range n / 5 { // what grows once may grow
		cycle(i + 1)
	}
	before := footprint(t, p)
	for i := range n {
		cycle(i + 1)
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
}

type use struct{ fds, threads, rss, files int }

// footprint is what a host holds: memory in KiB, files below its bundles and
// temporary folder.
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
	home := p.cmd.Args[3]
	for _, pattern := range []string{"data/tmp/*", "data/bundles/*/*", "etc/*/*"} {
		found, _ := filepath.Glob(filepath.Join(home, pattern))
		u.files += len(found)
	}
	return u
}
