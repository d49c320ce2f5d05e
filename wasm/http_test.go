package wasm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, yes, no string
	}{
		{"example.org", "http://example.org https://example.org:443 http://EXAMPLE.org./x", "http://example.org:443 https://example.org:8443 http://a.example.org http://badexample.org"},
		{"example.org:8080", "http://example.org:8080 https://example.org:8080", "http://example.org https://example.org"},
		{"Example.ORG.:*", "http://example.org http://example.org:1", "http://example.com"},
		{"*.example.org", "http://a.example.org https://a.b.example.org", "http://example.org http://a.example.org:81 http://a.example.org.evil.com"},
		{"*", "http://a https://93.184.216.34", "http://a:81"},
		{"*:*", "http://a:81 http://[2606:4700::1111]:7", ""},
		{"10.0.0.7:80", "http://10.0.0.7 http://[::ffff:10.0.0.7]", "http://10.0.0.70 http://10.0.0.7.example.org"},
		{"[fd00::7]:81", "http://[fd00::7]:81 http://[FD00:0::7]:81", "http://[fd00::7] http://[fd00::8]:81"},
		{"fd00::7", "http://[fd00::7]", "http://[fd00::7]:81"},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Error(err)
			continue
		}
		for want, urls := range map[bool]string{true: c.yes, false: c.no} {
			for _, u := range strings.Fields(urls) {
				req, err := http.NewRequest("GET", u, nil)
				if err != nil {
					t.Fatal(err)
				}
				name, port, usual := authority(req.URL)
				if p.matches(name, port, usual) != want {
					t.Errorf("%s stands for %s: %t", c.pattern, u, !want)
				}
			}
		}
	}
	for _, bad := range []string{"", ":80", "a:b", "a:70000", "a:+80", "a:", "http://a", "a/b", "*a", "a.*.b", "**", ".a", "u@a", "a b", "*.*:1", "..a"} {
		if p, err := parsePattern(bad); err == nil {
			t.Errorf("%q is taken for %+v", bad, p)
		}
	}
}

// TestHTTPIsDenied: both must ask for and allow it, and say what is missing.
func TestHTTPIsDenied(t *testing.T) {
	code, _ := assemble(t, "testdata/http.wat")
	granted := Options{Grants: []string{capHTTP}, HTTP: HTTP{Allow: []string{"a.example"}}}
	for _, c := range []struct {
		o    Options
		m    host.Manifest
		want string
	}{
		{granted, host.Manifest{}, `import vanth.http needs the capability "http"`},
		{granted, host.Manifest{Requires: []string{"http"}}, `"http" names no host`},
		{granted, host.Manifest{Requires: []string{"http"}, HTTP: []string{"http://x"}}, `"http" of the manifest: found "http://x", expected a port`},
		{Options{}, host.Manifest{Requires: []string{"http"}, HTTP: []string{"x"}}, "http: not granted here: add it to wasm.grants"},
		{Options{Grants: []string{capHTTP}}, host.Manifest{Requires: []string{"http"}, HTTP: []string{"x"}}, "name some in wasm.http"},
		{granted, host.Manifest{Requires: []string{"http"}, HTTP: []string{"x"}}, ""},
	} {
		c.m.Functions = []string{"http"}
		_, err := newRuntime(t, c.o).Load(context.Background(), bundle(t, "m", code, c.m))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	if _, err := New(context.Background(), Options{HTTP: HTTP{Allow: []string{"a b"}}}); !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), "wasm.http: ") {
		t.Error(err)
	}
}

// webBench is a guest with http and a server for it.
type webBench struct {
	t      *testing.T
	m      *module
	server *httptest.Server
}

// newWebBench allows the server, and whatever else is named.
func newWebBench(t *testing.T, o Options, h http.Handler, asked ...string) *webBench {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	code, _ := assemble(t, "testdata/http.wat")
	addr := server.Listener.Addr().String()
	o.Grants = []string{capHTTP}
	o.HTTP.Allow = append(o.HTTP.Allow, addr)
	rt := newRuntime(t, o)
	m := load(t, rt, bundle(t, "m", code, host.Manifest{Functions: []string{"http", "codes"}, Requires: []string{"http"}, HTTP: append(asked, addr), Limits: host.Limits{MemoryMiB: 8}}))
	return &webBench{t, m, server}
}

func (b *webBench) do(request any) (map[string]any, error) {
	v, err := fn(b.t, b.m, "http").Exec(context.Background(), nil, []any{request})
	m, _ := v.(map[string]any)
	return m, err
}

func (b *webBench) refused(request any, class, text string) {
	b.t.Helper()
	_, err := b.do(request)
	g, ok := errors.AsType[*host.GuestError](err)
	if !ok || g.Fault != host.FaultReturned || g.Class != class || !strings.Contains(err.Error(), text) {
		b.t.Errorf("%.100v: %v; want class %s and %q", request, err, class, text)
	}
}

func get(url string) map[string]any { return map[string]any{"url": url} }

func TestHTTP(t *testing.T) {
	b := newWebBench(t, Options{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Set-Cookie", "secret=1")
		w.WriteHeader(201)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL.Path, r.Header.Get("X-A"), r.UserAgent(), body)
	}))
	for want, request := range map[string]map[string]any{
		"GET /p  vanth ":      get(b.server.URL + "/p"),
		"POST /p v vanth hi":  {"url": b.server.URL + "/p", "body": []byte("hi"), "headers": map[string]any{"x-a": "v"}, "timeout": 900},
		"POST /p  vanth text": {"url": b.server.URL + "/p", "body": "text"},
		"PUT /p  vanth ":      {"url": b.server.URL + "/p", "method": "PUT", "headers": nil, "body": nil},
		"GET /p  me ":         {"url": b.server.URL + "/p", "headers": map[string]any{"User-Agent": "me"}},
	} {
		got, err := b.do(request)
		if err != nil || got["status"] != int64(201) || string(got["body"].([]byte)) != want {
			t.Errorf("%v: %v, %v; want %q", request, got, err, want)
			continue
		}
		if h := got["headers"].(map[string]any); h["content-type"] != "text/plain" || h["set-cookie"] != nil {
			t.Errorf("headers %v", h)
		}
	}
	for text, request := range map[string]any{
		"found number 7, expected a map": 7,
		`key "verb" is not known`:        map[string]any{"url": b.server.URL, "verb": "GET"},
		`method "TRACE"`:                 map[string]any{"url": b.server.URL, "method": "TRACE"},
		`url "ftp://x/"`:                 get("ftp://x/"),
		`url "http://u:p@x/"`:            get("http://u:p@x/"),
		`url ""`:                         map[string]any{},
		`url "http://"`:                  get("http://"),
		"body: found number 7":           map[string]any{"url": b.server.URL, "body": 7},
		"timeout: found":                 map[string]any{"url": b.server.URL, "timeout": "1s"},
		`header "Host"`:                  map[string]any{"url": b.server.URL, "headers": map[string]any{"Host": "x"}},
		`header "proxy-authorization"`:   map[string]any{"url": b.server.URL, "headers": map[string]any{"proxy-authorization": "x"}},
		`header "x-n"`:                   map[string]any{"url": b.server.URL, "headers": map[string]any{"x-n": 1}},
		`header "x y"`:                   map[string]any{"url": b.server.URL, "headers": map[string]any{"x y": "a"}},
		`header "x-v"`:                   map[string]any{"url": b.server.URL, "headers": map[string]any{"x-v": "a\r\nb: c"}},
		"headers: found":                 map[string]any{"url": b.server.URL, "headers": "x"},
		`host example.org:80 is not in "http" of the `: get("http://example.org/"),
	} {
		b.refused(request, "usage", text)
	}
	v, err := fn(t, b.m, "codes").Exec(context.Background(), nil, nil)
	if fmt.Sprint(v, err) != "[-1 -2 -3] <nil>" {
		t.Error(v, err)
	}
}

// TestHTTPHosts: manifest and operator must both name a host, and a private
// address counts only if the operator names it itself.
func TestHTTPHosts(t *testing.T) {
	hits := 0
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ })
	b := newWebBench(t, Options{HTTP: HTTP{Allow: []string{"localhost:*", "only.operator:*", "[::1]:1"}}}, h, "localhost:*", "only.manifest", "*.internal:*", "[::1]:1")
	_, port, _ := net.SplitHostPort(b.server.Listener.Addr().String())
	b.refused(get("http://only.manifest/"), "usage", "host only.manifest:80 is not allowed here: wasm.http does not name it")
	b.refused(get("http://only.operator/"), "usage", `host only.operator:80 is not in "http" of the plugin's manifest`)
	b.refused(get("http://127.0.0.1:1/"), "usage", "host 127.0.0.1:1 is not in")
	if hits != 0 {
		t.Errorf("%d hits", hits)
	}
	// The name is allowed and leads to an address that is allowed, or not.
	if _, err := b.do(get("http://localhost:" + port + "/")); err != nil || hits != 1 {
		t.Errorf("localhost: %v, %d hits", err, hits)
	}
	b.refused(get("http://localhost:2/"), "usage", "is not public: wasm.http does not name it")
	b.refused(get("http://[::1]:1/"), "io", "refused")
	star := newWebBench(t, Options{HTTP: HTTP{Allow: []string{"*:*"}}}, h, "*:*")
	for _, url := range []string{"http://127.0.0.1:9/", "http://[::1]:9/", "http://10.1.2.3/", "http://169.254.169.254/latest/meta-data/", "http://[::ffff:127.0.0.1]:9/", "http://0.0.0.0:9/", "http://2130706433:9/", "http://localhost:9/"} {
		_, err := star.do(get(url))
		if g, ok := errors.AsType[*host.GuestError](err); !ok || !strings.Contains(err.Error(), "is not public") && !strings.Contains(err.Error(), "lookup") || g.Fault != host.FaultReturned {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestHTTPRedirects: they are followed within a host, to no other, and not for
// ever.
func TestHTTPRedirects(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect led to another host") }))
	defer other.Close()
	otherAddr := other.Listener.Addr().String()
	var self string
	b := newWebBench(t, Options{HTTP: HTTP{Allow: []string{otherAddr}}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, "/here", http.StatusTemporaryRedirect)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/other":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/scheme":
			http.Redirect(w, r, strings.Replace(self, "http:", "https:", 1), http.StatusFound)
		default:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s", r.Method, body)
		}
	}), otherAddr)
	self = b.server.URL
	got, err := b.do(map[string]any{"url": self + "/same", "body": "x"})
	if err != nil || string(got["body"].([]byte)) != "POST x" {
		t.Errorf("within: %v, %v", got, err)
	}
	b.refused(get(self+"/other"), "usage", "redirect from "+self+" to "+other.URL+" refused: it leads to another host")
	b.refused(get(self+"/scheme"), "usage", "it leads to another host")
	b.refused(get(self+"/loop"), "usage", "more than 5 redirects")
}

// TestHTTPBounds: what is slow or huge is an error that the guest gets in time,
// within its call.
func TestHTTPBounds(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	b := newWebBench(t, Options{CallTimeout: time.Second, HTTP: HTTP{MaxBytes: 100_000}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/drip":
			for range 200 {
				if _, err := w.Write([]byte("x")); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		case "/huge":
			for range 1000 {
				if _, err := w.Write(make([]byte, 10_000)); err != nil {
					return
				}
			}
		case "/headers":
			w.Header().Set("X-Big", strings.Repeat("x", 100_000))
		case "/cut":
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("x"))
		case "/exact":
			w.Write(make([]byte, 100_000))
		}
	}))
	for _, path := range []string{"/slow", "/drip"} {
		began := time.Now()
		b.refused(get(b.server.URL+path), "io", "no answer within ")
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("%s took %v", path, took)
		}
	}
	began := time.Now()
	b.refused(map[string]any{"url": b.server.URL + "/slow", "timeout": 50}, "io", "no answer within 50ms")
	if took := time.Since(began); took > 800*time.Millisecond {
		t.Errorf("with a timeout: %v", took)
	}
	b.refused(get(b.server.URL+"/huge"), "usage", "the answer has more than 100000 bytes")
	b.refused(get(b.server.URL+"/headers"), "io", "exceeded")
	b.refused(get(b.server.URL+"/cut"), "io", "EOF")
	b.refused(map[string]any{"url": b.server.URL, "body": make([]byte, 100_001)}, "usage", "body of 100001 bytes: at most 100000")
	if got, err := b.do(get(b.server.URL + "/exact")); err != nil || len(got["body"].([]byte)) != 100_000 {
		t.Errorf("exactly as much: %v", err)
	}
	b.server.CloseClientConnections()
	b.server.Close()
	b.refused(get(b.server.URL), "io", "refused")
}

// TestHTTPBlocksNobody: plugins whose requests hang do not disturb another, and
// closing one ends its request.
func TestHTTPBlocksNobody(t *testing.T) {
	release := make(chan struct{})
	b := newWebBench(t, Options{CallTimeout: 20 * time.Second, PoolMax: 4}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer close(release)
	kit, _ := assemble(t, "testdata/kit.wat")
	echo := fn(t, load(t, b.m.rt, bundle(t, "kit", kit, host.Manifest{Functions: []string{"echo"}})), "echo")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := b.do(get(b.server.URL)); !errors.Is(err, host.ErrInterrupted) {
				t.Error(err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	for range 1000 {
		if _, err := echo.Exec(context.Background(), nil, []any{"x"}); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("1000 calls of another took %v", took)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := b.m.Close(ctx); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// TestHTTPCertificates: they are verified.
func TestHTTPCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	addr := server.Listener.Addr().String()
	h := http.NotFoundHandler()
	b := newWebBench(t, Options{HTTP: HTTP{Allow: []string{addr}, TLS: &tls.Config{InsecureSkipVerify: true}}}, h, addr)
	b.refused(get(server.URL), "io", "certificate")
	b = newWebBench(t, Options{HTTP: HTTP{Allow: []string{addr}, TLS: &tls.Config{RootCAs: roots}}}, h, addr)
	if got, err := b.do(get(server.URL)); err != nil || string(got["body"].([]byte)) != "ok" {
		t.Errorf("with the root: %v, %v", got, err)
	}
}
