//go:build unix

package vanth

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ek is a small eKuiper: raw frames over Unix sockets.
type ek struct {
	testing.TB
	*child
	dir     string
	control *rep
}

// rep is the REP end: it listens, and the newest request is the one to reply to.
type rep struct {
	testing.TB
	listener net.Listener
	conn     net.Conn
	id       []byte
}

func (e *ek) listen(name string) net.Listener {
	e.Helper()
	l, err := net.Listen("unix", filepath.Join(e.dir, name+".ipc"))
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { _ = l.Close() })
	return l
}

// greetRaw is the greeting, byte for byte.
func greetRaw(t testing.TB, c net.Conn, own, theirs byte) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.Write([]byte{0, 'S', 'P', 0, 0, own, 0, 0})
	var got [8]byte
	if _, err := io.ReadFull(c, got[:]); err != nil || got != [8]byte{0, 'S', 'P', 0, 0, theirs, 0, 0} {
		t.Fatalf("greeting %x, %v", got, err)
	}
}

func readRaw(t testing.TB, c net.Conn) []byte {
	t.Helper()
	var h [9]byte
	if _, err := io.ReadFull(c, h[:]); err != nil || h[0] != 1 {
		t.Fatalf("%x, %v", h, err)
	}
	b := make([]byte, binary.BigEndian.Uint64(h[1:]))
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func writeRaw(c net.Conn, b []byte) {
	_, _ = c.Write(append(binary.BigEndian.AppendUint64([]byte{1}, uint64(len(b))), b...))
}

func accept(t testing.TB, l net.Listener, own, theirs byte) net.Conn {
	t.Helper()
	_ = l.(*net.UnixListener).SetDeadline(time.Now().Add(10 * time.Second))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	greetRaw(t, c, own, theirs)
	return c
}

func (r *rep) accept() {
	r.Helper()
	r.conn = accept(r, r.listener, 0x31, 0x30)
	if m := r.receive(); m != "handshake" {
		r.Fatalf("it began with %q", m)
	}
}

func (r *rep) receive() string {
	r.Helper()
	m := readRaw(r, r.conn)
	if len(m) < 4 || m[0]&0x80 == 0 {
		r.Fatalf("%x is no request", m)
	}
	if bytes.Equal(m[:4], r.id) {
		r.Fatalf("%x was sent twice", m)
	}
	r.id = m[:4]
	return string(m[4:])
}

func (r *rep) ask(command string) string {
	r.Helper()
	writeRaw(r.conn, append([]byte{0x80, 1, 2, 3}, "stale"...)) // a reply to something long gone
	writeRaw(r.conn, append(append([]byte(nil), r.id...), command...))
	return r.receive()
}

func startEkuiper(t testing.TB) *ek {
	t.Helper()
	dir, err := os.MkdirTemp("", "ek") // short: a socket's path is at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e := &ek{TB: t, dir: dir}
	e.control = &rep{TB: t, listener: e.listen("plugin_tested")}
	e.child = startChild(t, nil, "VANTH_SOCKETS="+dir)
	e.control.accept()
	return e
}

func (e *ek) command(cmd, kind, symbol, rule string, more string) string {
	e.Helper()
	arg := fmt.Sprintf(`{"symbolName":%q,"meta":{"ruleId":%q,"opId":"op","instanceId":0},"pluginType":%q%s}`, symbol, rule, kind, more)
	text, _ := json.Marshal(map[string]string{"cmd": cmd, "arg": arg})
	return e.control.ask(string(text))
}

func TestEkuiperControl(t *testing.T) {
	e := startEkuiper(t)
	for _, c := range []struct{ got, want string }{
		{e.control.ask(`{"cmd":"jump","arg":"{}"}`), "invalid command received: jump"},
		{e.command("start", "func", "absent", "", ""), "symbol not found"},
		{e.command("start", "thing", "add", "r", ""), "symbol not found"},
		{e.command("start", "source", "absent", "r", ""), "symbol not found"},
		{e.command("stop", "source", "numbers", "r", ""), "symbol r_op_0_numbers not found"},
		{e.command("start", "source", "numbers", "r", `,"dataSource":"refuse"`), "error: has no such topic"},
		{e.command("start", "source", "numbers", "r", `,"datasource":"refuse"`), "error: has no such topic"},
		{e.command("start", "source", "numbers", "r", `,"config":{"datasource":"refuse"}`), "error: has no such topic"},
		{e.command("start", "sink", "lines", "r", ""), "error: has no path"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	if got := e.command("start", "source", "numbers", "", ""); !strings.HasSuffix(got, "ruleId and opId are required") {
		t.Error(got)
	}
	for _, text := range []string{"", "{", `{"cmd":"start","arg":"x"}`} {
		if got := e.control.ask(text); got == "ok" || got == "" || got[0] == 'h' {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestEkuiperFunctions(t *testing.T) {
	e := startEkuiper(t)
	functions := map[string]*rep{}
	for _, name := range []string{"add", "zero", "echo", "made", "remember", "panics", "group", "where"} {
		r := &rep{TB: t, listener: e.listen("func_" + name)}
		answer := make(chan string)
		go func() { answer <- e.command("start", "func", name, "", "") }()
		r.accept()
		if got := <-answer; got != "ok" {
			t.Fatal(got)
		}
		functions[name] = r
	}
	if got := e.command("start", "func", "add", "", ""); got != "ok" {
		t.Errorf("again: %s", got)
	}
	last := `"{\"ruleId\":\"r1\",\"opId\":\"2_project\",\"instanceId\":0,\"funcId\":3}"`
	large := strings.Repeat("x", 3<<20)
	for _, c := range []struct{ name, request, want string }{
		{"add", `{"func":"IsAggregate","arg":null}`, `{"state":true,"result":false}`},
		{"group", `{"func":"IsAggregate","arg":null}`, `{"state":true,"result":true}`},
		{"zero", `{"func":"Validate","arg":null}`, `{"state":true,"result":null}`},
		{"zero", `{"func":"Validate","arg":[]}`, `{"state":true,"result":null}`},
		{"made", `{"func":"Validate","arg":null}`, `{"state":true,"result":null}`},
		{"add", `{"func":"Validate","arg":[{"Val":1}]}`, `{"state":false,"result":"found 1 argument, expected 2"}`},
		{"made", `{"func":"Validate","arg":[1,2,3,4]}`, `{"state":false,"result":"have too many"}`},
		{"add", `{"func":"Exec","arg":[1,2.5,` + last + `]}`, `{"state":true,"result":3.5}`},
		{"zero", `{"func":"Exec","arg":[` + last + `]}`, `{"state":true,"result":"none"}`},
		{"echo", `{"func":"Exec","arg":[9007199254740993,` + last + `]}`, `{"state":true,"result":9007199254740993}`},
		{"echo", `{"func":"Exec","arg":["` + large + `",` + last + `]}`, `{"state":true,"result":"` + large + `"}`},
		{"add", `{"func":"Exec","arg":["x",1,` + last + `]}`, `{"state":false,"result":"argument 1: found string, expected f64"}`},
		{"panics", `{"func":"Exec","arg":["boom",` + last + `]}`, `{"state":false,"result":"panic: boom"}`},
		{"where", `{"func":"Exec","arg":[` + last + `]}`, `{"state":true,"result":["r1","2_project","tested","where",0]}`},
		{"made", `{"func":"Exec","arg":["error",` + last + `]}`, `{"state":false,"result":"an error's text"}`},
		{"made", `{"func":"Exec","arg":["none",` + last + `]}`, `{"state":true,"result":null}`},
		{"made", `{"func":"Exec","arg":["struct",` + last + `]}`, `{"state":true,"result":{"A":1,"B":2}}`},
		{"made", `{"func":"Exec","arg":["types",1,"x",` + last + `]}`, `{"state":true,"result":"float64 string [1 x]"}`},
		{"made", `{"func":"Exec","arg":["where",` + last + `]}`, `{"state":true,"result":["r1","2_project",0,3]}`},
		{"made", `{"func":"Exec","arg":["state","a",` + last + `]}`, `{"state":true,"result":[null,1]}`},
		{"made", `{"func":"Exec","arg":["state","b",` + last + `]}`, `{"state":true,"result":["a",2]}`},
		{"remember", `{"func":"Exec","arg":["x",1,` + last + `]}`, `{"state":true,"result":null}`},
		{"remember", `{"func":"Exec","arg":["x",2,` + last + `]}`, `{"state":true,"result":1}`},
		{"add", `{"func":"Exec","arg":[1,2]}`, ""},
		{"add", `{"func":"Exec","arg":null}`, ""},
		{"add", `{"func":"Exec","arg":5}`, `{"state":false,"result":"argument is not a list"}`},
		{"add", `{"func":"Dance","arg":[]}`, `{"state":false,"result":"invalid func Dance"}`},
		{"add", `{`, ""},
	} {
		got := functions[c.name].ask(c.request)
		if c.want == "" && strings.HasPrefix(got, `{"state":false,"result":"`) {
			continue
		}
		if got != c.want {
			t.Errorf("%s %.60s: %.200s", c.name, c.request, got)
		}
	}
	// The host goes and comes back: a handshake, and no old answer.
	r := functions["add"]
	_ = r.conn.Close()
	r.accept()
	if got := r.ask(`{"func":"IsAggregate","arg":null}`); got != `{"state":true,"result":false}` {
		t.Error(got)
	}
}

func TestEkuiperSource(t *testing.T) {
	e := startEkuiper(t)
	l := e.listen("r_op_0")
	if got := e.command("start", "source", "numbers", "r", `,"dataSource":"x","config":{"step":2}`); got != "ok" {
		t.Fatal(got)
	}
	c := accept(t, l, 0x51, 0x50)
	for n := 0; n < 1000; n += 2 {
		if got, want := string(readRaw(t, c)), fmt.Sprintf(`{"message":{"n":%d},"meta":{"rule":"r"}}`, n); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	_ = c.Close() // it comes back
	c = accept(t, l, 0x51, 0x50)
	if got := string(readRaw(t, c)); !strings.HasPrefix(got, `{"message":{"n":`) {
		t.Error(got)
	}
	if got := e.command("stop", "source", "numbers", "r", ""); got != "ok" {
		t.Error(got)
	}
	if got := e.command("start", "source", "numbers", "r", `,"dataSource":"breaks"`); got != "ok" {
		t.Fatal(got)
	}
	c = accept(t, l, 0x51, 0x50)
	for range 3 {
		readRaw(t, c)
	}
	if got := string(readRaw(t, c)); got != `"{\"error\":\"broken\"}"` {
		t.Error(got)
	}
	if got := e.command("stop", "source", "numbers", "r", ""); got != "ok" {
		t.Error(got)
	}
}

func TestEkuiperSink(t *testing.T) {
	for _, read := range []bool{true, false} {
		t.Run(fmt.Sprint("acks read ", read), func(t *testing.T) {
			e := startEkuiper(t)
			path := filepath.Join(t.TempDir(), "out")
			acks := e.listen("r_op_0_ack")
			if got := e.command("start", "sink", "lines", "r", fmt.Sprintf(`,"config":{"path":%q}`, path)); got != "ok" {
				t.Fatal(got)
			}
			c, err := net.Dial("unix", filepath.Join(e.dir, "r_op_0.ipc"))
			if err != nil {
				t.Fatal(err)
			}
			greetRaw(t, c, 0x50, 0x51)
			var want strings.Builder
			if read {
				ack := accept(t, acks, 0x51, 0x50)
				for row, reply := range map[string]string{`[{"a":1}]`: `{"error":""}`, "refuse": `{"error":"refused"}`, "panic": `{"error":"panic: sink"}`} {
					writeRaw(c, []byte(row))
					if got := string(readRaw(t, ack)); got != reply {
						t.Errorf("%s: %s", row, got)
					}
				}
				want.WriteString("[{\"a\":1}]\n")
			}
			for i := range 20_000 { // nobody reads the acks of these
				writeRaw(c, fmt.Appendf(nil, `[%d]`, i))
				fmt.Fprintf(&want, "[%d]\n", i)
			}
			_ = c.Close()
			if got := e.command("stop", "sink", "lines", "r", ""); got != "ok" {
				t.Error(got)
			}
			if b, _ := os.ReadFile(path); string(b) != want.String()+"closed\n" {
				t.Errorf("%d bytes of %d: %.100s", len(b), want.Len(), b)
			}
		})
	}
}

func TestEkuiperEnds(t *testing.T) {
	t.Run("term", func(t *testing.T) {
		e := startEkuiper(t)
		_ = e.Process.Signal(syscall.SIGTERM)
		if got := e.status(t); got != 0 {
			t.Errorf("status %d", got)
		}
	})
	t.Run("comes back", func(t *testing.T) {
		e := startEkuiper(t)
		_ = e.control.conn.Close()
		e.control.accept()
		if got := e.command("start", "func", "absent", "", ""); got != "symbol not found" {
			t.Error(got)
		}
	})
	t.Run("gone", func(t *testing.T) {
		if testing.Short() {
			t.Skip("takes as long as a plugin waits for its host")
		}
		t.Parallel()
		e := startEkuiper(t)
		_ = e.control.listener.Close()
		_ = e.control.conn.Close()
		if got := e.status(t); got != 1 {
			t.Errorf("status %d", got)
		}
	})
}

// Frames no host sends: the plugin drops that connection and comes again.
func TestEkuiperHostile(t *testing.T) {
	for name, frame := range map[string]string{
		"not a frame": "\x02\x00\x00\x00\x00\x00\x00\x00\x01x",
		"huge":        "\x01\xff\xff\xff\xff\xff\xff\xff\xff",
		"one GiB":     "\x01\x00\x00\x00\x00\x40\x00\x00\x01",
		"short":       "\x01\x00\x00\x00\x00\x00\x00\x00\x02ab",
	} {
		t.Run(name, func(t *testing.T) {
			e := startEkuiper(t)
			_, _ = e.control.conn.Write([]byte(frame))
			e.control.accept()
			if got := e.command("start", "func", "absent", "", ""); got != "symbol not found" {
				t.Error(got)
			}
		})
	}
	t.Run("another greeting", func(t *testing.T) {
		e := startEkuiper(t)
		_ = e.control.conn.Close()
		c, err := e.control.listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("GET / HTTP/1.1\r\n"))
		_ = c.Close()
		e.control.accept()
	})
}
