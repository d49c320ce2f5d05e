package portable_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// TestSinkStalled: a plugin that does not read for a while. Writes end in time,
// and what they took arrives, in order.
func TestSinkStalled(t *testing.T) {
	each(t, []string{"go", "ring"}, func(t *testing.T, sdk string) {
		o := testOptions(t)
		o.RecvTimeout = time.Second
		o.SendTimeout = 300 * time.Millisecond
		p := load(t, newRuntime(t, o), newRole(sdk))
		s := p.openSink(t, host.Props{"file": "out", "ack": "ok", "requireAck": true})
		pid := p.pid(t)
		halt(t, pid)
		pad := strings.Repeat("x", 64<<10)
		var taken []int
		refused := 0
		for n := 0; refused == 0 && n < 300; n++ {
			begun := time.Now()
			err := write(s, map[string]any{"n": n, "pad": pad})
			if took := time.Since(begun); took > time.Second {
				t.Errorf("write %d took %v", n, took)
			}
			if err == nil {
				taken = append(taken, n)
			} else {
				refused++
			}
		}
		if refused == 0 && p.status().Restarts == 0 {
			t.Error("a plugin that does not read takes everything")
		}
		_ = syscall.Kill(pid, syscall.SIGCONT)
		if err := flush(s); err != nil {
			t.Errorf("flush: %v", err)
		}
		_ = write(s, map[string]any{"n": 1000})
		must(t, flush(s))
		lines := notes(p.dir, "out")
		missing, _ := lost(lines, 300)
		for _, n := range taken {
			for _, m := range missing {
				if m == n {
					t.Errorf("message %d was taken, and is lost", n)
				}
			}
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, "1000") {
			t.Errorf("the last is %.40s", last)
		}
	})
}

// TestSinkUnencodable: a message without a form takes no place in the window.
func TestSinkUnencodable(t *testing.T) {
	each(t, allSDKs, func(t *testing.T, sdk string) {
		p := start(t, sdk)
		s := p.openSink(t, host.Props{"file": "out", "ack": "ok", "requireAck": true})
		for range 600 {
			if err := write(s, map[string]any{"f": func() {}}); !errors.Is(err, host.ErrInvalid) {
				t.Fatalf("a value without a form: %v", err)
			}
		}
		must(t, write(s, map[string]any{"n": 1}))
		quick(t, "flush", func() error { return flush(s) })
	})
}
