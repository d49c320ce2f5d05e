//go:build unix

package vanth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// bothWires runs f over the socket, over a ring, and over one so small that each frame wraps.
func bothWires(t *testing.T, f func(t *testing.T, h *host)) {
	for name, size := range map[string]int{"socket": 0, "ring": 64 << 10, "small ring": 64} {
		t.Run(name, func(t *testing.T) { f(t, connect(t, size)) })
	}
}

func TestLaneHello(t *testing.T) {
	h := connect(t, 0)
	if h.hello["lane"] != int64(1) || h.hello["name"] != "tested" || h.hello["sdk"] == "" {
		t.Errorf("%v", h.hello)
	}
	for kind, want := range map[string]string{"functions": "add", "sources": "numbers", "sinks": "lines", "aggregate": "group"} {
		if !strings.Contains(fmt.Sprint(h.hello[kind]), want) {
			t.Errorf("%s: %v", kind, h.hello[kind])
		}
	}
	if got := fmt.Sprint(h.hello["aggregate"]); got != "[count group]" {
		t.Errorf("aggregate: %s", got)
	}
}

// However the host goes, what is open is closed and the status is 0.
func TestLaneEnds(t *testing.T) {
	for name, end := range map[string]func(h *host){
		"bye":    func(h *host) { h.send(head{op: opBye}, none) },
		"hangup": func(h *host) { h.hangUp() },
		"term":   func(h *host) { _ = h.Process.Signal(syscall.SIGTERM) },
		"int":    func(h *host) { _ = h.Process.Signal(syscall.SIGINT) },
		"busy": func(h *host) {
			h.send(head{op: opCall, symbol: h.index("functions", "sleep"), id: h.id()}, []any{60_000})
			h.hangUp()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bothWires(t, func(t *testing.T, h *host) {
				path := filepath.Join(t.TempDir(), "out")
				s, err := h.open(opOpenSink, "sinks", "lines", map[string]any{"config": map[string]any{"path": path}})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := h.request(head{op: opWrite, context: s}, []any{"x", nil, nil}); err != nil {
					t.Fatal(err)
				}
				end(h)
				if got := h.status(t); got != 0 {
					t.Errorf("status %d", got)
				}
				if b, _ := os.ReadFile(path); string(b) != "\"x\"\nclosed\n" {
					t.Errorf("%q", b)
				}
			})
		})
	}
}
