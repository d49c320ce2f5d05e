package child_test

import (
	"bytes"
	"crypto/rand"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vanth-io/vanth/portable/internal/child"
)

// When Done is closed the output is complete.
func TestOutputOfTheDead(t *testing.T) {
	each(t, func(t *testing.T, s *child.Spawner) {
		t.Run("partial line", func(t *testing.T) {
			for range 20 {
				p, log := shell(t, s, "echo whole; printf part >&2")
				ended(t, p)
				if got := log.Tail(9); !slices.Equal(got, []string{"whole", "part"}) {
					t.Fatalf("%q", got)
				}
			}
		})
		t.Run("lossless", func(t *testing.T) {
			const lines = 200_000
			var out bytes.Buffer
			p, _ := run(t, s, child.Spec{Path: "/usr/bin/seq", Args: []string{strconv.Itoa(lines)}, Output: &out})
			ended(t, p)
			if got := bytes.Count(out.Bytes(), []byte("\n")); got != lines || !bytes.HasSuffix(out.Bytes(), []byte("\n200000\n")) {
				t.Errorf("%d lines", got)
			}
		})
		t.Run("held pipe", func(t *testing.T) {
			// On LevelProcess nothing tells this one when its parent has gone.
			m := rand.Text()
			defer slaughter(t, m)
			p, log := shell(t, s, "(env -i "+mark+"="+m+" /usr/bin/setsid /bin/sleep 1012 &) ; sleep 0.05; echo last")
			ended(t, p)
			if got := log.Tail(9); !slices.Equal(got, []string{"last"}) {
				t.Errorf("%q", got)
			}
			if left := alive(t, m); (len(left) > 0) != (s.Level() == child.LevelProcess) {
				t.Errorf("alive: %v", left)
			}
		})
		t.Run("flood", func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			log, err := child.OpenLog(filepath.Join(t.TempDir(), "log"), child.LogOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			p, _ := self(t, s, "flood", child.Spec{Output: log})
			time.Sleep(200 * time.Millisecond)
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
				t.Errorf("%d bytes for a flood", grown)
			}
			p.Kill()
			ended(t, p)
			if got := log.Tail(2); len(got) != 2 || got[0] != "0123456789abcde" {
				t.Errorf("%q", got)
			}
		})
	})
}
