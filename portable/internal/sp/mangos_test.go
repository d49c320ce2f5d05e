package sp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.nanomsg.org/mangos/v3"
	mangosrep "go.nanomsg.org/mangos/v3/protocol/rep"
	mangosreq "go.nanomsg.org/mangos/v3/protocol/req"
)

// plugin is a function loop as eKuiper's SDKs have it, in this process, over a mangos REQ socket.
type plugin struct {
	options map[string]any
	alive   bool // say handshake when nothing came in time
	slow    time.Duration

	handshakes atomic.Int64
	ended      chan error
}

func (p *plugin) start(t *testing.T, path string) mangos.Socket {
	t.Helper()
	s, err := mangosreq.NewSocket()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range p.options {
		if err := s.SetOption(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Dial("ipc://" + path); err != nil {
		t.Fatal(err)
	}
	p.ended = make(chan error, 1)
	go func() { p.ended <- p.loop(s) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-p.ended; !errors.Is(err, mangos.ErrClosed) {
			t.Error("the plugin's loop ended: ", err)
		}
	})
	return s
}

func (p *plugin) loop(s mangos.Socket) error {
	p.handshakes.Add(1)
	if err := s.Send([]byte("handshake")); err != nil {
		return err
	}
	for {
		b, err := s.Recv()
		if p.alive && errors.Is(err, mangos.ErrRecvTimeout) {
			p.handshakes.Add(1)
			if err := s.Send([]byte("handshake")); err != nil {
				return fmt.Errorf("keep-alive: %w", err)
			}
			continue
		}
		if err != nil {
			return err
		}
		time.Sleep(p.slow)
		if err := s.Send(append([]byte("re "), b...)); err != nil {
			return err
		}
	}
}

func callAll(t *testing.T, call func(string) (string, error), from, n int) error {
	for i := from; i < from+n; i++ {
		text := strconv.Itoa(i)
		if got, err := call(text); err != nil || got != "re "+text {
			return fmt.Errorf("call %s answered by %q, %w", text, got, err)
		}
	}
	return nil
}

func generations() map[string]*plugin {
	return map[string]*plugin{
		"1 sends its last request again": {options: map[string]any{mangos.OptionRetryTime: 5 * time.Millisecond}},
		"2 is quiet":                     {options: map[string]any{mangos.OptionRetryTime: time.Duration(0)}},
		"3 keeps alive by new requests": {alive: true, options: map[string]any{
			mangos.OptionRetryTime: time.Duration(0), mangos.OptionRecvDeadline: 2 * time.Millisecond, mangos.OptionSendDeadline: time.Second,
		}},
		"3 with slow functions": {alive: true, slow: 7 * time.Millisecond, options: map[string]any{
			mangos.OptionRetryTime: time.Duration(0), mangos.OptionRecvDeadline: 3 * time.Millisecond, mangos.OptionSendDeadline: time.Second,
		}},
	}
}

// Each generation of plugins, idle for a long time in its own intervals, then called.
func TestGenerations(t *testing.T) {
	for name, p := range generations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := sock(t)
			c := newCaller(t, newHub(t, Options{}), path)
			p.start(t, path)
			call := func(text string) (string, error) {
				b, err := c.Call(soon(t), []byte(text), nil)
				return string(b), err
			}
			if err := callAll(t, call, 0, 20); err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				if p.alive {
					eventually(t, "300 keep-alives", func() bool { return p.handshakes.Load() > 310*int64(i+1) })
				} else {
					time.Sleep(100 * time.Millisecond) // 20 intervals
				}
				if err := callAll(t, call, 100*i+100, 20); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// The same test catches a host that does it as eKuiper does.
func TestGenerationsCatchLockstep(t *testing.T) {
	path := sock(t)
	s, err := mangosrep.NewSocket()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Listen("ipc://" + path); err != nil {
		t.Fatal(err)
	}
	generations()["1 sends its last request again"].start(t, path)
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	call := func(text string) (string, error) {
		if err := s.Send([]byte(text)); err != nil {
			return "", err
		}
		b, err := s.Recv()
		return string(b), err
	}
	if err := callAll(t, call, 0, 1); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if err := callAll(t, call, 1, 20); err == nil {
		t.Error("no stale answer from a lock-step host")
	}
}

// A plugin whose host goes away reconnects by itself, and first says its last result again.
func TestPluginOutlivesItsHost(t *testing.T) {
	path := sock(t)
	p := &plugin{options: map[string]any{mangos.OptionRetryTime: 10 * time.Millisecond, mangos.OptionReconnectTime: time.Millisecond}}
	for i := range 3 {
		h := NewHub(Options{})
		c := newCaller(t, h, path)
		if i == 0 {
			p.start(t, path)
		}
		for range 5 {
			wantAnswer(t, goCall(c, soon(t), strconv.Itoa(i)), "re "+strconv.Itoa(i))
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Python plugins start the same function twice: two connections, two calls at once.
func TestTwoSocketsOfOnePlugin(t *testing.T) {
	path := sock(t)
	c := newCaller(t, newHub(t, Options{}), path)
	for range 2 {
		(&plugin{slow: time.Millisecond}).start(t, path)
	}
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			err := callAll(t, func(text string) (string, error) {
				b, err := c.Call(soon(t), []byte(text), nil)
				return string(b), err
			}, 1000*n, 30)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A call that lost patience during a slow function does not spoil the ones after it.
func TestImpatientCalls(t *testing.T) {
	for name, p := range generations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := sock(t)
			c := newCaller(t, newHub(t, Options{}), path)
			p.slow = 5 * time.Millisecond
			p.start(t, path)
			for i := range 30 {
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Millisecond)
				if b, err := c.Call(ctx, []byte("lost"), nil); err == nil && string(b) != "re lost" {
					t.Fatalf("%q", b)
				}
				cancel()
				text := strconv.Itoa(i)
				wantAnswer(t, goCall(c, soon(t), text), "re "+text)
			}
		})
	}
}
