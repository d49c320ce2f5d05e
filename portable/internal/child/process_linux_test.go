package child_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/portable/internal/child"
)

func TestExit(t *testing.T) {
	each(t, func(t *testing.T, s *child.Spawner) {
		for script, want := range map[string]child.Exit{
			"exit 0":              {Text: "exit status 0"},
			"exit 3":              {Code: 3, Text: "exit status 3"},
			"sleep 1012 & exit 4": {Code: 4, Text: "exit status 4"},
		} {
			p, _ := shell(t, s, script)
			e := ended(t, p)
			if e.At.IsZero() || e.MaxRSS < 100<<10 || e.MaxRSS > 1<<30 || e.User+e.System > time.Second {
				t.Errorf("%s: implausible: %+v", script, e)
			}
			if e.Code != want.Code || e.Text != want.Text || e.Signal != 0 {
				t.Errorf("%s: %+v", script, e)
			}
		}
		p, _ := shell(t, s, "sleep 1012")
		if e := p.Exit(); e != (child.Exit{}) {
			t.Errorf("it has not ended: %+v", e)
		}
		if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if e := ended(t, p); e.Text != "signal: killed" || e.Code != -1 || e.Signal != syscall.SIGKILL {
			t.Errorf("%+v", e)
		}
		if err := p.Stop(t.Context(), time.Hour); err != nil {
			t.Error("of one that has ended: ", err)
		}
		p.Kill()
		if _, err := p.Usage(); !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
	})
}

func TestCrash(t *testing.T) {
	path := python(t)
	each(t, func(t *testing.T, s *child.Spawner) {
		for code, want := range map[string]string{
			"import ctypes; ctypes.string_at(0)": "signal: segmentation fault",
			"import os; os.abort()":              "signal: ", // a pid 1 comes to it another way
			"raise ValueError":                   "exit status 1",
		} {
			p, _ := run(t, s, child.Spec{Path: path, Args: []string{"-c", code}})
			if e := ended(t, p); !strings.HasPrefix(e.Text, want) {
				t.Errorf("%s: %+v", code, e)
			}
		}
	})
}

func TestStop(t *testing.T) {
	each(t, func(t *testing.T, s *child.Spawner) {
		t.Run("polite", func(t *testing.T) {
			p, log := self(t, s, "polite", child.Spec{})
			said(t, log, "ready")
			if err := p.Stop(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
			if e := p.Exit(); e.Text != "exit status 7" {
				t.Errorf("%+v", e)
			}
			if got := log.Tail(1); got[0] != "good bye" {
				t.Errorf("%q", got)
			}
		})
		t.Run("stubborn", func(t *testing.T) {
			p, log := self(t, s, "stubborn", child.Spec{})
			said(t, log, "ready")
			began := time.Now()
			if err := p.Stop(t.Context(), 50*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if e, took := p.Exit(), time.Since(began); e.Text != "signal: killed" || took < 50*time.Millisecond || took > time.Second {
				t.Errorf("%+v after %v", e, took)
			}
		})
		t.Run("impatient", func(t *testing.T) {
			p, log := self(t, s, "stubborn", child.Spec{})
			said(t, log, "ready")
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := p.Stop(ctx, time.Hour); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if e := ended(t, p); e.Text != "signal: killed" {
				t.Errorf("%+v", e)
			}
		})
		t.Run("simple", func(t *testing.T) { // SIGTERM does what it does by default
			p, _ := run(t, s, child.Spec{Path: "/bin/sleep", Args: []string{"1012"}})
			if err := p.Stop(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
			if e := p.Exit(); e.Code != -1 {
				t.Errorf("%+v", e)
			}
		})
		t.Run("below a shell", func(t *testing.T) {
			p, log := shell(t, s, `sh -c 'trap "echo cleaned; exit" TERM; echo ready; while :; do sleep 0.01; done'; echo last`)
			said(t, log, "ready")
			if err := p.Stop(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(log.Tail(9), "cleaned") {
				t.Errorf("%q", log.Tail(9))
			}
		})
	})
}

func TestStopPython(t *testing.T) {
	path := python(t)
	each(t, func(t *testing.T, s *child.Spawner) {
		p, log := run(t, s, child.Spec{Path: path, Args: []string{"-u", "-c", "print('ready')\nimport time\ntime.sleep(1012)"}})
		said(t, log, "ready")
		if err := p.Stop(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		if s.Level() != child.LevelProcess && !strings.Contains(log.Last(1000), "KeyboardInterrupt") {
			t.Errorf("%+v: %q", p.Exit(), log.Tail(20))
		}
	})
}

// Nobody of a family is left when its first process ends, is killed, or is stopped
// while it multiplies.
func TestTree(t *testing.T) {
	each(t, func(t *testing.T, s *child.Spawner) {
		bomb := `bomb() { while :; do (setsid sleep 1012 &) ; sleep 1012 & done; }; trap "" TERM; echo up; bomb & bomb`
		for name, c := range map[string]struct {
			script string
			end    func(*child.Process)
		}{
			"ends":   {strings.TrimSuffix(brood, "wait") + "sleep 0.05", func(*child.Process) {}},
			"killed": {brood, func(p *child.Process) { p.Kill() }},
			"murder": {brood, func(p *child.Process) { _ = syscall.Kill(p.PID(), syscall.SIGKILL) }},
			"stop":   {brood, func(p *child.Process) { _ = p.Stop(context.Background(), time.Second) }},
			"bomb": {bomb, func(p *child.Process) {
				time.Sleep(30 * time.Millisecond)
				_ = p.Stop(context.Background(), 10*time.Millisecond)
			}},
			// Lost by session and mark, but not yet by parents.
			"stripped": {`env -i /usr/bin/setsid /bin/sleep 1012 & echo up; wait`, func(p *child.Process) { p.Kill() }},
		} {
			t.Run(name, func(t *testing.T) {
				m := rand.Text()
				defer slaughter(t, m)
				p, log := shell(t, s, c.script, mark+"="+m)
				said(t, log, "up")
				if name == "stripped" {
					time.Sleep(20 * time.Millisecond)
				}
				c.end(p)
				ended(t, p)
				if left := alive(t, m); len(left) > 0 {
					t.Errorf("alive: %v", left)
				}
			})
		}
	})
}

func TestOwns(t *testing.T) {
	each(t, func(t *testing.T, s *child.Spawner) {
		m := rand.Text()
		p, log := shell(t, s, brood, mark+"="+m)
		other, _ := shell(t, s, "sleep 1012")
		said(t, log, "up")
		all := alive(t, m)
		for end := time.Now().Add(5 * time.Second); len(all) < 7 && time.Now().Before(end); all = alive(t, m) {
			time.Sleep(5 * time.Millisecond)
		}
		if len(all) != 7 {
			t.Errorf("there are %v", all)
		}
		for _, pid := range all {
			if !p.Owns(pid) {
				t.Errorf("%d is a descendant", pid)
			}
			if other.Owns(pid) {
				t.Errorf("%d is not", pid)
			}
		}
		for _, pid := range []int{0, 1, -1, os.Getpid(), os.Getppid(), other.PID(), 1 << 30} {
			if p.Owns(pid) {
				t.Errorf("%d is a stranger", pid)
			}
		}
		u, err := p.Usage()
		if err != nil || u.Processes < 4 || u.RSS < 1<<20 || time.Since(u.Started) > time.Minute {
			t.Errorf("%+v %v", u, err)
		}
		p.Kill()
		ended(t, p)
		for _, pid := range append(all, p.PID()) {
			if p.Owns(pid) {
				t.Errorf("%d is owned by the dead", pid)
			}
		}
	})
}

// A child in a PID namespace that its own descendant has made.
func TestOwnsNested(t *testing.T) {
	s := child.NewSpawner(child.Options{})
	defer s.Close(context.Background())
	if s.Level() != child.LevelNamespaces {
		t.Skip(s.Reason())
	}
	m := rand.Text()
	p, log := shell(t, s, "unshare -p -f --kill-child sh -c 'echo up; sleep 1012; :'", mark+"="+m)
	said(t, log, "up")
	for _, pid := range alive(t, m) {
		if !p.Owns(pid) {
			t.Errorf("%d is a descendant", pid)
		}
	}
	p.Kill()
	ended(t, p)
	if left := alive(t, m); len(left) > 0 {
		t.Errorf("alive: %v", left)
	}
}
