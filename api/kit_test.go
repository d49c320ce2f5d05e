package api_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// body is a function of the test runtime.
type body func(ctx context.Context, args []any) (any, error)

// testRuntime runs Go closures by name. A bundle holds nothing but a manifest
// and a file <name>.wasm that says "ok".
type testRuntime struct {
	funcs map[string]body
	taken lanesTaken
}

func (*testRuntime) Name() string { return "wasm" }
func (*testRuntime) Accepts(b host.Bundle) bool {
	return b.Plugin.Manifest.Language != host.LanguageNative
}
func (*testRuntime) Close(context.Context) error { return nil }

func (rt *testRuntime) Load(_ context.Context, b host.Bundle) (host.Module, error) {
	code, err := os.ReadFile(filepath.Join(b.Dir, b.Plugin.ID.Name+".wasm"))
	if err != nil || string(code) != "ok" {
		return nil, host.Errorf(host.ErrInvalid, "%s.wasm: found %q, expected a module", b.Plugin.ID.Name, code)
	}
	m := &testModule{rt, b}
	if b.Plugin.Manifest.Limits != (host.Limits{}) {
		return &boundModule{testModule: m}, nil
	}
	return m, nil
}

type testModule struct {
	rt *testRuntime
	b  host.Bundle
}

func (m *testModule) Symbols() []host.Symbol    { return m.b.Plugin.Manifest.List() }
func (*testModule) Close(context.Context) error { return nil }
func (*testModule) Sink(string, *host.Call, host.Props) (host.Sink, error) {
	return nil, host.ErrNotFound
}

func (*testModule) Source(string, *host.Call, host.Props) (host.Source, error) {
	return nil, host.ErrNotFound
}

func (m *testModule) Function(name string) (host.Function, error) {
	f := m.rt.funcs[name]
	if f == nil {
		return m.laned(name)
	}
	sig := host.Signature{Variadic: true}
	if s, ok := m.b.Plugin.Manifest.Symbols[name]; ok {
		sig = s
	}
	return &testFunction{f, sig}, nil
}

// boundModule is a module whose manifest has limits: it is granted them, and each
// call costs 41.
type boundModule struct {
	*testModule
	fuel atomic.Uint64
}

func (m *boundModule) Fuel() uint64          { return m.fuel.Load() }
func (m *boundModule) Waited() time.Duration { return time.Duration(m.fuel.Load()) * time.Millisecond }

func (m *boundModule) Grant() host.Grant {
	return host.Grant{Limits: m.b.Plugin.Manifest.Limits, Capabilities: m.b.Plugin.Manifest.Requires}
}

func (m *boundModule) Function(name string) (host.Function, error) {
	f, err := m.testModule.Function(name)
	return &boundFunction{f, m}, err
}

type boundFunction struct {
	host.Function
	m *boundModule
}

func (f *boundFunction) ExecMetered(ctx context.Context, c *host.Call, args []any) (any, uint64, error) {
	f.m.fuel.Add(41)
	v, err := f.Exec(ctx, c, args)
	return v, 41, err
}

type testFunction struct {
	run body
	sig host.Signature
}

func (f *testFunction) Signature() *host.Signature { return &f.sig }
func (f *testFunction) Validate(args []any) error  { return f.sig.Check(args) }
func (f *testFunction) Exec(ctx context.Context, _ *host.Call, args []any) (any, error) {
	if err := f.sig.Check(args); err != nil {
		return nil, err
	}
	return f.run(ctx, args)
}

func guest(f host.Fault, class, output, text string) error {
	return &host.GuestError{
		Plugin: host.ID{Class: host.ClassWASM, Name: "kit"}, Version: "1.0.0", Symbol: "f",
		Fault: f, Class: class, Output: output, Err: errors.New(text),
	}
}

// funcs are what bundles of the tests can export.
func funcs() map[string]body {
	failing := func(err error) body {
		return func(context.Context, []any) (any, error) { return nil, err }
	}
	return map[string]body{
		"echo":   func(_ context.Context, a []any) (any, error) { return a[0], nil },
		"list":   func(_ context.Context, a []any) (any, error) { return append([]any{}, a...), nil },
		"add":    func(_ context.Context, a []any) (any, error) { return a[0].(int64) + a[1].(int64), nil },
		"size":   func(_ context.Context, a []any) (any, error) { return int64(len(a[0].([]byte))), nil },
		"bytes":  func(context.Context, []any) (any, error) { return []byte{0, 255}, nil },
		"nan":    func(_ context.Context, a []any) (any, error) { return a[0].(float64) / 0 * 0, nil },
		"now":    func(context.Context, []any) (any, error) { return time.Unix(1, 5).UTC(), nil },
		"odd":    func(context.Context, []any) (any, error) { return struct{}{}, nil },
		"value":  func(context.Context, []any) (any, error) { return []any{errors.New("cell")}, nil },
		"panics": func(context.Context, []any) (any, error) { panic("plugin code") },
		"vanish": func(context.Context, []any) (any, error) { runtime.Goexit(); return nil, nil },
		"absent": failing(host.Errorf(host.ErrUnavailable, "wasm/kit: function absent: Kit.so does not export Absent: register the names of its functions")),
		"fail":   failing(guest(host.FaultReturned, "usage", "said \"so\"", "no luck")),
		"io":     failing(guest(host.FaultReturned, "io", "", "line is down")),
		"trap":   failing(guest(host.FaultTrap, "", "", "unreachable")),
		"exit":   failing(guest(host.FaultExit, "", "", "exit 3")),
		"memory": failing(guest(host.FaultMemory, "", "", "pointer 1 beyond 0")),
		"result": failing(guest(host.FaultResult, "", "", "frame ends early")),
		"fuel":   failing(guest(host.FaultFuel, "", "", "used 1000001, expected at most 1000000")),
		"stack":  failing(guest(host.FaultStack, "", "", "70000 bytes deep")),
		"late":   failing(guest(host.FaultDeadline, "", "", "50ms are up")),
		"busy":   failing(host.Errorf(host.ErrBusy, "function busy: all 4 instances are taken")),
		"broken": failing(host.Errorf(host.ErrUnavailable, "function broken: plugin wasm/kit does not run: too many traps")),
		"closed": failing(host.Errorf(host.ErrClosed, "function closed: the host is closed")),
		"plain":  failing(errors.New("disk on fire")),
		"slow": func(ctx context.Context, a []any) (any, error) {
			d, _ := a[0].(int64)
			select {
			case <-time.After(time.Duration(d) * time.Millisecond):
				return d, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}
}

// bundle makes a package: a manifest that lists functions, and a module.
func bundle(t testing.TB, name, version string, functions ...string) []byte {
	t.Helper()
	var described []string
	for _, line := range []string{
		`"add":{"args":["i64","i64"],"returns":"i64","description":"a sum"}`,
		`"size":{"args":["bytes"],"returns":"i64"}`, `"nan":{"args":["f64"],"returns":"f64"}`,
	} {
		for _, f := range functions {
			if strings.HasPrefix(line, `"`+f+`"`) {
				described = append(described, line)
			}
		}
	}
	return pack(t, map[string]string{
		name + ".json": fmt.Sprintf(`{"version":%q,"functions":["%s"],"wasmEngine":"wasmedge","symbols":{%s}}`,
			version, strings.Join(functions, `","`), strings.Join(described, ",")),
		name + ".wasm": "ok",
	})
}

func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// kit is a host behind a server on a loopback port.
type kit struct {
	t    testing.TB
	rt   *testRuntime
	host *host.Host
	srv  *api.Server
	addr string
	home string
	// client sends requests; keep-alive is on.
	client *http.Client
	end    func()
}

func newKit(t testing.TB, o api.Options) *kit {
	t.Helper()
	return newKitIn(t, t.TempDir(), o)
}

func newKitIn(t testing.TB, home string, o api.Options) *kit {
	t.Helper()
	return newKitUnder(t, home, host.InstallPolicy{PrivateNet: true}, o)
}

func newKitUnder(t testing.TB, home string, policy host.InstallPolicy, o api.Options) *kit {
	t.Helper()
	rt := &testRuntime{funcs: funcs()}
	h, err := host.Open(context.Background(), host.Options{
		Home: home, Runtimes: []host.Runtime{portableRuntime{}, rt, nativeRuntime{}}, Store: &hosttest.MemStore{},
		Install: policy,
	})
	if err != nil {
		t.Fatal(err)
	}
	if o.AllowedHosts == nil {
		o.AllowedHosts = []string{"x"} // the Host of requests that are written by hand
	}
	srv, err := api.New(h, o)
	if err != nil {
		t.Fatal(err)
	}
	api.Loopback(srv)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{t: t, rt: rt, host: h, srv: srv, addr: ln.Addr().String(), home: home, client: &http.Client{Transport: &http.Transport{}}}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	k.end = sync.OnceFunc(func() {
		k.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.Close(ctx)
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := h.Close(ctx); err != nil {
			t.Errorf("host: %v", err)
		}
	})
	t.Cleanup(k.end)
	return k
}

// install puts a plugin into the host, past the API.
func (k *kit) install(name string, functions ...string) {
	k.t.Helper()
	_, err := k.host.Install(context.Background(), host.Request{
		ID:      host.ID{Class: host.ClassWASM, Name: name},
		Archive: bytes.NewReader(bundle(k.t, name, "1.0.0", functions...)),
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request; header is pairs.
func (k *kit) do(method, path string, body any, header ...string) reply {
	k.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	case []byte:
		r = bytes.NewReader(b)
	case io.Reader:
		r = b
	}
	req, err := http.NewRequest(method, "http://"+k.addr, r)
	if err != nil {
		k.t.Fatal(err)
	}
	req.URL.Opaque = path // as it is, uncleaned
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := k.client.Do(req)
	if err != nil {
		k.t.Fatalf("%s %s: %v", method, path, err)
	}
	return read(k.t, resp)
}

func read(t testing.TB, resp *http.Response) reply {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// wire is a connection that is written to by hand.
type wire struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (k *kit) dial() *wire {
	k.t.Helper()
	c, err := net.Dial("tcp", k.addr)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return &wire{k.t, c, bufio.NewReader(c)}
}

func (w *wire) send(format string, a ...any) *wire {
	w.t.Helper()
	if _, err := fmt.Fprintf(w, format, a...); err != nil {
		w.t.Logf("send: %v", err)
	}
	return w
}

func (w *wire) reply() reply {
	w.t.Helper()
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		w.t.Fatalf("no answer: %v", err)
	}
	return read(w.t, resp)
}

// gone waits for the server to close the connection.
func (w *wire) gone() {
	w.t.Helper()
	if b, err := io.ReadAll(w.r); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Fatalf("connection is open: read %q, %v", b, err)
	}
}

// want compares a reply with status, content type and body, and looks for what
// every answer has.
func (r reply) want(t testing.TB, status int, kind, body string) {
	t.Helper()
	if r.status != status || r.header.Get("Content-Type") != kind || r.body != body {
		t.Errorf("found    %d %s %q\nexpected %d %s %q", r.status, r.header.Get("Content-Type"), r.body, status, kind, body)
	}
	if r.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("no nosniff")
	}
}

const (
	text = "text/plain; charset=utf-8"
	js   = "application/json"
	nd   = "application/x-ndjson"
	zipT = "application/zip"
)
