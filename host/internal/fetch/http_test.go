package fetch

import (
	"bytes"
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
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// site serves what the tests ask for.
func site(t *testing.T, start func(http.Handler) *httptest.Server) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/ok.zip", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "content") })
	mux.HandleFunc("/empty.zip", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/204.zip", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/304.zip", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	mux.HandleFunc("/endless.zip", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write(make([]byte, 4096))
		}
	})
	mux.HandleFunc("/loop.zip", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop.zip", http.StatusFound) })
	mux.HandleFunc("/hops/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		fmt.Sscanf(r.PathValue("n"), "%d", &n)
		next := fmt.Sprintf("/hops/%d.zip", n-1)
		if n <= 1 {
			next = "/ok" // redirects need not end in .zip
		}
		http.Redirect(w, r, next, http.StatusMovedPermanently)
	})
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "content") })
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("u"); to != "" {
			w.Header().Set("Location", to)
		}
		w.WriteHeader(http.StatusFound)
	})
	s := start(mux)
	t.Cleanup(s.Close)
	return s
}

// fetchURL downloads, and checks that nothing goes on afterwards.
func fetchURL(t *testing.T, p Policy, rawURL string) (string, error) {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	var dst bytes.Buffer
	_, err := File(t.Context(), p, rawURL, "", &dst)
	// The servers of these tests drop a connection as soon as we do.
	if leak := goleak.Find(leaks, goleak.IgnoreAnyFunction("net/http.(*conn).serve"), goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead")); leak != nil {
		t.Error(leak)
	}
	return dst.String(), err
}

func open() Policy { return Policy{PrivateNet: true, MaxBytes: 1 << 20, Timeout: 5 * time.Second} }

func TestDownload(t *testing.T) {
	s := site(t, httptest.NewServer)
	for _, path := range []string{"/ok.zip", "/hops/1.zip", "/hops/5.zip"} {
		if got, err := fetchURL(t, open(), s.URL+path); err != nil || got != "content" {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if got, err := fetchURL(t, open(), s.URL+"/empty.zip"); err != nil || got != "" {
		t.Error(got, err)
	}
	var dst bytes.Buffer
	got, err := File(t.Context(), open(), s.URL+"/ok.zip", digestOf("content"), &dst)
	if err != nil || got.Size != 7 || got.SHA256 != digestOf("content") {
		t.Error(got, err)
	}
	_, err = File(t.Context(), open(), s.URL+"/ok.zip", digestOf("other"), &dst)
	wants(t, err, true, "sha256 mismatch: expected "+digestOf("other")+", got "+digestOf("content"))
}

func TestStatus(t *testing.T) {
	s := site(t, httptest.NewServer)
	for path, want := range map[string]string{"/none.zip": "404 Not Found", "/204.zip": "204 No Content", "/304.zip": "304 Not Modified"} {
		_, err := fetchURL(t, open(), s.URL+path)
		if err == nil || err.Error() != "cannot download the file with status: "+want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestInternalNetIsRefused(t *testing.T) {
	s := site(t, httptest.NewServer)
	p := open()
	p.PrivateNet = false
	for _, u := range []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "localhost", 1), strings.Replace(s.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		_, err := fetchURL(t, p, u+"/ok.zip")
		wants(t, err, true, "in internal network", "basic.enablePrivateNet")
		if !strings.Contains(u, "localhost") { // which may be ::1
			wants(t, err, true, "ip 127.0.0.1 is in internal network")
		}
	}
}

// Each hop is judged: only 127.0.0.1 is "public" here, and it redirects to 127.0.0.2.
func TestRedirectToInternalNetIsRefused(t *testing.T) {
	s := site(t, httptest.NewServer)
	judge := func(a netip.Addr) error {
		if a.String() == "127.0.0.1" {
			return nil
		}
		return addressJudge(Policy{})(a)
	}
	try := func(judge func(netip.Addr) error, path string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		u, err := url.Parse(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = download(ctx, open().filled(), judge, u, "", &bytes.Buffer{})
		return err
	}
	if err := try(judge, "/hops/2.zip"); err != nil {
		t.Error(err)
	}
	wants(t, try(judge, "/to?u=http://127.0.0.2:1/x.zip"), true, "ip 127.0.0.2 is in internal network")
	wants(t, try(judge, "/to?u=http://[::1]:1/x.zip"), true, "ip ::1 is in internal network")
	// The broken variant: without the rule the same redirect is followed and the address dialed.
	lax := func(netip.Addr) error { return nil }
	wants(t, try(lax, "/to?u=http://127.0.0.2:1/x.zip"), false, "dial tcp 127.0.0.2:1: connect: connection refused")
}

func TestRedirects(t *testing.T) {
	s := site(t, httptest.NewServer)
	for path, want := range map[string]string{
		"/loop.zip":                    "redirect refused: found more than 5",
		"/hops/6.zip":                  "redirect refused: found more than 5",
		"/to?u=file:///etc/passwd.zip": `redirect refused: found scheme "file"`,
		"/to?u=ftp://h/x.zip":          `redirect refused: found scheme "ftp"`,
		"/to?u=http:///x.zip":          "redirect refused: expected a host",
	} {
		_, err := fetchURL(t, open(), s.URL+path)
		wants(t, err, true, want)
	}
	_, err := fetchURL(t, open(), s.URL+"/to?none=.zip") // no Location
	wants(t, err, false, "cannot download the file with status: 302 Found")
}

func TestTLS(t *testing.T) {
	s := site(t, func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused certificates
		s.EnableHTTP2 = true
		s.StartTLS()
		return s
	})
	plain := site(t, httptest.NewServer)
	p := open()
	_, err := fetchURL(t, p, s.URL+"/ok.zip")
	wants(t, err, false, "certificate")
	p.TLS = &tls.Config{InsecureSkipVerify: true}
	_, err = fetchURL(t, p, s.URL+"/ok.zip")
	wants(t, err, false, "certificate")

	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	p.TLS = &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}}
	if got, err := fetchURL(t, p, s.URL+"/hops/2.zip"); err != nil || got != "content" {
		t.Error(got, err)
	}
	_, err = fetchURL(t, p, s.URL+"/to?u="+plain.URL+"/ok.zip")
	wants(t, err, true, "redirect refused: it leads from https to http")
	if got, err := fetchURL(t, p, plain.URL+"/to?u="+s.URL+"/ok.zip"); err != nil || got != "content" {
		t.Error(got, err)
	}
}

func TestLimitCountsRealBytes(t *testing.T) {
	s := site(t, httptest.NewServer)
	p := open()
	got, err := fetchURL(t, p, s.URL+"/endless.zip")
	wants(t, err, true, "limit 1048576 bytes", "limits.packageMiB")
	if len(got) > 1<<20 {
		t.Errorf("%d bytes written", len(got))
	}
	p.MaxBytes = 6
	got, err = fetchURL(t, p, s.URL+"/ok.zip")
	if wants(t, err, true, "found at least 7 bytes, limit 6 bytes"); got != "" {
		t.Error("read in spite of its Content-Length")
	}
}

func TestDeclaredLengthIsRefusedAtOnce(t *testing.T) {
	addr := peer(t, func(c net.Conn) {
		c.Read(make([]byte, 4096))
		c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n"))
		until(c, "")
	})
	_, err := fetchURL(t, open(), "http://"+addr+"/x.zip")
	wants(t, err, true, "found at least 1048577 bytes, limit 1048576 bytes")
}

func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://192.0.2.1:1")
	}
	s := site(t, httptest.NewServer)
	if transport(t.Context(), open(), nil).Proxy != nil {
		t.Error("a proxy is asked")
	}
	if got, err := fetchURL(t, open(), s.URL+"/ok.zip"); err != nil || got != "content" {
		t.Error(got, err)
	}
}

// peer accepts connections and hands them to serve; they are closed at the end of the test.
func peer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// until writes chunk every few milliseconds, or only waits if it is empty, until the client leaves.
func until(c net.Conn, chunk string) {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if chunk == "" {
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	}
	for {
		if _, err := c.Write([]byte(chunk)); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestSlowPeers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
	answer := func(head, chunk string) func(net.Conn) {
		return func(c net.Conn) {
			c.Read(make([]byte, 4096))
			c.Write([]byte(head))
			until(c, chunk)
		}
	}
	for name, c := range map[string]struct {
		scheme string
		serve  func(net.Conn)
	}{
		"silent":            {"http", answer("", "")},
		"silent TLS":        {"https", answer("", "")},
		"trickles TLS":      {"https", answer("\x16\x03\x03\x3f\xff", "\x02")},
		"trickles headers":  {"http", answer("HTTP/1.1 200 OK\r\n", "X: y\r\n")},
		"stalls body":       {"http", answer(head, "")},
		"trickles body":     {"http", answer(head, "x")},
		"trickles redirect": {"http", answer("HTTP/1.1 302 Found\r\nLocation: /y\r\n\r\n", "x")},
		"endless hints":     {"http", answer("", "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n")},
	} {
		t.Run(name, func(t *testing.T) {
			p, addr := open(), peer(t, c.serve)
			p.Timeout = 100 * time.Millisecond
			start := time.Now()
			_, err := fetchURL(t, p, c.scheme+"://"+addr+"/x.zip")
			if time.Since(start) > 3*time.Second {
				t.Errorf("took %s", time.Since(start))
			}
			if wants(t, err, false, "transfer not done after 100ms"); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		addr := peer(t, func(c net.Conn) { until(c, "") })
		leaks := goleak.IgnoreCurrent()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err := File(ctx, open(), scheme+"://"+addr+"/x.zip", "", &bytes.Buffer{})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if leak := goleak.Find(leaks); leak != nil {
			t.Error(leak)
		}
	}
}

func TestRudePeers(t *testing.T) {
	for name, c := range map[string]struct{ answer, want string }{
		"hangs up":            {"", "EOF"},
		"no http":             {"SSH-2.0-OpenSSH\r\n\r\n", "malformed HTTP"},
		"hangs up in headers": {"HTTP/1.1 200 OK\r\nContent-", "malformed MIME header"},
		"hangs up in body":    {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "unexpected EOF"},
		"bad chunks":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "invalid byte in chunk length"},
		"negative length":     {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc", "bad Content-Length"},
		"huge header":         {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", "exceeded"},
		"own words":           {"HTTP/1.1 418 \x1b[31mred\r\n\r\n", "status: 418 I'm a teapot"},
		"unknown status":      {"HTTP/1.1 799 what\r\n\r\n", "status: 799"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := peer(t, func(conn net.Conn) {
				conn.Read(make([]byte, 4096))
				conn.Write([]byte(c.answer))
			})
			_, err := fetchURL(t, open(), "http://"+addr+"/x.zip")
			wants(t, err, false, c.want)
			if strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("%q", err)
			}
		})
	}
}

func TestNothingIsDialedForABadRequest(t *testing.T) {
	addr := peer(t, func(net.Conn) { t.Error("dialed") })
	_, err := fetchURL(t, open(), "http://"+addr+"/x.tar")
	wants(t, err, true, "invalid uri")
	_, err = File(t.Context(), open(), "http://"+addr+"/x.zip", "123", &bytes.Buffer{})
	wants(t, err, true, "invalid sha256")
}

// A password in the URL must not come back in an error of the network.
func TestPasswordIsNotInErrors(t *testing.T) {
	addr := peer(t, func(c net.Conn) {})
	_, err := fetchURL(t, open(), "http://user:hunter2@"+addr+"/x.zip")
	if wants(t, err, false); strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}
