package sp

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Puller is the PULL end: it listens, and takes messages from all who connect.
type Puller struct {
	listener net.Listener
	messages chan []byte
	wg       sync.WaitGroup // accept and its readers

	mu    sync.Mutex // guards what follows
	conns map[*Conn]struct{}
	over  bool
	until time.Time // the end of the grace, once over
}

// ListenPull listens at path. A socket there that nobody listens at is removed.
func ListenPull(ctx context.Context, path string) (*Puller, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		var d net.Dialer
		if c, dialErr := d.DialContext(ctx, "unix", path); dialErr == nil {
			_ = c.Close()
			return nil, err
		}
		_ = os.Remove(path)
		l, err = config.Listen(ctx, "unix", path)
	}
	if err != nil {
		return nil, err
	}
	p := &Puller{listener: l, messages: make(chan []byte), conns: map[*Conn]struct{}{}}
	p.wg.Add(1)
	go p.accept()
	return p, nil
}

// Messages is closed when the Puller has ended, and must be read until then. Who reads it owns what
// comes.
func (p *Puller) Messages() <-chan []byte { return p.messages }

func (p *Puller) accept() {
	defer p.wg.Done()
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			p.read(c)
		}()
	}
}

func (p *Puller) read(raw net.Conn) {
	c, err := greet(raw, Pull)
	if err != nil {
		return
	}
	defer c.Close()
	p.mu.Lock()
	p.conns[c] = struct{}{}
	if p.over { // the peer may have said all it has to say while it was greeted
		_ = c.SetReadDeadline(p.until)
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
	}()
	for {
		m, err := c.Receive()
		if err != nil {
			return
		}
		p.messages <- m
	}
}

// Stop takes no more connections, gives those that are open grace to say what is on its way, and
// then closes Messages. It returns at once.
func (p *Puller) Stop(grace time.Duration) {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.over, p.until = true, time.Now().Add(grace)
	for c := range p.conns {
		_ = c.SetReadDeadline(p.until)
	}
	go func() {
		p.wg.Wait()
		close(p.messages)
	}()
}
