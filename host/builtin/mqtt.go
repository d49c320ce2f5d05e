package builtin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/vanth-io/vanth/host"
)

// link is how to reach a broker.
type link struct {
	secrets  secrets
	server   string // without a password, for errors
	address  string
	tls      bool
	version  byte
	client   string
	user     string
	password string
	clean    bool
	qos      byte

	patience time.Duration // to connect, and to write
	ping     time.Duration // how often the broker hears from us
	silence  time.Duration // how long we may hear nothing
}

func readLink(l *life, p *reader) link {
	p.refuse("connectionSelector", "compression", "decompression")
	k := link{
		secrets: readSecrets(l, p),
		client:  p.text("clientid", ""), user: p.text("username", ""), password: p.text("password", ""),
		qos:     byte(p.integer("qos", 0, 0, 2)), //nolint:gosec // 0 to 2
		version: 4,
		ping:    20 * time.Second, silence: 50 * time.Second,
		patience: p.limit("connectTimeout", 10*time.Second),
	}
	if v := p.choice("protocolVersion", "3.1.1", "3.1", "3.1.1", "3", "4"); v == "3.1" || v == "3" {
		k.version = 3
	}
	server := p.text("server", "")
	if list := p.names("servers"); server == "" && len(list) > 0 {
		server = list[0]
	}
	if !strings.Contains(server, "://") {
		server = "tcp://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" {
		p.wrong("server", shown(server), "the broker's address, such as tcp://127.0.0.1:1883")
		return k
	}
	k.server = u.Redacted()
	port := "1883"
	switch u.Scheme {
	case "tcp", "mqtt":
	case "ssl", "tls", "mqtts", "tcps":
		k.tls, port = true, "8883"
	default:
		p.fail(host.ErrUnsupported, "server", "found the scheme %s, expected tcp or ssl", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	k.address = net.JoinHostPort(u.Hostname(), port)
	k.clean = p.boolean("cleanSession", k.client == "" || k.qos == 0)
	if k.client == "" {
		k.client = "vanth-" + strings.ToLower(rand.Text()[:16])
	}
	return k
}

// session is one connection to a broker. Its life ends with it.
type session struct {
	conn    net.Conn
	in      *bufio.Reader
	link    *link
	present bool                       // the broker has kept what it owes us
	out     chan packets.ControlPacket // what is to be sent some time
	mu      sync.Mutex                 // orders packets on the wire
	life    context.Context
	end     context.CancelCauseFunc
}

// dial connects. The session lives no longer than owner.
func (k *link) dial(ctx, owner context.Context) (*session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, k.patience, errors.New("no answer within "+k.patience.String()))
	defer cancel()
	conn, err := k.connect(ctx)
	if err != nil {
		return nil, k.failed(ctx, err)
	}
	c := &session{conn: conn, link: k, in: bufio.NewReaderSize(&patient{conn, k.silence}, 16<<10), out: make(chan packets.ControlPacket, 1024)}
	c.life, c.end = context.WithCancelCause(owner)
	stop := context.AfterFunc(ctx, func() { c.fail(context.Cause(ctx)) })
	defer stop()
	err = c.send(k.hello(), k.patience)
	var reply packets.ControlPacket
	if err == nil {
		reply, _, err = c.read()
	}
	if err == nil {
		ack, ok := reply.(*packets.ConnackPacket)
		switch {
		case !ok:
			err = errors.New("found something that is not MQTT")
		case ack.ReturnCode != packets.Accepted:
			c.fail(net.ErrClosed)
			sentinel := host.ErrInvalid
			if ack.ReturnCode == packets.ErrRefusedServerUnavailable {
				sentinel = host.ErrUnavailable
			}
			return nil, host.Errorf(sentinel, "broker %s: connection refused: %v", k.server, packets.ConnErrors[ack.ReturnCode])
		default:
			c.present = ack.SessionPresent
		}
	}
	if err != nil {
		c.fail(err)
		return nil, k.failed(ctx, err)
	}
	return c, nil
}

func (k *link) connect(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 15 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", k.address)
	if err != nil || !k.tls {
		return conn, err
	}
	c, err := k.secrets.config()
	if err == nil {
		c.ServerName, _, _ = net.SplitHostPort(k.address)
		safe := tls.Client(conn, c)
		if err = safe.HandshakeContext(ctx); err == nil {
			return safe, nil
		}
	}
	conn.Close()
	return nil, err
}

func (k *link) hello() *packets.ConnectPacket {
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion = "MQTT", 4
	if k.version == 3 {
		p.ProtocolName, p.ProtocolVersion = "MQIsdp", 3
	}
	p.CleanSession, p.ClientIdentifier, p.Keepalive = k.clean, k.client, 60
	p.Username, p.UsernameFlag = k.user, k.user != ""
	p.Password, p.PasswordFlag = []byte(k.password), k.password != ""
	return p
}

func (k *link) failed(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if errors.Is(err, host.ErrInvalid) || isCertificate(err) {
		return host.Errorf(host.ErrInvalid, "broker %s: %v", k.server, advise(err))
	}
	return unavailable("broker %s: %w", k.server, err)
}

// fail ends the session; the first reason counts.
func (c *session) fail(err error) {
	c.end(err)
	c.conn.Close()
}

// why says why the session ended.
func (c *session) why() error {
	err := context.Cause(c.life)
	if errors.Is(err, io.EOF) {
		err = errors.New("the broker closed it")
	}
	return unavailable("broker %s: connection lost: %w", c.link.server, err)
}

// send writes a packet. Each part of it must be taken within d.
func (c *session) send(p packets.ControlPacket, d time.Duration) error {
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for b.Len() > 0 {
		_ = c.conn.SetWriteDeadline(time.Now().Add(d))
		if _, err := c.conn.Write(b.Next(64 << 10)); err != nil {
			c.fail(err)
			return err
		}
	}
	return nil
}

// post has a packet sent by keep.
func (c *session) post(ctx context.Context, p packets.ControlPacket) {
	select {
	case c.out <- p:
	case <-c.life.Done():
	case <-ctx.Done():
	}
}

// reply is a packet of one of the kinds that hold an id only.
func reply(kind byte, id uint16) packets.ControlPacket {
	p := packets.NewControlPacket(kind)
	switch t := p.(type) {
	case *packets.PubackPacket:
		t.MessageID = id
	case *packets.PubrecPacket:
		t.MessageID = id
	case *packets.PubrelPacket:
		t.MessageID = id
	case *packets.PubcompPacket:
		t.MessageID = id
	}
	return p
}

// keep sends what was posted, and pings, until the session ends; when owner ends
// first it takes leave of the broker.
func (c *session) keep(owner context.Context) {
	t := time.NewTicker(c.link.ping)
	defer t.Stop()
	for {
		select {
		case <-owner.Done():
			for len(c.out) > 0 {
				if c.send(<-c.out, time.Second) != nil {
					return
				}
			}
			_ = c.send(packets.NewControlPacket(packets.Disconnect), time.Second)
			c.fail(net.ErrClosed)
			return
		case <-c.life.Done():
			if owner.Err() == nil {
				return
			}
		case p := <-c.out:
			_ = c.send(p, c.link.patience)
		case <-t.C:
			_ = c.send(packets.NewControlPacket(packets.Pingreq), c.link.patience)
		}
	}
}

// read returns the next packet. Of a message that is too large only the head is
// read, and large is true.
func (c *session) read() (p packets.ControlPacket, large bool, err error) {
	size, head := 0, 1
	for shift := 0; ; shift += 7 {
		b, err := c.in.Peek(head + 1)
		if err != nil {
			return nil, false, err
		}
		size |= int(b[head]&0x7f) << shift
		if head++; b[head-1]&0x80 == 0 {
			break
		}
		if head > 4 {
			return nil, false, errors.New("found something that is not MQTT")
		}
	}
	if size <= maxBytes {
		p, err = packets.ReadPacket(c.in)
		return p, false, err
	}
	first, err := c.in.Peek(1)
	if err != nil || first[0]>>4 != packets.Publish {
		return nil, false, errors.New("found a packet that is too large")
	}
	m := &packets.PublishPacket{FixedHeader: packets.FixedHeader{MessageType: packets.Publish, Qos: first[0] >> 1 & 3}}
	if _, err = c.in.Discard(head); err != nil {
		return nil, false, err
	}
	text, err := c.in.Peek(2)
	if err != nil {
		return nil, false, err
	}
	topic := make([]byte, 2+int(binary.BigEndian.Uint16(text)))
	if _, err = io.ReadFull(c.in, topic); err != nil {
		return nil, false, err
	}
	size -= len(topic)
	m.TopicName = string(topic[2:])
	if m.Qos > 0 {
		var id [2]byte
		if _, err = io.ReadFull(c.in, id[:]); err != nil {
			return nil, false, err
		}
		m.MessageID = binary.BigEndian.Uint16(id[:])
		size -= 2
	}
	_, err = io.CopyN(io.Discard, c.in, int64(size))
	return m, true, err
}

// patient bounds how long a connection may say nothing.
type patient struct {
	net.Conn
	silence time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.SetReadDeadline(time.Now().Add(p.silence))
	n, err := p.Conn.Read(b)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		err = errors.New("nothing was heard for " + p.silence.String())
	}
	return n, err
}

// backoff is how long to wait before the next of several tries: longer each time,
// and not the same for all who lost one broker.
type backoff struct{ d time.Duration }

func (b *backoff) next() time.Duration {
	b.d = min(max(2*b.d, 200*time.Millisecond), 30*time.Second)
	return b.d/2 + mathrand.N(b.d/2)
}

// redial connects again until it succeeds or owner ends. It tells report what
// goes wrong, once for each reason.
func (k *link) redial(owner context.Context, b *backoff, report func(error)) *session {
	said := ""
	for {
		t := time.NewTimer(b.next())
		select {
		case <-owner.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		c, err := k.dial(owner, owner)
		if err == nil {
			return c
		}
		if owner.Err() != nil {
			return nil
		}
		if err.Error() != said {
			said = err.Error()
			report(err)
		}
	}
}
