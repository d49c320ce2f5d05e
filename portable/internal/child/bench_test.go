//go:build unix

package child_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/vanth-io/vanth/portable/internal/child"
)

// BenchmarkStart starts /bin/true and waits for its end, by os/exec and on each
// level, with and without a private /tmp.
func BenchmarkStart(b *testing.B) {
	b.Run("exec", func(b *testing.B) {
		var starts time.Duration
		for b.Loop() {
			began := time.Now()
			cmd := exec.Command("/bin/true")
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			starts += time.Since(began)
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(starts)/float64(b.N), "start-ns/op")
	})
	for _, level := range []child.Level{child.LevelProcess, child.LevelPIDs, child.LevelNamespaces} {
		s := child.NewSpawner(child.Options{Level: level})
		defer s.Close(context.Background())
		if s.Level() != level {
			continue
		}
		run := func(b *testing.B, spec child.Spec) {
			var starts time.Duration
			for b.Loop() {
				began := time.Now()
				p, err := s.Start(b.Context(), spec)
				if err != nil {
					b.Fatal(err)
				}
				starts += time.Since(began)
				<-p.Done()
			}
			b.ReportMetric(float64(starts)/float64(b.N), "start-ns/op")
		}
		b.Run(string(level), func(b *testing.B) { run(b, child.Spec{Path: "/bin/true"}) })
		if level.PrivateTmp() {
			b.Run(string(level)+"-tmp", func(b *testing.B) { run(b, child.Spec{Path: "/bin/true", Tmp: b.TempDir()}) })
		}
	}
}

func BenchmarkOwns(b *testing.B) {
	for _, level := range []child.Level{child.LevelProcess, child.LevelNamespaces} {
		s := child.NewSpawner(child.Options{Level: level})
		defer s.Close(context.Background())
		p, err := s.Start(b.Context(), child.Spec{Path: "/bin/sleep", Args: []string{"1012"}})
		if err != nil {
			b.Fatal(err)
		}
		for name, pid := range map[string]int{"itself": p.PID(), "stranger": os.Getppid()} {
			b.Run(string(level)+"/"+name, func(b *testing.B) {
				for b.Loop() {
					p.Owns(pid)
				}
			})
		}
	}
}
