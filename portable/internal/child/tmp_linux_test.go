package child_test

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/vanth-io/vanth/portable/internal/child"
)

func TestPrivateTmp(t *testing.T) {
	s := child.NewSpawner(child.Options{})
	defer s.Close(context.Background())
	if !s.Level().PrivateTmp() {
		t.Skip(s.Reason())
	}
	before := mounts(t)
	foreign := filepath.Join("/tmp", "vanth-"+rand.Text())
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(foreign)
	var tmps []string
	for i := range 2 {
		name := strconv.Itoa(i)
		tmps = append(tmps, t.TempDir())
		_, log := self(t, s, "listen", child.Spec{Tmp: tmps[i], Env: []string{"NAME=" + name}})
		said(t, log, "ready")
	}
	for i, tmp := range tmps {
		c, err := net.Dial("unix", filepath.Join(tmp, "plugin_same.ipc"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		if c.Close(); string(b) != strconv.Itoa(i) {
			t.Errorf("%d is answered by %q %v", i, b, err)
		}
	}
	if _, err := os.Stat("/tmp/plugin_same.ipc"); err == nil {
		t.Error("the host's /tmp is not its own")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
	p, log := shell(t, s, "test -e "+foreign+" && echo seen")
	if ended(t, p); len(log.Tail(1)) != 1 {
		t.Error("without Tmp the real one is seen")
	}
	if after := mounts(t); after != before {
		t.Errorf("the host's mounts have changed: %s", after)
	}
}

// The main thread stands for the process in /proc, and is never the spawner's.
func TestMainThread(t *testing.T) {
	s := child.NewSpawner(child.Options{Level: child.LevelProcess})
	defer s.Close(context.Background())
	p, log := self(t, s, "single", child.Spec{})
	if ended(t, p); !slices.Equal(log.Tail(99), []string{"done"}) {
		t.Errorf("%q", log.Tail(99))
	}
}

// Folders below /tmp stay visible, and none is bound where a link leads.
func TestPrivateTmpKeeps(t *testing.T) {
	s := child.NewSpawner(child.Options{})
	defer s.Close(context.Background())
	if !s.Level().PrivateTmp() {
		t.Skip(s.Reason())
	}
	base, err := os.MkdirTemp("/tmp", "vanth-keep")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(base)
	for _, d := range []string{"plugin", "data", "hidden", "tmp", "linked"} {
		if err := os.Mkdir(filepath.Join(base, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(base, "plugin", "run")
	text := "#!/bin/sh\npwd; ls " + base + "; echo 1 >" + base + "/data/new; echo 2 >/tmp/new\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(base, "tmp")
	for range 2 { // the second finds the folders of the first
		p, log := run(t, s, child.Spec{Path: script, Tmp: tmp, Keep: []string{filepath.Join(base, "data"), "/usr"}})
		ended(t, p)
		if got := log.Tail(9); !slices.Equal(got, []string{filepath.Join(base, "plugin"), "data", "plugin"}) {
			t.Errorf("%q", got)
		}
	}
	for _, path := range []string{"data/new", "tmp/new"} {
		if _, err := os.Stat(filepath.Join(base, path)); err != nil {
			t.Error(err)
		}
	}
	linked := filepath.Join(base, "linked")
	if err := os.Symlink(filepath.Join(base, "hidden"), filepath.Join(linked, filepath.Base(base))); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Start(t.Context(), child.Spec{Path: script, Tmp: linked}); err == nil {
		t.Errorf("%d: a link was followed", p.PID())
	}
	if p, log := run(t, s, child.Spec{Path: script, Tmp: tmp}); ended(t, p).Code != 0 || len(log.Tail(9)) == 0 {
		t.Errorf("the next start is not well: %q", log.Tail(9))
	}
}

func mounts(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
