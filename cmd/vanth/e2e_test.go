package main

import (
	"bytes"
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
)

// built is where TestMain has room for the binary.
var built string

// binary builds vanth once for all tests of a run, as it is shipped.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "vanth")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-tags=nethttpomithttp2", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	compileChild() // of the hosts in this process
	var err error
	if built, err = os.MkdirTemp("", "vanth-e2e-*"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// process is a running vanth.
type process struct {
	cmd     *exec.Cmd
	log     *logged
	ended   chan struct{} // closed when it ended; code is valid then
	code    int           // -1 when a signal ended it
	address string
}

// startServe starts `vanth serve` and waits until it serves.
func startServe(t *testing.T, home string, args ...string) *process {
	t.Helper()
	p := launch(t, append([]string{"serve", "--home", home, "--listen", "127.0.0.1:0"}, args...)...)
	p.address = p.log.address(t, p.ended)
	return p
}

// launch starts vanth; it is killed when the test ends.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return launchBinary(t, path, args...)
}

// launchBinary starts a build of vanth.
func launchBinary(t *testing.T, path string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(path, args...), log: &logged{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		err := p.cmd.Wait()
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			p.code = e.ExitCode()
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// wait returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.code
	case <-time.After(30 * time.Second):
		t.Fatalf("does not end:\n%s", p.log)
		return 0
	}
}

func TestE2EStopsOnSignal(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		home := filepath.Join(t.TempDir(), "home")
		p := startServe(t, home, "--socket", filepath.Join(home, "v.sock"))
		if status, body := get(t, p.address+"/ping"); status != 200 || body != "" {
			t.Errorf("ping: %d %q", status, body)
		}
		if _, err := os.Stat(filepath.Join(home, "etc", "kuiper.yaml")); err != nil {
			t.Error(err)
		}
		for _, server := range []string{p.address, "unix://" + filepath.Join(home, "v.sock")} {
			out := &bytes.Buffer{}
			path, _ := binary()
			cmd := exec.Command(path, "--server", server, "plugin", "list", "-o", "json")
			cmd.Stdout, cmd.Stderr = out, out
			if err := cmd.Run(); err != nil || strings.TrimSpace(out.String()) != "[]" {
				t.Errorf("plugin list at %s: %v %s", server, err, out)
			}
		}
		if err := p.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := p.wait(t); code != exitOK || !strings.Contains(p.log.String(), "msg=stopped") {
			t.Errorf("%s: exit code %d\n%s", sig, code, p.log)
		}
		if _, err := os.Stat(filepath.Join(home, "v.sock")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	}
}

func TestE2EStopsOnRequest(t *testing.T) {
	p := startServe(t, t.TempDir())
	if status, body := get(t, p.address+"/stop"); status != 200 || body != "stop success" {
		t.Errorf("stop: %d %q", status, body)
	}
	if code := p.wait(t); code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.log)
	}
}

// TestE2ESecondSignal holds a request open, so that a stop in good order would
// take long.
func TestE2ESecondSignal(t *testing.T) {
	p := startServe(t, t.TempDir(), "--stop-timeout", "5m")
	c, err := net.Dial("tcp", strings.TrimPrefix(p.address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /plugins/wasm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{")
	time.Sleep(200 * time.Millisecond) // until the request is being handled
	for i := range 2 {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			select {
			case <-p.ended:
				t.Fatalf("no request was held open: it ended with %d\n%s", p.code, p.log)
			case <-time.After(500 * time.Millisecond):
			}
		}
	}
	if code := p.wait(t); code == exitOK {
		t.Errorf("exit code %d: the second signal did not end it at once\n%s", code, p.log)
	}
}

func TestE2EOneServerPerHome(t *testing.T) {
	home := t.TempDir()
	startServe(t, home)
	second := launch(t, "serve", "--home", home, "--listen", "127.0.0.1:0")
	if code := second.wait(t); code != exitFailed || !strings.Contains(second.log.String(), "another host uses this home") {
		t.Errorf("exit code %d\n%s", code, second.log)
	}
}

// TestE2EAfterKill holds that what a killed server leaves stops nobody.
func TestE2EAfterKill(t *testing.T) {
	home := t.TempDir()
	socket := filepath.Join(home, "v.sock")
	p := startServe(t, home, "--socket", socket)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	p = startServe(t, home, "--socket", socket)
	if status, _ := get(t, p.address+"/ping"); status != 200 {
		t.Errorf("ping: %d", status)
	}
}

func TestE2EWrongConfiguration(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "etc", "kuiper.yaml"), []byte("basic:\n  restPort: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"serve --home " + home, `kuiper.yaml:2: basic.restPort: found text "x"`},
		{"serve --home " + t.TempDir() + " --listen 0.0.0.0:0", "basic.insecure: true"},
	} {
		p := launch(t, strings.Fields(c.args)...)
		if code := p.wait(t); code != exitUsage || !strings.Contains(p.log.String(), c.want) {
			t.Errorf("%s: exit code %d\n%s", c.args, code, p.log)
		}
	}
}

// TestE2ESize holds the budget of the binary, and that nothing in it switches
// the linker's removal of dead code off, as running templates would. Names of
// functions stay in a stripped binary.
func TestE2ESize(t *testing.T) {
	const budget = 16_000_000
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(b))
	if len(b) > budget {
		t.Errorf("found %d bytes, expected at most %d", len(b), budget)
	}
	if !bytes.Contains(b, []byte("main.newRoot")) {
		t.Error("no names of functions in the binary: the next check looks at nothing")
	}
	for _, name := range []string{"reflect.Value.MethodByName", "text/template.(*Template).Execute"} {
		if bytes.Contains(b, []byte(name)) {
			t.Errorf("%s is linked: the linker keeps every exported method", name)
		}
	}
}

// TestE2EStalledClient: a client that stops in the middle of a request does not
// hold up a stop, nor make it a failure.
func TestE2EStalledClient(t *testing.T) {
	p := startServe(t, t.TempDir())
	for _, half := range []string{
		"POST /plugins/wasm?name=x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/zip\r\nContent-Length: 100000\r\n\r\nPK",
		"POST /functions/x/call HTTP/1.1\r\nHo",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.address, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, half)
	}
	time.Sleep(200 * time.Millisecond) // until the requests are being read
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(t); code != exitOK || time.Since(began) > 6*time.Second {
		t.Errorf("exit code %d after %v\n%s", code, time.Since(began), p.log)
	}
}
