package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/host"
)

// Close waits for the requests in flight and answers the late ones.
func TestCloseWaits(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "slow")
	w, late := k.dial(), k.dial()
	late.send("GET /ping HTTP/1.1\r\nHost: x\r\n").send("")
	w.send("POST /functions/slow/call HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{\"args\":[300]}")
	time.Sleep(100 * time.Millisecond)
	closed := make(chan error)
	go func() { closed <- k.srv.Close(t.Context()) }()
	time.Sleep(50 * time.Millisecond)
	if c, err := net.Dial("tcp", k.addr); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	late.send("\r\n").reply().want(t, 503, text, ours(6009, "the server is closing; the host is stopping; retry when it is back"))
	late.gone()
	w.reply().want(t, 200, js, `{"result":300}`)
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := k.srv.Close(t.Context()); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// Close ends by force what does not end, and says so.
func TestCloseForces(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "slow")
	w := k.dial().send("POST /functions/slow/call HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{\"args\":[60000]}")
	batch := k.dial().send("POST /functions/slow/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n[200]\n[200]\n[60000]\n")
	time.Sleep(100 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := k.srv.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("Close took %v", took)
	}
	for _, c := range []*wire{w, batch} {
		if _, err := http.ReadResponse(c.r, nil); err == nil {
			if _, err = c.r.Discard(1 << 20); err == nil {
				t.Error("an answer without end")
			}
		}
	}
}

// Connections that never sent anything do not hold Close up.
func TestCloseSilentConnections(t *testing.T) {
	k := newKit(t, api.Options{})
	k.dial()
	w := k.dial().send("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
	w.reply()
	start := time.Now()
	if err := k.srv.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestConcurrentClose(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "echo")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := k.client.Post("http://"+k.addr+"/functions/echo/call", js, strings.NewReader(`{"args":[1]}`))
				if err == nil {
					resp.Body.Close()
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	for range 3 {
		wg.Go(func() {
			if err := k.srv.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	close(stop)
	wg.Wait()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.srv.Serve(ln); !errors.Is(err, host.ErrClosed) {
		t.Errorf("Serve after Close: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
}

func TestStop(t *testing.T) {
	var stopped atomic.Int32
	var k *kit
	done := make(chan struct{})
	k = newKit(t, api.Options{StopDelay: 50 * time.Millisecond, Stop: func(int) {
		stopped.Add(1)
		_ = k.srv.Close(context.Background()) // as cmd does
		close(done)
	}})
	for _, method := range []string{"GET", "POST"} {
		k.do(method, "/stop", nil).want(t, 200, text, "stop success")
	}
	<-done
	if n := stopped.Load(); n != 1 {
		t.Errorf("stopped %d times", n)
	}
}

func TestStopIsDroppedByClose(t *testing.T) {
	k := newKit(t, api.Options{StopDelay: 50 * time.Millisecond, Stop: func(int) { t.Error("stopped after Close") }})
	k.do("GET", "/stop", nil)
	k.end()
	time.Sleep(100 * time.Millisecond)
}

// TCP and a Unix socket at once, and TLS on one of them only.
func TestListenersAndTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	k := newKit(t, api.Options{CertFile: cert, KeyFile: key})
	sock := filepath.Join(t.TempDir(), "api.sock")
	ln, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- k.srv.Serve(ln) }()
	get := func(tr *http.Transport, url string) {
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Get(url)
		if err != nil {
			t.Error(err)
			return
		}
		read(t, resp).want(t, 200, "", "")
	}
	get(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, "https://"+k.addr+"/ping")
	get(&http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", sock)
	}}, "http://x/ping")
	if _, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11}}}).Get("https://" + k.addr + "/ping"); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	if _, err := k.client.Get("http://" + k.addr + "/ping"); err == nil {
		t.Error("plain HTTP is spoken")
	}
	k.end()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := api.New(nil, api.Options{CertFile: cert}); err == nil {
		t.Error("a certificate without its key")
	}
}

func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(os.WriteFile(cert, certPEM, 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return cert, key, pool
}

// shortListener runs out of descriptors now and then.
type shortListener struct {
	net.Listener
	n atomic.Int32
}

func (l *shortListener) Accept() (net.Conn, error) {
	if l.n.Add(1)%2 == 1 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestAcceptGoesOn(t *testing.T) {
	k := newKit(t, api.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- k.srv.Serve(&shortListener{Listener: ln}) }()
	for range 3 {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + ln.Addr().String() + "/ping")
		if err != nil {
			t.Fatal(err)
		}
		read(t, resp).want(t, 200, "", "")
	}
	k.end()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
