package builtin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// broker is a real one, in this process.
type broker struct {
	*mqtt.Server
	t       *testing.T
	address string
	url     string
}

// gate lets everybody in, but those who are known only by their password.
type gate struct{ mqtt.HookBase }

func (*gate) Provides(b byte) bool { return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck }

func (*gate) OnConnectAuthenticate(_ *mqtt.Client, p packets.Packet) bool {
	return string(p.Connect.Username) != "known" || string(p.Connect.Password) == "right"
}

func (*gate) OnACLCheck(_ *mqtt.Client, topic string, _ bool) bool { return topic != "forbidden" }

func newBroker(t *testing.T, secure *tls.Config) *broker {
	t.Helper()
	b := &broker{t: t, Server: mqtt.New(&mqtt.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})}
	tcp := listeners.NewTCP(listeners.Config{ID: "t", Address: "127.0.0.1:0", TLSConfig: secure})
	err := b.AddHook(new(gate), nil)
	if err == nil {
		err = b.AddListener(tcp)
	}
	if err == nil {
		err = b.Serve()
	}
	if err != nil {
		t.Fatal(err)
	}
	// A client that connects while the broker closes would be counted for the first time while that waits for all of
	// them: so one more is, until nobody can come any more.
	b.Listeners.ClientsWg.Add(1)
	t.Cleanup(func() {
		time.AfterFunc(20*time.Millisecond, b.Listeners.ClientsWg.Done)
		b.Close()
	})
	b.address = tcp.Address()
	b.url = "tcp://" + b.address
	return b
}

func (b *broker) publish(topic, payload string, qos byte) {
	b.t.Helper()
	if err := b.Publish(topic, []byte(payload), false, qos); err != nil {
		b.t.Fatal(err)
	}
}

// heard collects what is published to a topic.
func (b *broker) heard(topic string) func() []string {
	b.t.Helper()
	var mu sync.Mutex
	var list []string
	err := b.Subscribe(topic, 1, func(_ *mqtt.Client, _ packets.Subscription, p packets.Packet) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, string(p.Payload))
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, list...)
	}
}

// owed is how many messages a client has not acknowledged.
func (b *broker) owed(client string) int {
	c, ok := b.Clients.Get(client)
	if !ok {
		b.t.Fatalf("no client %s", client)
	}
	return c.State.Inflight.Len()
}

// eventually waits until f is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// proxy stands between a client and a server, and can be cut.
type proxy struct {
	net.Listener
	to   string
	mu   sync.Mutex
	open []net.Conn
	deaf bool // what the server says is held back
	shut bool // new connections are closed at once
	free chan struct{}
	wg   sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to, free: make(chan struct{})}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.serve(c)
		}
	})
	t.Cleanup(func() { l.Close(); p.hold(false); p.cut(); p.wg.Wait() })
	return p
}

func (p *proxy) url() string { return "tcp://" + p.Addr().String() }

func (p *proxy) serve(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		c.Close()
		return
	}
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		c.Close()
		return
	}
	p.open = append(p.open, c, s)
	p.wg.Go(func() { io.Copy(s, c); s.Close(); c.Close() })
	p.wg.Go(func() {
		defer c.Close()
		defer s.Close()
		b := make([]byte, 4096)
		for {
			n, err := s.Read(b)
			for p.held() {
				<-p.released()
			}
			if _, werr := c.Write(b[:n]); err != nil || werr != nil {
				return
			}
		}
	})
}

func (p *proxy) held() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.deaf }

func (p *proxy) released() chan struct{} { p.mu.Lock(); defer p.mu.Unlock(); return p.free }

// hold holds back what the server says, or lets it go.
func (p *proxy) hold(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf && !on {
		close(p.free)
		p.free = make(chan struct{})
	}
	p.deaf = on
}

// refuse closes new connections, or not.
func (p *proxy) refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = on
}

// cut ends every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
}

// authority makes certificates; it lives as long as the test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	ca   string // file
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue(&x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true}, nil, nil)
	a.ca = a.file("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) issue(c, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "vanth test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err = x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c, key
}

func (a *authority) file(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// pair is a certificate for 127.0.0.1 or a client, with its files.
func (a *authority) pair(name string) (pair tls.Certificate, cert, key string) {
	a.t.Helper()
	c, k := a.issue(&x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, a.key)
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = a.file(name+".pem", "CERTIFICATE", c.Raw), a.file(name+".key", "EC PRIVATE KEY", der)
	pair, err = tls.LoadX509KeyPair(cert, key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pair, cert, key
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}
