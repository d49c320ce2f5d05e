package builtin_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
)

func TestMQTT(t *testing.T) {
	t.Parallel()
	b := newBroker(t, nil)
	for _, c := range []struct {
		qos     int64
		version string
	}{{0, "3.1.1"}, {1, "3.1.1"}, {2, "3.1.1"}, {1, "3.1"}} {
		k := newKit(t)
		topic := fmt.Sprintf("t%d%s/x", c.qos, c.version)
		in := k.source("mqtt", host.Props{"datasource": strings.TrimSuffix(topic, "x") + "+", "server": b.url, "qos": c.qos, "protocolVersion": c.version})
		out := k.sink("mqtt", host.Props{"topic": topic, "servers": []any{b.url}, "qos": c.qos, "protocolVersion": c.version})
		const rows = 300 // more than a window
		for i := range rows {
			k.write(out, map[string]any{"i": i})
		}
		if err := out.(host.Flusher).Flush(k.soon()); err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			m := k.next(in)
			if s := string(m.Value.([]byte)); s != fmt.Sprintf(`{"i":%d}`, i) || m.Meta["topic"] != topic || m.Meta["qos"] != c.qos {
				t.Fatalf("row %d: found %s %v", i, s, m.Meta)
			}
		}
		k.quiet(in, 10*time.Millisecond)
	}
}

// TestEclipseBroker speaks with another broker, where there is one.
func TestEclipseBroker(t *testing.T) {
	t.Parallel()
	const name = "mosqu" + "itto" // its real name; the spelling checker knows better
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed: MQTT was tested with mochi-mqtt only")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	cmd := exec.Command(path, "-p", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	eventually(t, name+" listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	k := newKit(t)
	in := k.source("mqtt", host.Props{"datasource": "a", "server": "127.0.0.1:" + port, "qos": 2})
	out := k.sink("mqtt", host.Props{"topic": "a", "server": "127.0.0.1:" + port, "qos": 2})
	k.write(out, []byte("hello"))
	if err := out.(host.Flusher).Flush(k.soon()); err != nil {
		t.Fatal(err)
	}
	if s := k.text(in); s != "hello" {
		t.Errorf("found %q", s)
	}
}

func TestMQTTAcknowledges(t *testing.T) {
	t.Parallel()
	for _, qos := range []byte{1, 2} {
		b, k := newBroker(t, nil), newKit(t)
		in := k.source("mqtt", host.Props{"datasource": "t", "server": b.url, "clientid": "c", "qos": int64(qos), "bufferLength": 7 - 5*int64(qos%2)})
		for i := range 6 {
			b.publish("t", fmt.Sprint(i), qos)
		}
		time.Sleep(30 * time.Millisecond)
		for i := range 6 {
			if n := b.owed("c"); n != 6-i {
				t.Fatalf("QoS %d: %d messages are not acknowledged, expected %d", qos, n, 6-i)
			}
			if s := k.text(in); s != fmt.Sprint(i) {
				t.Fatalf("found %s, expected %d", s, i)
			}
			eventually(t, "the broker has the acknowledgement", func() bool { return b.owed("c") == 5-i })
		}
	}
}

// problem is the next error of a source.
func (k *kit) problem(s host.Source, words ...string) {
	k.t.Helper()
	_, err := s.Next(k.soon())
	fails(k.t, err, host.ErrUnavailable, words...)
}

func TestMQTTReconnects(t *testing.T) {
	t.Parallel()
	b, k := newBroker(t, nil), newKit(t)
	p := newProxy(t, b.address)
	in := k.source("mqtt", host.Props{"datasource": "t", "server": p.url(), "clientid": "c", "qos": 1})
	b.publish("t", "taken", 1)
	if s := k.text(in); s != "taken" {
		t.Fatal(s)
	}
	eventually(t, "it is acknowledged", func() bool { return b.owed("c") == 0 })
	b.publish("t", "waits", 1) // not acknowledged: it comes again, and is taken once
	time.Sleep(20 * time.Millisecond)
	p.refuse(true)
	p.cut()
	b.publish("t", "meanwhile", 1)
	time.Sleep(300 * time.Millisecond)
	p.refuse(false)
	var got []string
	problems := 0
	for !slices.Contains(got, "waits") || !slices.Contains(got, "meanwhile") {
		m, err := in.Next(k.soon())
		if err != nil {
			fails(t, err, host.ErrUnavailable, "broker "+p.url(), "it is tried again")
			problems++
			time.Sleep(700 * time.Millisecond) // let it come back before "waits" is looked at
			continue
		}
		got = append(got, string(m.Value.([]byte)))
	}
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, []string{"meanwhile", "waits"}) || problems == 0 {
		t.Errorf("found %v and %d problems", got, problems)
	}
	// A session that the broker does not keep is subscribed anew.
	in = k.source("mqtt", host.Props{"datasource": "u", "server": p.url()})
	for range 2 {
		p.cut()
		for lost := false; !lost; {
			_, err := in.Next(k.soon())
			if lost = err != nil; lost {
				fails(t, err, host.ErrUnavailable, "connection lost")
			}
		}
		eventually(t, "it is subscribed again", func() bool {
			b.publish("u", "again", 0)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			m, err := in.Next(ctx)
			return err == nil && string(m.Value.([]byte)) == "again"
		})
	}
}

func TestMQTTSlowReaderKeepsConnection(t *testing.T) {
	t.Parallel()
	b, k := newBroker(t, nil), newKit(t)
	in, err := k.Source("mqtt", nil, host.Props{"datasource": "t", "server": b.url, "bufferLength": 1})
	if err != nil {
		t.Fatal(err)
	}
	builtin.Impatient(in, 20*time.Millisecond, 100*time.Millisecond)
	if err := in.Open(k.soon()); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		b.publish("t", fmt.Sprint(i), 0)
	}
	time.Sleep(400 * time.Millisecond) // nothing is read, longer than silence
	for i := range 20 {
		if s := k.text(in); s != fmt.Sprint(i) {
			t.Fatalf("found %s, expected %d", s, i)
		}
	}
	k.quiet(in, 300*time.Millisecond) // pings alone keep it
}

func TestMQTTDeadBroker(t *testing.T) {
	t.Parallel()
	b, k := newBroker(t, nil), newKit(t)
	p := newProxy(t, b.address)
	in, err := k.Source("mqtt", nil, host.Props{"datasource": "t", "server": p.url(), "connectTimeout": 500})
	if err != nil {
		t.Fatal(err)
	}
	builtin.Impatient(in, 20*time.Millisecond, time.Second)
	if err := in.Open(k.soon()); err != nil {
		t.Fatal(err)
	}
	p.hold(true)
	k.problem(in, "connection lost: nothing was heard for 1s")
	k.problem(in, "no answer within 500ms")
	p.hold(false)
	eventually(t, "it is subscribed again", func() bool { b.publish("t", "x", 0); return len(b.Topics.Subscribers("t").Subscriptions) > 0 })
	for {
		if _, err := in.Next(k.soon()); err == nil {
			break
		}
	}
	// Close is prompt also while the broker is dead.
	p.hold(true)
	time.Sleep(150 * time.Millisecond)
	prompt(t, "close", func() { in.Close(context.Background()) })
}

func TestMQTTOpenErrors(t *testing.T) {
	t.Parallel()
	b, k := newBroker(t, nil), newKit(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := web.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			c.Close()
		}
	}()
	closed, _ := net.Listen("tcp", "127.0.0.1:0")
	closed.Close()
	defer web.Close()
	for _, c := range []struct {
		props    host.Props
		sentinel error
		words    string
	}{
		{host.Props{"server": closed.Addr().String()}, host.ErrUnavailable, "broker tcp://" + closed.Addr().String() + ": dial tcp"},
		{host.Props{"server": mute.Addr().String(), "connectTimeout": 400}, host.ErrUnavailable, "no answer within 400ms"},
		{host.Props{"server": web.Addr().String()}, host.ErrUnavailable, "broker tcp://" + web.Addr().String()},
		{host.Props{"server": "ssl://" + b.address, "connectTimeout": 500}, host.ErrUnavailable, "broker ssl://"},
		{host.Props{"server": b.url, "username": "known", "password": "hush"}, host.ErrInvalid, "connection refused: "},
	} {
		c.props["datasource"], c.props["topic"] = "t", "t"
		in, err := k.Source("mqtt", nil, c.props)
		if err != nil {
			t.Fatal(err)
		}
		prompt(t, "open", func() { err = in.Open(context.Background()) })
		fails(t, err, c.sentinel, "source mqtt: ", c.words)
		out, _ := k.Sink("mqtt", nil, c.props)
		err = out.Open(context.Background())
		fails(t, err, c.sentinel, "sink mqtt: ", c.words)
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("%v has the password", err)
		}
	}
	in, _ := k.Source("mqtt", nil, host.Props{"datasource": "forbidden", "server": b.url})
	fails(t, in.Open(k.soon()), host.ErrInvalid, "subscription to forbidden refused")
	in, _ = k.Source("mqtt", nil, host.Props{"datasource": "t", "server": mute.Addr().String()})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	prompt(t, "open", func() { err = in.Open(ctx) })
	fails(t, err, context.DeadlineExceeded)
	k.source("mqtt", host.Props{"datasource": "t", "server": b.url, "username": "known", "password": "right"})
}

func TestMQTTSecure(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	pair, _, _ := a.pair("server")
	_, cert, key := a.pair("client")
	open := newBroker(t, &tls.Config{Certificates: []tls.Certificate{pair}})
	strict := newBroker(t, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool()})
	for _, c := range []struct {
		name  string
		b     *broker
		props host.Props
		words string // of the error
	}{
		{"known authority", open, host.Props{"rootCaPath": a.ca}, ""},
		{"not verified", open, host.Props{"insecureSkipVerify": true}, ""},
		{"unknown authority", open, host.Props{}, "set rootCaPath"},
		{"no such file", open, host.Props{"rootCaPath": "etc/none.pem"}, "none.pem"},
		{"no PEM", open, host.Props{"rootCaPath": "/dev/null"}, "expected PEM"},
		{"client certificate", strict, host.Props{"rootCaPath": a.ca, "certificationPath": cert, "privateKeyPath": key}, ""},
		{"no client certificate", strict, host.Props{"rootCaPath": a.ca}, "broker ssl://"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t)
			c.props["datasource"], c.props["server"] = "t", "ssl://"+c.b.address
			in, err := k.Source("mqtt", nil, c.props)
			if err == nil {
				err = in.Open(k.soon())
			}
			if c.words != "" {
				if err == nil || !strings.Contains(err.Error(), c.words) {
					t.Fatalf("found %v, expected %q", err, c.words)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c.b.publish("t", "secret", 0)
			if s := k.text(in); s != "secret" {
				t.Error(s)
			}
		})
	}
}

// TestMQTTOnce has a message wait, without being taken, while its connection is
// lost: the broker sends it again, and it is taken once.
func TestMQTTOnce(t *testing.T) {
	t.Parallel()
	b, k := newBroker(t, nil), newKit(t)
	p := newProxy(t, b.address)
	in := k.source("mqtt", host.Props{"datasource": "t", "server": p.url(), "clientid": "c", "qos": 1})
	b.publish("t", "waits", 1)
	time.Sleep(50 * time.Millisecond)
	p.cut()
	time.Sleep(time.Second)
	times := 0
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		m, err := in.Next(ctx)
		late := ctx.Err() != nil
		if cancel(); late {
			break
		}
		if err == nil && string(m.Value.([]byte)) == "waits" {
			times++
		}
	}
	if times != 1 {
		t.Errorf("it was taken %d times", times)
	}
}
