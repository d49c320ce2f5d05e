package builtin

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMachineRates has a /proc of its own, so that the rates are known.
func TestMachineRates(t *testing.T) {
	proc := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(proc, name)
		os.MkdirAll(filepath.Dir(path), 0o700)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 50 0 50 400 0 0 0 0\ncpu1 50 0 50 300 100 0 0 0\nintr 5\n")
	put("loadavg", "0.50 1.25 2.00 1/200 77\n")
	put("uptime", "12.5 20.0\n")
	put("meminfo", "MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 250 kB\nSwapTotal: 8 kB\nSwapFree: 4 kB\n")
	put("diskstats", " 8 0 sda 10 0 100 0 20 0 200 0 0 0 0\n 7 0 loop0 1 0 1 0 1 0 1 0 0 0 0\n")
	put("net/dev", "Inter-|\n face |\n  eth0: 1000 1 1 2 0 0 0 0 500 1 3 4 0 0 0 0\n")
	m := New(Options{Home: "/"})
	l := newLife(m, "source host", nil)
	defer l.end()
	s := &machine{life: l, proc: proc, interval: time.Millisecond}
	before, err := s.read()
	if err != nil {
		t.Fatal(err)
	}
	put("stat", "cpu  130 0 120 750 100 0 0 0 0 0\ncpu0 100 0 50 400 0 0 0 0\ncpu1 50 0 50 350 100 0 0 0\n")
	put("diskstats", " 8 0 sda 10 0 104 0 20 0 208 0 0 0 0\n")
	put("net/dev", "  eth0:3000 1 1 2 0 0 0 0 100 1 3 4 0 0 0 0\n")
	now, err := s.read()
	if err != nil {
		t.Fatal(err)
	}
	now.at = before.at.Add(2 * time.Second)
	row := now.since(before)
	delete(row, "storage")
	delete(row, "hostname")
	want := map[string]any{
		"cpu":    map[string]any{"percent": 50.0, "cores": []any{100.0, 0.0}},
		"load":   map[string]any{"one": 0.5, "five": 1.25, "fifteen": 2.0},
		"uptime": 12.5,
		"memory": map[string]any{
			"total": int64(1024000), "available": int64(256000), "used": int64(768000), "usedPercent": 75.0,
			"swapTotal": int64(8192), "swapFree": int64(4096),
		},
		"disks": map[string]any{"sda": map[string]any{
			"readBytes": int64(104 * 512), "writtenBytes": int64(208 * 512), "readPerSecond": 1024.0, "writtenPerSecond": 2048.0,
		}},
		// What was sent counts anew: that is no negative rate.
		"networks": map[string]any{"eth0": map[string]any{
			"receivedBytes": int64(3000), "sentBytes": int64(100), "errors": int64(4), "dropped": int64(6),
			"receivedPerSecond": 1000.0, "sentPerSecond": 0.0,
		}},
	}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Error(diff)
	}
}

// TestMachine reads the real one.
func TestMachine(t *testing.T) {
	m := New(Options{Home: t.TempDir()})
	defer m.Close(context.Background())
	s, err := m.Source("host", nil, map[string]any{"interval": 20})
	if err == nil {
		err = s.Open(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		x, err := s.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		row := x.Value.(map[string]any)
		p := row["cpu"].(map[string]any)["percent"].(float64)
		total := row["memory"].(map[string]any)["total"].(int64)
		if p < 0 || p > 100 || total < 1<<20 || row["storage"] == nil || len(row["cpu"].(map[string]any)["cores"].([]any)) == 0 {
			t.Errorf("found %v", row)
		}
	}
}
