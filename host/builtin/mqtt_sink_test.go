package builtin_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/builtin"
)

func TestMQTTSinkFlush(t *testing.T) {
	t.Parallel()
	b, k := newBroker(t, nil), newKit(t)
	p := newProxy(t, b.address)
	heard := b.heard("t")
	out := k.sink("mqtt", host.Props{"topic": "t", "server": p.url(), "qos": 1, "timeout": 50})
	p.hold(true)
	for i := range 256 {
		k.write(out, []byte(fmt.Sprint(i)))
	}
	err := out.Write(k.soon(), host.Message{Value: []byte("one too many")})
	fails(t, err, host.ErrUnavailable, "not sent within 50ms", "256 messages wait")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	prompt(t, "flush", func() { err = out.(host.Flusher).Flush(ctx) })
	fails(t, err, context.DeadlineExceeded, "256 messages are not acknowledged")
	p.hold(false)
	if err := out.(host.Flusher).Flush(k.soon()); err != nil {
		t.Fatal(err)
	}
	if n := len(heard()); n != 256 {
		t.Errorf("the broker has %d messages", n)
	}
	p.hold(true)
	k.write(out, []byte("left"))
	prompt(t, "close", func() { err = out.Close(context.Background()) })
	fails(t, err, host.ErrUnavailable, "1 messages are not acknowledged")
}

func TestMQTTSinkSendsAgain(t *testing.T) {
	t.Parallel()
	for _, qos := range []int{1, 2} {
		b, k := newBroker(t, nil), newKit(t)
		p := newProxy(t, b.address)
		heard := b.heard("t")
		out := k.sink("mqtt", host.Props{"topic": "t", "server": p.url(), "qos": qos})
		for i := range 100 {
			if i == 30 {
				p.hold(true) // acknowledgements are lost
			}
			if i == 50 {
				p.hold(false)
				p.cut()
			}
			k.write(out, []byte(fmt.Sprint(i)))
		}
		if err := out.(host.Flusher).Flush(k.soon()); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		var first []string
		for _, s := range heard() {
			if !seen[s] {
				first = append(first, s)
			}
			seen[s] = true
		}
		for i := range 100 {
			if i >= len(first) || first[i] != fmt.Sprint(i) {
				t.Fatalf("QoS %d: found %v", qos, first)
			}
		}
		// While there is no connection nothing is accepted.
		p.refuse(true)
		p.cut()
		eventually(t, "it is noticed", func() bool { return strings.Count(k.log.String(), "connection lost") > 1 })
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		fails(t, out.Write(ctx, host.Message{Value: []byte("x")}), context.DeadlineExceeded)
		cancel()
	}
}

// TestMQTTTooLarge has a broker that sends more than a message may have.
func TestMQTTTooLarge(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	acked := make(chan uint16, 2)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		packets.ReadPacket(c)
		packets.NewControlPacket(packets.Connack).Write(c)
		packets.ReadPacket(c)
		ok := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		ok.MessageID, ok.ReturnCodes = 1, []byte{1}
		ok.Write(c)
		m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		m.TopicName, m.Qos, m.MessageID, m.Payload = "large", 1, 7, make([]byte, builtin.MaxBytes)
		m.Write(c)
		m.TopicName, m.MessageID, m.Payload = "small", 8, []byte("x")
		m.Write(c)
		for range 2 {
			if p, err := packets.ReadPacket(c); err == nil {
				acked <- p.Details().MessageID
			}
		}
		packets.ReadPacket(c) // DISCONNECT
	}()
	k := newKit(t)
	in := k.source("mqtt", host.Props{"datasource": "#", "server": l.Addr().String(), "qos": 1})
	var got string
	var problem error
	for range 2 {
		if m, err := in.Next(k.soon()); err != nil {
			problem = err
		} else {
			got = string(m.Value.([]byte))
		}
	}
	fails(t, problem, host.ErrInvalid, "topic large: a message larger than 67108864 bytes was left out")
	if one, two := <-acked, <-acked; got != "x" || one+two != 15 {
		t.Errorf("found %q, acknowledged %d and %d", got, one, two)
	}
	in.Close(k.soon())
	<-ended
}
