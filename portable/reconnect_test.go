package portable_test

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// TestReconnect: the connection of a function breaks, and the plugin dials again
// by itself, as the first generation of Go's SDK does: its process goes on.
func TestReconnect(t *testing.T) {
	r := newRole("go")
	r.Retry, r.Functions = time.Minute, []string{"redial", "echo"}
	p := load(t, newRuntime(t, testOptions(t)), r)
	pid := p.pid(t)
	for range 3 {
		p.want(t, true, "redial")
		time.Sleep(60 * time.Millisecond) // it breaks in 20, and is dialled again 100 later
		begun := time.Now()
		until(t, "it serves again", func() bool { return p.function(t, "redial").Validate([]any{nil}) == nil })
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it served again after %v", took)
		}
		p.want(t, 1.0, "echo", 1.0)
	}
	if p.pid(t) != pid {
		t.Errorf("the process was restarted: %+v", p.status())
	}
}

// TestPluginLimit: Go's SDK takes messages of up to 1 MiB and drops the
// connection on a longer one. The call fails, and the next does not.
func TestPluginLimit(t *testing.T) {
	r := newRole("go")
	r.Limit, r.Retry = 1<<20, time.Minute
	p := load(t, newRuntime(t, testOptions(t)), r)
	begun := time.Now()
	err := callError(p, "echo", strings.Repeat("x", 2<<20))
	if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "1 MiB") || took > 3*time.Second {
		t.Errorf("an argument beyond the plugin's limit: %v after %v", err, took)
	}
	until(t, "it serves again", func() bool { return callError(p, "echo", 1.0) == nil })
	big := strings.Repeat("x", 1<<19)
	p.want(t, big, "echo", big)
	if st := p.status(); st.Restarts != 0 {
		t.Errorf("it has cost the process: %+v", st)
	}
}

// TestRudePlugin: what is not SP on the control socket fails the plugin that says
// it, and nobody else.
func TestRudePlugin(t *testing.T) {
	o := testOptions(t)
	o.InitTimeout = 100 * time.Millisecond
	rt := newRuntime(t, o)
	good := newRole("go")
	good.Name = "good"
	p := load(t, rt, good)
	hello := []byte{0, 'S', 'P', 0, 0, 0x30, 0, 0}
	frame := func(n uint64, body string) []byte {
		return append(binary.BigEndian.AppendUint64(append(bytes.Clone(hello), 1), n), body...)
	}
	for name, b := range map[string][]byte{
		"http":         []byte("GET / HTTP/1.1\r\n\r\n"),
		"another end":  {0, 'S', 'P', 0, 0, 0x50, 0, 0},
		"half a hello": hello[:5],
		"nothing":      hello,
		"2^63 bytes":   frame(1<<63, "x"),
		"2^40 bytes":   frame(1<<40, "x"),
		"no id":        frame(2, "ab"),
		"a bare id":    frame(4, "\x00\x00\x00\x01"),
		"another type": append(bytes.Clone(hello), 7, 7, 7, 7, 7, 7, 7, 7, 7, 7),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRole("rude")
			r.Bytes = b
			begun := time.Now()
			_, err := rt.Load(t.Context(), bundle(t, r))
			if took := time.Since(begun); err == nil || took > 2*time.Second {
				t.Errorf("%v after %v", err, took)
			}
			p.want(t, 1.0, "echo", 1.0)
		})
	}
	if st := p.status(); st.Restarts != 0 || st.State != host.StateRunning {
		t.Errorf("another plugin was disturbed: %+v", st)
	}
}

// TestStranger: a process that is not the plugin, an orphan of an earlier life of
// the host for instance, dials the plugin's sockets.
func TestStranger(t *testing.T) {
	o := testOptions(t)
	p := load(t, newRuntime(t, o), newRole("go"))
	p.open(t, "rows", nil)
	for _, name := range []string{"plugin_kit.ipc", "func_echo.ipc"} {
		paths, _ := filepath.Glob(o.Dir + "/*/" + name)
		if len(paths) != 1 {
			t.Skip("processes have no /tmp of their own here")
		}
		s, err := dialREQ("ipc://"+paths[0], time.Minute, 0, 0)
		if err == nil {
			_ = s.Send([]byte("handshake"))
			go func() { _, _ = s.Recv() }()
		}
		defer s.Close()
	}
	for i := range 20 {
		p.want(t, float64(i), "echo", float64(i))
	}
	p.open2(t)
	if st := p.status(); st.Restarts != 0 {
		t.Errorf("%+v", st)
	}
}

// open2 opens and closes another source, which takes commands.
func (p *plugin) open2(t *testing.T) {
	s, err := p.Source("rows", &host.Call{Rule: "r2"}, nil)
	must(t, err)
	must(t, s.Open(t.Context()))
	must(t, s.Close(t.Context()))
}
