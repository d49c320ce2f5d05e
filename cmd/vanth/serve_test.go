package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/vanth-io/vanth/cmd/vanth/internal/config"
)

// logged is a log that can be read while it is written.
type logged struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var (
	servingLine = regexp.MustCompile(`msg=serving address="?([^" ]+)`)
	tcpAddress  = regexp.MustCompile(`^http://127\.0\.0\.1:\d+$`)
)

// address waits for the line that says where the server listens, and returns
// its first address.
func (l *logged) address(t *testing.T, ended <-chan struct{}) string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		if m := servingLine.FindStringSubmatch(l.String()); m != nil {
			return m[1]
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ended:
			t.Fatalf("ended before it served:\n%s", l)
		case <-deadline:
			t.Fatalf("does not serve:\n%s", l)
		}
	}
}

// testConfig is the default configuration on a free port of a new home.
func testConfig(t *testing.T) (string, config.Config) {
	t.Helper()
	home := t.TempDir()
	if _, err := config.Prepare(home); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Basic.RestPort = 0
	return home, c
}

// get asks for a path on a connection of its own.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}

// noLeaks fails a test that leaves goroutines behind. Two of fasthttp's sleep a
// while, or for good, and cannot be ended.
func noLeaks(t *testing.T) {
	t.Helper()
	goleak.VerifyNone(t,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func TestServeUntilContextEnds(t *testing.T) {
	defer noLeaks(t)
	home, c := testConfig(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	log, ended := &logged{}, make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = serve(ctx, home, c, slog.New(slog.NewTextHandler(log, nil)))
	}()
	address := log.address(t, ended)
	if !tcpAddress.MatchString(address) {
		t.Errorf("address %q", address)
	}
	if status, _ := get(t, address+"/ping"); status != 200 {
		t.Errorf("ping: %d", status)
	}
	for _, field := range []string{"home=" + home, "plugins=0", "broken=0", "version="} {
		if !strings.Contains(log.String(), field) {
			t.Errorf("the line at start does not say %s:\n%s", field, log)
		}
	}
	cancel()
	<-ended
	if err != nil || !strings.Contains(log.String(), "msg=stopped") {
		t.Errorf("error %v\n%s", err, log)
	}
}

// TestOpenUndoes holds that a start that fails half way leaves nothing open:
// the same home and address can be opened at once.
func TestOpenUndoes(t *testing.T) {
	defer noLeaks(t)
	home, c := testConfig(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Basic.RestPort = taken.Addr().(*net.TCPAddr).Port
	log := slog.New(slog.DiscardHandler)
	_, err = open(t.Context(), home, c, log)
	if err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Fatalf("got %v, want the address to be taken", err)
	}
	taken.Close()
	s, err := open(t.Context(), home, c, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCloseOrder holds that parts are closed in the reverse order of opening,
// and all of them also when one fails.
func TestCloseOrder(t *testing.T) {
	var order []string
	s := &server{}
	for _, name := range []string{"store", "wasm", "host", "api"} {
		s.opened(name, func(context.Context) error {
			order = append(order, name)
			return io.ErrUnexpectedEOF
		})
	}
	err := s.close(t.Context())
	if diff := cmp.Diff([]string{"api", "host", "wasm", "store"}, order); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err == nil || strings.Count(err.Error(), "stop: ") != 4 {
		t.Errorf("got %v, want four errors", err)
	}
}

func TestStopIsBounded(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	s := &server{}
	s.opened("stuck", func(context.Context) error { <-release; return nil })
	began := time.Now()
	err := stopWithin(t.Context(), 10*time.Millisecond, s, slog.New(slog.DiscardHandler))
	if err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}

// TestOptionsCarryEveryValue holds that no key of the configuration is lost on
// its way: each one that reaches a package arrives there.
func TestOptionsCarryEveryValue(t *testing.T) {
	c := config.Default()
	c.Limits = config.Limits{
		PackageMiB: 1, UnpackedMiB: 2, BodyMiB: 3, FetchTimeout: 4, LoadTimeout: 5, StateCheckpoint: 6, Drain: 7,
	}
	c.Basic.InstallScriptTimeout = 8
	log := slog.New(slog.DiscardHandler)
	h := hostOptions("/h", c, log)
	got := []int64{
		h.Install.MaxPackage >> 20, h.Install.MaxUnpacked >> 20, 3, int64(h.Install.FetchTimeout), int64(h.Install.LoadTimeout),
		int64(h.Checkpoint), int64(h.Drain), int64(h.Install.ScriptTimeout),
	}
	a := apiOptions("/h", c, log, nil, nil)
	got[2] = a.MaxBody >> 20
	if diff := cmp.Diff([]int64{1, 2, 3, 4, 5, 6, 7, 8}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if h.Install.Scripts || h.Install.PrivateNet || h.Install.ExternalFiles || a.Auth != nil {
		t.Error("the defaults permit something")
	}
	c.Basic.InstallScript, c.Basic.PrivateNet, c.Basic.ExternalFiles, c.Basic.Authentication = "allow", true, true, true
	h, a = hostOptions("/h", c, log), apiOptions("/h", c, log, nil, nil)
	if !h.Install.Scripts || !h.Install.PrivateNet || !h.Install.ExternalFiles || a.Auth == nil || a.Auth.Keys != "/h/etc/mgmt" {
		t.Error("what was permitted did not arrive")
	}
	c.WASM.Fuel, c.WASM.StackKiB, c.WASM.TableEntries, c.WASM.OutputKiB = 1<<40, 2, 3, 4
	c.WASM.ModuleMiB, c.WASM.LogKiBs, c.WASM.StateKiBs = 5, 6, 7
	c.WASM.CompileTime, c.WASM.CompileMiB, c.WASM.Quarantine, c.WASM.CPUPercent = 8, 9, 0, 10
	bound := wasmOptions("/h", c, log)
	got = []int64{
		bound.Fuel, int64(bound.StackKiB), int64(bound.TableEntries), int64(bound.OutputKiB),
		int64(bound.MaxModuleMiB), int64(bound.LogKiBs), int64(bound.StateKiBs),
		int64(bound.CompileTime), int64(bound.CompileMiB), int64(bound.Quarantine), int64(bound.CPUPercent),
	}
	if diff := cmp.Diff([]int64{1 << 40, 2, 3, 4, 5, 6, 7, 8, 9, -1, 10}, got); diff != "" {
		t.Errorf("wasm: -want +got:\n%s", diff)
	}
	c.WASM.Grants = []string{} // nothing granted must not become the default
	if w := wasmOptions("/h", c, log); w.Grants == nil || w.MemoryMiB != 16 || w.CallTimeout != time.Second || w.Engine != "auto" {
		t.Errorf("wasm: %+v", w)
	}
}

func TestListenUnix(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run", "v.sock")
	l, err := listenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := listenUnix(t.Context(), path); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("a socket in use: got %v", err)
	}
	// A killed server leaves its socket behind.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err = listenUnix(t.Context(), path); err != nil {
		t.Fatalf("a socket left behind: %v", err)
	}
	l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(t.Context(), file); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file: got %v", err)
	}
	if b, _ := os.ReadFile(file); string(b) != "x" {
		t.Error("the file was removed")
	}
}

func TestServeFlags(t *testing.T) {
	for _, c := range []struct {
		listen, socket, stop string
		want                 string
	}{
		{"", "", "", ""},
		{"127.0.0.1:0", "", "", "basic.restIp=127.0.0.1 basic.restPort=0"},
		{"[::1]:99", "", "5s", "basic.restIp=::1 basic.restPort=99 basic.gracefulShutdownTimeout=5s"},
		{":99", "/v.sock", "", "basic.restIp=0.0.0.0 basic.restPort=99 basic.restSocket=/v.sock"},
		{"99", "", "", "error"},
	} {
		flags, err := serveFlags(c.listen, c.socket, c.stop)
		words := make([]string, len(flags))
		for i, f := range flags {
			words[i] = f.Key + "=" + f.Value
		}
		got := strings.Join(words, " ")
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

func TestFindHome(t *testing.T) {
	for i, c := range []struct {
		flag string
		vars []string
		want string
	}{
		{"/f", []string{"VANTH_HOME=/v"}, "/f"},
		{"", []string{"VANTH_HOME=/v", "XDG_DATA_HOME=/x"}, "/v"},
		{"", []string{"XDG_DATA_HOME=/x", "HOME=/u"}, "/x/vanth"},
		{"", []string{"XDG_DATA_HOME=rel", "HOME=/u"}, "/u/.local/share/vanth"},
		{"", nil, ""},
	} {
		if got, err := findHome(c.flag, env{vars: c.vars}); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %q, %v", strconv.Itoa(i), got, err)
		}
	}
}
