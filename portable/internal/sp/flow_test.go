package sp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	mangospull "go.nanomsg.org/mangos/v3/protocol/pull"
	mangospush "go.nanomsg.org/mangos/v3/protocol/push"
)

func TestPullerAgainstMangos(t *testing.T) {
	path := sock(t)
	h := newHub(t, Options{})
	got := make(chan string, 1)
	p, err := h.Puller(Claim{Path: path}, func(from Peer, b []byte) {
		if from.PID != os.Getpid() {
			t.Error(from)
		}
		got <- string(b)
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := mangospush.NewSocket()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Dial("ipc://" + path); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		want := strings.Repeat("x", i*i%5000) + fmt.Sprint(i)
		if err := s.Send([]byte(want)); err != nil {
			t.Fatal(err)
		}
		if b := <-got; b != want {
			t.Fatalf("%d: %q", i, b)
		}
	}
	if p.Conns() != 1 {
		t.Error(p.Conns())
	}
}

func TestPullerPushesBack(t *testing.T) {
	noLeak(t)
	path := sock(t)
	h := newHub(t, Options{})
	release := make(chan struct{})
	p, err := h.Puller(Claim{Path: path}, func(Peer, []byte) { <-release })
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, path)
	c.say(hello(protoPush))
	c.hear(hello(protoPull))
	frame, n := message(strings.Repeat("x", 1<<16)), 0
	_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	for err = error(nil); err == nil; n++ {
		_, err = c.Write(frame)
	}
	if n > 20 {
		t.Errorf("%d messages of 64 KiB went into a puller that reads none", n)
	}
	close(release)
	c.Close()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestPusherAgainstMangos(t *testing.T) {
	noLeak(t)
	path := sock(t)
	s := pullAt(t, path)
	p, err := DialPusher(soon(t), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if from, ok := p.Peer(); !ok || from.PID != os.Getpid() {
		t.Error(from, ok)
	}
	for i := range 300 {
		want := bytes.Repeat([]byte{byte(i)}, i*i*i%200000)
		if err := p.Send(soon(t), want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Recv(); err != nil || !bytes.Equal(got, want) {
			t.Fatal(i, len(got), err)
		}
	}
	s.Close()
}

func pullAt(t *testing.T, path string) mangos.Socket {
	t.Helper()
	s, err := mangospull.NewSocket()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Listen("ipc://" + path); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPusherWaitsForItsPlugin(t *testing.T) {
	path := sock(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := DialPusher(ctx, path, Options{}); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		time.Sleep(20 * time.Millisecond)
		b, _ := pullAt(t, path).Recv()
		got <- string(b)
	}()
	p, err := DialPusher(soon(t), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(soon(t), []byte("row")); err != nil || <-got != "row" {
		t.Fatal(err)
	}
}

func TestPusherFindsItsPluginAgain(t *testing.T) {
	noLeak(t)
	path := sock(t)
	s := pullAt(t, path)
	p, err := DialPusher(soon(t), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	sendThrough(t, p, s)
	for range 3 {
		s.Close()
		eventually(t, "the loss is noticed", func() bool { _, up := p.Peer(); return !up })
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if err := p.Send(ctx, []byte("lost")); !errors.Is(err, ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
		s = pullAt(t, path)
		sendThrough(t, p, s)
	}
	s.Close()
}

// sendThrough sends a message that arrives. mangos sockets must not be closed before: their handshake races with it.
func sendThrough(t *testing.T, p *Pusher, s mangos.Socket) {
	t.Helper()
	if err := p.Send(soon(t), []byte("found")); err != nil {
		t.Fatal(err)
	}
	if b, err := s.Recv(); err != nil || string(b) != "found" {
		t.Fatalf("%q, %v", b, err)
	}
}

// listenRaw is a plugin's PULL end written by hand; each connection is handed to serve.
func listenRaw(t *testing.T, path string, serve func(net.Conn)) {
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
}

func TestPusherOnTheWire(t *testing.T) {
	path := sock(t)
	got := make(chan []byte, 1)
	want := append(hello(protoPush), message("row")...)
	listenRaw(t, path, func(c net.Conn) {
		_, _ = c.Write(hello(protoPull))
		b := make([]byte, len(want))
		_, _ = io.ReadFull(c, b)
		got <- b
	})
	p, err := DialPusher(soon(t), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(soon(t), []byte("row")); err != nil {
		t.Fatal(err)
	}
	if b := <-got; !bytes.Equal(b, want) {
		t.Fatalf("%x", b)
	}
}

func TestPusherRefusesStrangers(t *testing.T) {
	path := sock(t)
	listenRaw(t, path, func(c net.Conn) { _, _ = c.Write(hello(protoReq)) })
	if _, err := DialPusher(soon(t), path, Options{}); !errors.Is(err, ErrFrame) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	_, err := DialPusher(ctx, path, Options{Owns: func(p Peer) bool { return p.PID != os.Getpid() }})
	if !errors.Is(err, errStranger) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A plugin that does not read: sends fail in time, what was begun ends the connection, and the rest stays in order.
func TestPusherAndASlowPlugin(t *testing.T) {
	noLeak(t)
	path := sock(t)
	conns := make(chan net.Conn, 4)
	listenRaw(t, path, func(c net.Conn) {
		_, _ = c.Write(hello(protoPull))
		_, _ = io.ReadFull(c, make([]byte, 8))
		conns <- c
	})
	p, err := DialPusher(soon(t), path, Options{WriteTimeout: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	row := bytes.Repeat([]byte("r"), 1000)
	sent := 0
	for err == nil {
		if err = p.Send(soon(t), row); err == nil {
			sent++
		}
	}
	if !errors.Is(err, ErrNotSent) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	c := <-conns
	for range sent { // all that were said to be sent, whole, and on the same connection
		b := make([]byte, headLen+len(row))
		if _, err := io.ReadFull(c, b); err != nil || !bytes.Equal(b, message(string(row))) {
			t.Fatal(err)
		}
	}
	if err := p.Send(soon(t), row); err != nil || len(conns) != 0 {
		t.Fatal(err, len(conns))
	}
	// One that does not fit goes out in part.
	if err := p.Send(soon(t), make([]byte, 4<<20)); !errors.Is(err, ErrNotSent) {
		t.Fatal(err)
	}
	if err := p.Send(soon(t), row); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c = <-conns
	b := make([]byte, headLen+len(row))
	if _, err := io.ReadFull(c, b); err != nil || !bytes.Equal(b, message(string(row))) {
		t.Fatal(err)
	}
	c.Close()
}

func TestPusherCloseEndsSend(t *testing.T) {
	noLeak(t)
	path := sock(t)
	s := pullAt(t, path)
	p, err := DialPusher(soon(t), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	sendThrough(t, p, s)
	s.Close()
	eventually(t, "the loss is noticed", func() bool { _, up := p.Peer(); return !up })
	time.AfterFunc(10*time.Millisecond, func() { p.Close() })
	if err := p.Send(soon(t), nil); !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}
