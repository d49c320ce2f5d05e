package host_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

func portableID(name string) host.ID { return host.ID{Class: host.ClassPortables, Name: name} }

// program makes the archive of a portable plugin.
func program(t *testing.T, version string) []byte {
	return pack(t, map[string]string{
		"prog.json":           `{"name":"prog","version":"` + version + `","language":"go","executable":"bin/run","sources":["src"],"functions":["echo"]}`,
		"bin/run":             "x",
		"sources/src.yaml":    "default: {version: " + version + "}",
		"sources/src.json":    "{}",
		"functions/echo.json": "{}",
	})
}

// TestProgram: what a portable plugin brings goes where eKuiper's goes, and goes
// with it; its program can be executed whatever the archive says.
func TestProgram(t *testing.T) {
	b := open(t)
	ctx := context.Background()
	p, err := b.Install(ctx, host.Request{ID: portableID("prog"), Archive: bytes.NewReader(program(t, "1"))})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(p.Dir, "bin", "run")); err != nil || info.Mode()&0o111 == 0 && runtime.GOOS != "windows" {
		t.Errorf("the program: %v %v", info, err)
	}
	etc := func(file string) string {
		b, _ := os.ReadFile(filepath.Join(b.home, "etc", file))
		return string(b)
	}
	if got := etc("sources/src.yaml"); got != "default: {version: 1}" || etc("functions/echo.json") == "" || etc("sources/src.json") == "" {
		t.Errorf("etc: %q", got)
	}
	if _, err := b.Replace(ctx, host.Request{ID: portableID("prog"), Archive: bytes.NewReader(program(t, "2"))}); err != nil {
		t.Fatal(err)
	}
	if got := etc("sources/src.yaml"); got != "default: {version: 2}" {
		t.Errorf("etc after the update: %q", got)
	}
	b.restart()
	if _, err := b.Get(portableID("prog")); err != nil {
		t.Error(err)
	}
	if err := b.Remove(ctx, portableID("prog")); err != nil {
		t.Fatal(err)
	}
	if etc("sources/src.yaml")+etc("functions/echo.json") != "" {
		t.Error("files remain below etc/")
	}
}

// TestProgramDropIn: a folder below plugins/portable is a plugin.
func TestProgramDropIn(t *testing.T) {
	b := open(t)
	b.stop()
	dir := filepath.Join(b.home, "plugins", "portable", "prog")
	for name, content := range map[string]string{
		"prog.json": `{"language":"go","executable":"run","functions":["echo"]}`, "run": "x",
	} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	b.start()
	if p, err := b.Get(portableID("prog")); err != nil || p.Err != nil || !p.DropIn {
		t.Fatalf("%+v %v", p, err)
	}
	if v, err := b.Invoke(t.Context(), "echo", "x"); v != "x" || err != nil {
		t.Error(v, err)
	}
}

// keeper is a runtime that keeps something of plugins.
type keeper struct {
	*hosttest.FakeRuntime
	forgotten []host.ID
}

func (k *keeper) Forget(id host.ID) { k.forgotten = append(k.forgotten, id) }

func TestForget(t *testing.T) {
	k := &keeper{FakeRuntime: &hosttest.FakeRuntime{}}
	b := open(t, func(o *host.Options) { o.Runtimes = []host.Runtime{k} })
	b.rt = k.FakeRuntime
	b.install("kit", "1", "echo")
	if err := b.Remove(t.Context(), id("kit")); err != nil || len(k.forgotten) != 1 || k.forgotten[0] != id("kit") {
		t.Errorf("%v, forgotten: %v", err, k.forgotten)
	}
}

// TestStatusWithoutProcesses: a plugin that runs in the host has a status too,
// and neither output nor a restart.
func TestStatusWithoutProcesses(t *testing.T) {
	b := open(t)
	b.install("kit", "1", "echo")
	st, err := b.Status(id("kit"))
	if err != nil || st.State != host.StateRunning || len(st.Symbols) != 1 {
		t.Errorf("%+v %v", st, err)
	}
	_, outErr := b.Output(id("kit"))
	if err := b.Host.Restart(t.Context(), id("kit")); !errors.Is(err, host.ErrUnsupported) || !errors.Is(outErr, host.ErrUnsupported) {
		t.Error(err, outErr)
	}
	_, stErr := b.Status(id("none"))
	_, outErr = b.Output(id("none"))
	if err := b.Host.Restart(t.Context(), id("none")); !errors.Is(err, host.ErrNotFound) || !errors.Is(stErr, host.ErrNotFound) || !errors.Is(outErr, host.ErrNotFound) {
		t.Error(err, stErr, outErr)
	}
}
