package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// authored is a plugin that its author starts: NAME is replaced by one that runs
// beside each other do not share in /tmp.
const authored = `
import threading
from vanth import Function, PluginConfig, Sink, Source, plugin

class Rows(Source):
    def configure(self, datasource, conf):
        self.topic, self.n, self.closed = datasource, conf["n"], threading.Event()

    def open(self, ctx):
        for i in range(int(self.n)):
            ctx.emit({"topic": self.topic, "i": i}, {"rule": ctx.get_rule_id()})
        ctx.emit_error("no more")
        self.closed.wait()

    def close(self, ctx):
        print("rows closed")
        self.closed.set()

class File(Sink):
    def configure(self, conf):
        pass

    def open(self, ctx):
        pass

    def collect(self, ctx, data):
        print("row", data.decode())
        if b"bad" in data:
            ctx.ack_error("a bad row")
        else:
            ctx.ack_ok()

    def close(self, ctx):
        print("file closed")

class Revert(Function):
    def validate(self, args):
        return "" if len(args) == 1 else "wants one argument"

    def exec(self, args, ctx):
        return args[0] and args[0][::-1]

    def is_aggregate(self):
        return False

plugin.start(PluginConfig("NAME", {"NAME_rows": Rows}, {"NAME_file": File}, {"NAME_revert": Revert}))
`

// author is who starts testserver, the plugin and both calls.
type author struct {
	*testing.T
	name, dir string
	out, errs logged
	done      chan int
	url       string
	in        *io.PipeWriter
	seen      int // bytes of out that were compared
}

// newAuthor writes the plugin and its manifest.
func newAuthor(t *testing.T, name string) *author {
	t.Helper()
	a := &author{T: t, name: fmt.Sprintf("%s%d", name, os.Getpid()), dir: t.TempDir(), done: make(chan int, 1)}
	a.file("plugin.py", a.named(authored))
	a.file(a.name+".json", a.named(`{"version":"1","language":"python","executable":"not-there.py","sources":["NAME_rows"],"sinks":["NAME_file"],"functions":["NAME_revert"]}`))
	return a
}

func (a *author) named(s string) string { return strings.ReplaceAll(s, "NAME", a.name) }

func (a *author) file(name, text string) string {
	a.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		a.Fatal(err)
	}
	return path
}

func (a *author) socket() string { return a.named("/tmp/plugin_NAME.ipc") }

// serve runs the command, which the function returned interrupts.
func (a *author) serve(args ...string) (interrupt func()) {
	a.Helper()
	ctx, cancel := context.WithCancel(a.Context())
	in, typed := io.Pipe()
	a.in = typed
	args = append([]string{"plugin", "testserver", "--plugin", filepath.Join(a.dir, a.name+".json"), "--listen", "127.0.0.1:0"}, args...)
	go func() { a.done <- run(ctx, args, env{in: in, out: &a.out, err: &a.errs}) }()
	a.until("it waits", func() bool { return strings.Contains(a.errs.String(), "waiting for the plugin") })
	a.url = regexp.MustCompile(`http://[0-9.:]+`).FindString(a.errs.String())
	return func() {
		cancel()
		typed.Close()
	}
}

// plug starts the plugin.
func (a *author) plug() (c *exec.Cmd, said *logged) {
	a.Helper()
	sdk, err := filepath.Abs("../../sdk/python")
	if err != nil {
		a.Fatal(err)
	}
	c, said = exec.Command("python3", filepath.Join(a.dir, "plugin.py")), &logged{}
	c.Env = append(os.Environ(), "PYTHONPATH="+sdk)
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c, said
}

func (a *author) until(what string, ok func() bool) {
	a.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			a.Fatalf("not so: %s\n%s%s", what, a.out.String(), a.errs.String())
		}
	}
}

// post makes one of the two calls.
func (a *author) post(path, body string, status int, answer string) {
	a.Helper()
	r, err := http.Post(a.url+path, "application/json", strings.NewReader(a.named(body)))
	if err != nil {
		a.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	if r.StatusCode != status || strings.TrimSpace(string(b)) != a.named(answer) {
		a.Errorf("POST %s %s: %d %q, expected %d %q", path, body, r.StatusCode, b, status, answer)
	}
}

func (a *author) types(line string) {
	a.Helper()
	if _, err := io.WriteString(a.in, a.named(line)+"\n"); err != nil {
		a.Fatal(err)
	}
}

// prints waits for the next lines of the output.
func (a *author) prints(lines ...string) {
	a.Helper()
	want := a.named(strings.Join(lines, "\n") + "\n")
	got := func() string { return a.out.String()[a.seen:] }
	a.until("output\n"+want, func() bool { return strings.Count(got(), "\n") >= len(lines) })
	if diff := cmp.Diff(want, got()); diff != "" {
		a.Errorf("output (-want +got):\n%s", diff)
	}
	a.seen = len(a.out.String())
}

// tells waits for a line of standard error.
func (a *author) tells(text string) {
	a.Helper()
	a.until(text, func() bool { return strings.Contains(a.errs.String(), a.named(text)) })
}

// ends waits for the exit code, and for what must not be left.
func (a *author) ends(code int) {
	a.Helper()
	select {
	case got := <-a.done:
		if got != code {
			a.Errorf("exit code %d, expected %d\n%s", got, code, a.errs.String())
		}
	case <-time.After(20 * time.Second):
		a.Fatal("it does not end")
	}
	if left, _ := filepath.Glob(a.named("/tmp/*NAME*.ipc")); len(left) > 0 {
		a.Errorf("sockets are left: %v", left)
	}
}

func needPython(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("SKIPPED ", t.Name(), ": python3 is not installed, so testserver is not tested with a plugin")
	}
}

// TestTestserver is an author's session: every kind of symbol, a restart of the
// plugin, and Ctrl-C.
func TestTestserver(t *testing.T) {
	needPython(t)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { // when the plugins are gone
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, before)
	})
	a := newAuthor(t, "tested")
	interrupt := a.serve()
	const (
		rows = `{"symbolName":"NAME_rows","meta":{"ruleId":"NAME","opId":"demo","instanceId":0},"pluginType":"source","dataSource":"topic","config":{"n":2}}`
		sink = `{"symbolName":"NAME_file","meta":{"ruleId":"NAME","opId":"out","instanceId":0},"pluginType":"sink","config":{"requireAck":true}}`
		lazy = `{"symbolName":"NAME_file","meta":{"ruleId":"NAME","opId":"lazy","instanceId":1},"pluginType":"sink"}`
	)
	a.post("/symbol/start", rows, 503, "plugin NAME is not connected: start it")
	first, said := a.plug()
	a.tells("are served")

	a.post("/symbol/start", rows, 200, "ok")
	sent := []string{
		`{"source":"NAME_rows","message":{"i":0,"topic":"topic"},"meta":{"rule":"NAME"}}`,
		`{"source":"NAME_rows","message":{"i":1,"topic":"topic"},"meta":{"rule":"NAME"}}`,
		`{"source":"NAME_rows","error":"portables/NAME 1: NAME_rows: no more"}`,
	}
	a.prints(sent...)
	a.post("/symbol/start", rows, 400, "source NAME_rows is started already")
	a.post("/symbol/start", `{"symbolName":"x","pluginType":"sink"}`, 400, "portables/NAME: sink x: not found")
	a.post("/symbol/start", `{"symbolName":"x","pluginType":"stone"}`, 400, `pluginType: found "stone", expected source, sink or func`)
	a.post("/symbol/start", `{`, 400, "Invalid body: decode error unexpected EOF")
	a.post("/symbol/stop", `{"symbolName":"x","pluginType":"sink"}`, 400, "Symbol x already close")

	a.types(`["abc"]`)
	a.tells("a line of the input waits")
	a.post("/symbol/start", `{"symbolName":"NAME_revert","pluginType":"func"}`, 200, "ok")
	a.prints(`{"function":"NAME_revert","args":["abc"],"result":"cba"}`)
	a.types(`[null]`)
	a.types(`[5000]`)
	a.types(`["a", 2]`)
	a.until("three lines", func() bool { return strings.Count(a.out.String()[a.seen:], "\n") == 3 })
	for i, want := range []string{`"result":null`, "not subscriptable", "validate: NAME_revert: wants one argument"} {
		if got := strings.Split(a.out.String()[a.seen:], "\n")[i]; !strings.Contains(got, a.named(want)) {
			t.Errorf("printed %s, expected %s", got, want)
		}
	}
	a.seen = len(a.out.String())

	a.post("/symbol/start", sink, 200, "ok")
	a.types(`["abc"]`)
	a.tells("several are started: begin the line with one of NAME_revert: NAME_file:")
	a.types(`NAME_nobody: ["abc"]`)
	a.tells(`the manifest has no function or sink`)
	a.types(`NAME_file: "abc"`)
	a.tells("expected an array or an object in JSON")
	a.types(`NAME_file: [{"a": 1.50}]`)
	a.prints(`{"sink":"NAME_file","row":[{"a":1.50}],"delivery":"acknowledged"}`)
	a.types(`NAME_file: {"a": "bad"}`)
	a.prints(`{"sink":"NAME_file","row":{"a":"bad"},"error":"portables/NAME 1: NAME_file: a bad row"}`)
	a.post("/symbol/start", lazy, 200, "ok")
	a.types(`sink/NAME_file: {"b": 1}`)
	a.until("a row", func() bool { return strings.Contains(said.String(), `row {"b": 1}`) })
	a.until("a line", func() bool { return strings.Contains(a.out.String()[a.seen:], `"row":{"b":1}`) })
	a.seen = len(a.out.String())
	a.post("/symbol/stop", lazy, 200, "ok")

	_ = first.Process.Kill()
	_, said = a.plug() // at once
	a.prints(append([]string{`{"source":"NAME_rows","error":"portables/NAME 1: NAME_rows: exit: the process ended"}`}, sent...)...)
	a.types(`NAME_revert: ["xyz"]`)
	a.prints(`{"function":"NAME_revert","args":["xyz"],"result":"zyx"}`)
	a.types(`NAME_file: {"c": 1}`)
	a.prints(`{"sink":"NAME_file","row":{"c":1},"delivery":"acknowledged"}`)

	a.post("/symbol/stop", `{"symbolName":"NAME_rows","pluginType":"source"}`, 200, "ok") // the only one
	a.until("the source is closed", func() bool { return strings.Contains(said.String(), "rows closed") })
	interrupt()
	a.ends(exitOK)
	a.until("the sink is closed", func() bool { return strings.Contains(said.String(), "file closed") })
}

// TestTestserverInput: a file of lines, of which those for what is not started
// yet wait.
func TestTestserverInput(t *testing.T) {
	needPython(t)
	a := newAuthor(t, "fed")
	input := a.file("rows.ndjson", a.named("NAME_revert: [\"abc\"]\n\nNAME_file: [{\"a\": 1}]\n"))
	interrupt := a.serve("--input", input)
	a.plug()
	a.tells("are served")
	a.post("/symbol/start", `{"symbolName":"NAME_revert","pluginType":"function"}`, 200, "ok")
	a.prints(`{"function":"NAME_revert","args":["abc"],"result":"cba"}`)
	a.post("/symbol/start", `{"symbolName":"NAME_file","meta":{"ruleId":"NAME"},"pluginType":"sink","config":{"requireAck":true}}`, 200, "ok")
	a.prints(`{"sink":"NAME_file","row":[{"a":1}],"delivery":"acknowledged"}`)
	interrupt()
	a.ends(exitOK)
}

// TestTestserverRefuses: what is wrong is told before anybody waits.
func TestTestserverRefuses(t *testing.T) {
	a := newAuthor(t, "refused")
	good := filepath.Join(a.dir, a.name+".json")
	wasm := a.file("w.json", `{"version":"1","language":"wasm","functions":["f"]}`)
	bare := a.file("b.json", `{"language":"python","executable":"b.py"}`)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	other, err := net.Listen("unix", a.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no manifest":    {nil, exitUsage, "expected the plugin's manifest, NAME.json"},
		"an archive":     {[]string{"--plugin", "x.zip"}, exitUsage, `found "x.zip"`},
		"no such file":   {[]string{"--plugin", "/nowhere/x.json"}, exitFailed, "no such file"},
		"no symbols":     {[]string{"--plugin", bare}, exitFailed, "must define at lease one source, sink or function"},
		"not a program":  {[]string{"--plugin", wasm}, exitFailed, `language "wasm" is not that of a program`},
		"no input":       {[]string{"--plugin", good, "--input", "/nowhere"}, exitFailed, "--input: open /nowhere"},
		"taken port":     {[]string{"--plugin", good, "--listen", busy.Addr().String()}, exitFailed, "--listen: "},
		"another host":   {[]string{"--plugin", good, "--listen", "127.0.0.1:0"}, exitFailed, a.socket()},
		"superfluous":    {[]string{"--plugin", good, "x"}, exitUsage, "unknown command"},
		"wrong duration": {[]string{"--plugin", good, "--wait", "x"}, exitUsage, "--wait"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := vanth(t, nil, append([]string{"plugin", "testserver"}, c.args...)...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("exit code %d, %q; expected %d, %q", code, errs, c.code, c.says)
			}
		})
	}
}

// TestTestserverForeignPage: a page of another origin cannot start symbols.
func TestTestserverForeignPage(t *testing.T) {
	a := newAuthor(t, "foreign")
	interrupt := a.serve()
	r, err := http.NewRequest("POST", a.url+"/symbol/start", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "http://example.org")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", answer.StatusCode)
	}
	interrupt()
	a.ends(exitOK)
}

// TestE2ETestserverStopsOnSignal: while it waits, Ctrl-C ends it in order.
func TestE2ETestserverStopsOnSignal(t *testing.T) {
	a := newAuthor(t, "signalled")
	p := launch(t, "plugin", "testserver", "--plugin", filepath.Join(a.dir, a.name+".json"), "--listen", "127.0.0.1:0")
	a.until("it waits", func() bool { return strings.Contains(p.log.String(), "waiting for the plugin") })
	if _, err := os.Stat(a.socket()); err != nil {
		t.Error(err)
	}
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	a.done <- p.wait(t)
	a.ends(exitOK)
	if !strings.Contains(p.log.String(), "msg=stopped") {
		t.Error(p.log)
	}
}
