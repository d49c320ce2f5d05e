package portable_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// outsider is a plugin that the host does not start, in the real /tmp. Its names
// have the pid in them, so that runs beside each other do not meet.
type outsider struct {
	role
	bundle host.Bundle
	rule   string
}

func newOutsider(t *testing.T, sdk string, functions ...string) *outsider {
	t.Helper()
	own := fmt.Sprintf("_%d_%s", os.Getpid(), sdk)
	for i, f := range functions {
		functions[i] = f + own
	}
	r := role{Name: "outside" + own, SDK: sdk, Functions: functions, Sources: []string{"rows"}, Sinks: []string{"file"}}
	o := &outsider{r, bundle(t, r, func(m *host.Manifest) { m.Executable = "not-there" }), "outside" + own}
	t.Cleanup(func() {
		left, err := filepath.Glob("/tmp/*" + own + "*.ipc")
		if err != nil || len(left) > 0 {
			t.Errorf("sockets are left: %v, %v", left, err)
		}
	})
	return o
}

func (o *outsider) socket() string { return "/tmp/plugin_" + o.Name + ".ipc" }

// listened waits until a plugin can be started.
func (o *outsider) listened(t *testing.T) {
	t.Helper()
	until(t, "it listens", func() bool { _, err := os.Stat(o.socket()); return err == nil })
}

// launched is a process of an outsider.
type launched struct {
	*exec.Cmd
	said  bytes.Buffer // valid once ended is closed
	ended chan struct{}
	once  sync.Once
}

// launch starts the plugin as its author would.
func (o *outsider) launch(t *testing.T) *launched {
	t.Helper()
	return launch(t, o.bundle.Dir)
}

func launch(t *testing.T, dir string) *launched {
	t.Helper()
	l := &launched{Cmd: exec.Command(program), ended: make(chan struct{})}
	l.Env = append(os.Environ(), playIn+"="+dir)
	l.Stdout, l.Stderr = &l.said, &l.said
	must(t, l.Start())
	go func() {
		defer close(l.ended)
		_ = l.Wait()
	}()
	t.Cleanup(l.kill)
	return l
}

func (l *launched) kill() {
	l.once.Do(func() { _ = l.Process.Kill() })
	<-l.ended
}

// loading has a runtime wait for the plugin.
func (o *outsider) loading(t *testing.T) (rt host.Runtime, loaded chan *plugin) {
	t.Helper()
	opts := testOptions(t)
	opts.Outside = true
	opts.InitTimeout = 500 * time.Millisecond // it is none of the handshake's
	rt = newRuntime(t, opts)
	loaded = make(chan *plugin, 1)
	go func() {
		defer close(loaded)
		m, err := rt.Load(context.Background(), o.bundle)
		if err != nil {
			t.Error(err)
			return
		}
		loaded <- &plugin{m, o.bundle.Dir, o.role}
	}()
	o.listened(t)
	return rt, loaded
}

func arrived(t *testing.T, loaded chan *plugin) *plugin {
	t.Helper()
	select {
	case p := <-loaded:
		if p != nil {
			return p
		}
	case <-time.After(10 * time.Second):
	}
	t.Fatal("not loaded")
	return nil
}

// TestOutside: a plugin that somebody else starts, late, twice at once and again
// after it was killed, is served as one that the host has started, and is not
// ended with the host.
func TestOutside(t *testing.T) {
	each(t, wires(), func(t *testing.T, sdk string) {
		o := newOutsider(t, sdk, "echo", "token")
		rt, loaded := o.loading(t)
		select {
		case <-loaded:
			t.Fatal("loaded without a plugin")
		case <-time.After(time.Second):
		}
		first := o.launch(t)
		p := arrived(t, loaded)
		if st := p.status(); p.pid(t) != first.Process.Pid || st.State != host.StateRunning || st.Lane != "ekuiper" {
			t.Fatalf("status %+v, expected process %d", st, first.Process.Pid)
		}
		p.want(t, "a", o.Functions[0], "a")
		token, err := p.call(o.Functions[1])
		must(t, err)

		src, err := p.Source("rows", &host.Call{Rule: o.rule, Op: "in"}, host.Props{"count": 1e6, "every": 5})
		must(t, err)
		must(t, src.Open(t.Context()))
		out, err := p.Sink("file", &host.Call{Rule: o.rule, Op: "out"}, host.Props{"file": "got", "ack": "ok", "requireAck": true})
		must(t, err)
		must(t, out.Open(t.Context()))
		write := func(row string) {
			t.Helper()
			must(t, out.Write(t.Context(), host.Message{Value: []byte(row)}))
			must(t, out.(host.Flusher).Flush(t.Context()))
		}
		write("1")
		rowOf(t, src, token)

		if sdk == "go" { // Python's tries again for as long as its author waits
			second := o.launch(t)
			select {
			case <-second.ended: // Go's SDK panics
			case <-time.After(5 * time.Second):
				t.Error("a second process was not refused")
			}
			p.want(t, token, o.Functions[1])
		}

		first.kill()
		next := o.launch(t) // at once: the socket listens all the time
		until(t, "the next process serves", func() bool {
			st := p.status()
			return st.State == host.StateRunning && len(st.Processes) == 1 && st.Processes[0].PID == next.Process.Pid
		})
		if st := p.status(); st.Restarts != 1 || st.LastExit != "the plugin went away" {
			t.Errorf("status %+v", st)
		}
		p.want(t, "b", o.Functions[0], "b")
		successor, err := p.call(o.Functions[1])
		if err != nil || successor == token {
			t.Fatalf("token %v, %v after %v", successor, err, token)
		}
		rowOf(t, src, successor)
		write("2")
		if got := notes(p.dir, "got"); len(got) != 2 || got[0] != "1" || got[1] != "2" {
			t.Errorf("the sink got %q", got)
		}

		must(t, src.Close(t.Context()))
		must(t, out.Close(t.Context()))
		must(t, rt.Close(t.Context()))
		time.Sleep(20 * time.Millisecond)
		select {
		case <-next.ended: // SDKs may end when their host does
			if next.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
				t.Errorf("the plugin was ended with the host: %v: %s", next.ProcessState, next.said.Bytes())
			}
		default:
		}
		next.kill()
	})
}

// rowOf reads the source until a row of the process with that token comes.
func rowOf(t *testing.T, s host.Source, token any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		m, err := s.Next(ctx)
		if ctx.Err() != nil {
			t.Fatalf("no row of %v: %v", token, err)
		}
		if row, ok := m.Value.(map[string]any); err == nil && ok && row["p"] == token {
			return
		}
	}
}

// TestOutsideMended: what comes without a function of the manifest is sent away,
// and the next one waited for.
func TestOutsideMended(t *testing.T) {
	o := newOutsider(t, "go", "echo")
	lacking := o.role
	lacking.Functions = nil
	dir := bundle(t, lacking).Dir
	_, loaded := o.loading(t)
	unfit := launch(t, dir)
	until(t, "it was asked", func() bool { return len(notes(dir, "commands")) > 0 })
	unfit.kill()
	select {
	case <-loaded:
		t.Fatal("loaded without its function")
	case <-time.After(100 * time.Millisecond):
	}
	fit := o.launch(t)
	p := arrived(t, loaded)
	p.want(t, "a", o.Functions[0], "a")
	must(t, p.Close(t.Context()))
	fit.kill()
}

// TestOutsideGivenUp: a wait ends with its context, and where another host
// listens there is none.
func TestOutsideGivenUp(t *testing.T) {
	o := newOutsider(t, "go", "echo")
	opts := testOptions(t)
	opts.Outside = true
	rt := newRuntime(t, opts)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := rt.Load(ctx, o.bundle); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if _, err := os.Stat(o.socket()); err == nil {
		t.Error("it listens on")
	}
	other, err := net.Listen("unix", o.socket())
	must(t, err)
	defer other.Close()
	if _, err := rt.Load(t.Context(), o.bundle); err == nil || !strings.Contains(err.Error(), o.socket()) {
		t.Errorf("where another listens: %v", err)
	}
}
