package child_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/portable/internal/child"
)

// census counts what must not grow.
func census(t *testing.T) map[string]int {
	t.Helper()
	count := func(glob string) int {
		all, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	c := map[string]int{
		"fds": count("/proc/self/fd/*"), "goroutines": runtime.NumGoroutine(),
		"mounts": strings.Count(mounts(t), "\n"),
	}
	tasks, _ := filepath.Glob("/proc/self/task/*")
	for _, task := range tasks {
		b, _ := os.ReadFile(task + "/mountinfo")
		c["mounts of threads"] = max(c["mounts of threads"], bytes.Count(b, []byte("\n")))
		b, _ = os.ReadFile(task + "/children")
		c["children"] += len(strings.Fields(string(b)))
	}
	return c
}

// settle gives goroutines that have done their work the time to end.
func settle(t *testing.T, want int) {
	for end := time.Now().Add(time.Second); runtime.NumGoroutine() > want && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func TestCycles(t *testing.T) {
	each(t, func(t *testing.T, s *child.Spawner) {
		cycles := 1000
		if testing.Short() || s.Level() != child.LevelNamespaces {
			cycles = 200
		}
		spec := child.Spec{Path: "/bin/sleep", Args: []string{"1012"}, Output: io.Discard}
		if s.Level().PrivateTmp() {
			spec.Tmp = t.TempDir()
		}
		cycle := func(i int) {
			p, err := s.Start(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			if i%10 == 0 {
				_, err := s.Start(t.Context(), child.Spec{Path: "/none", Tmp: spec.Tmp, Output: io.Discard})
				if !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
			}
			p.Kill()
			ended(t, p)
		}
		idle := runtime.NumGoroutine()
		for i := range 20 {
			cycle(i)
		}
		settle(t, idle)
		before := census(t)
		for i := range cycles {
			cycle(i)
		}
		settle(t, before["goroutines"])
		after := census(t)
		for what, n := range after {
			if n > before[what] {
				t.Errorf("%s: before %d, after %d", what, before[what], n)
			}
		}
		t.Log(cycles, "cycles: ", after)
	})
}

// Many start at once, some callers give up, and Close leaves nobody.
func TestConcurrent(t *testing.T) {
	each(t, func(t *testing.T, s *child.Spawner) {
		m := rand.Text()
		defer slaughter(t, m)
		tmp := ""
		if s.Level().PrivateTmp() {
			tmp = t.TempDir()
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for n := range 20 {
					ctx, cancel := context.WithCancel(t.Context())
					if n%4 == 0 {
						time.AfterFunc(time.Duration(i)*100*time.Microsecond, cancel)
					}
					p, err := s.Start(ctx, child.Spec{Path: "/bin/sleep", Args: []string{"1012"}, Env: []string{mark + "=" + m}, Tmp: tmp, Output: io.Discard})
					switch {
					case err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, child.ErrClosed):
						t.Error(err)
					case err == nil && n%2 == 0:
						go p.Kill()
					}
					cancel()
				}
			})
		}
		for end := time.Now().Add(5 * time.Second); len(alive(t, m)) == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Error("nobody has been started")
				break
			}
		}
		if s.Level() == child.LevelPIDs { // while they start
			all.Go(func() { _ = s.Close(context.Background()) })
		}
		all.Wait()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if left := alive(t, m); len(left) > 0 {
			t.Errorf("alive: %v", left)
		}
		if _, err := s.Start(t.Context(), child.Spec{Path: "/bin/true"}); !errors.Is(err, child.ErrClosed) {
			t.Error(err)
		}
	})
}
