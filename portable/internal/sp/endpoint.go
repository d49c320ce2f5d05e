package sp

import (
	"errors"
	"io"
	"net"
	"sync"
)

// endpoint is what a Caller and a Puller are: the connections that were given to one claim.
type endpoint struct {
	hub          *Hub
	claim        Claim
	l            *listener
	mine, theirs byte
	serve        func(*conn) error      // reads a connection until it ends
	ended        func(k *conn, e error) // is told so, once for each connection that was served
	shut         func()                 // with mu held, at close
	closing      sync.Once
	closeErr     error
	wg           sync.WaitGroup // the connections' goroutines
	over         chan struct{}  // closed at close

	mu     sync.Mutex // guards what follows, and what a Caller says it guards; never held while something is waited for
	conns  map[*conn]struct{}
	closed bool
}

func newEndpoint(h *Hub, c Claim, mine, theirs byte) endpoint {
	return endpoint{hub: h, claim: c, mine: mine, theirs: theirs, conns: map[*conn]struct{}{}, over: make(chan struct{})}
}

// adopt starts reading a connection; false if it cannot be taken.
func (e *endpoint) adopt(k *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.conns) >= e.hub.opts.MaxConns {
		return false
	}
	e.conns[k] = struct{}{}
	e.wg.Add(1)
	go e.run(k)
	return true
}

func (e *endpoint) run(k *conn) {
	defer e.wg.Done()
	err := k.hello(e.mine, e.theirs, e.hub.opts.HelloTimeout)
	if err == nil {
		err = e.serve(k)
	}
	k.close()
	e.mu.Lock()
	delete(e.conns, k)
	closed := e.closed
	e.mu.Unlock()
	switch {
	case closed:
		err = ErrClosed
	case !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed):
		e.hub.opts.Log.Warn("sp: connection dropped", "socket", e.claim.Path, "pid", k.peer.PID, "error", err)
	}
	if e.ended != nil {
		e.ended(k, err)
	}
}

// close ends the claim and its connections, and waits for their goroutines.
func (e *endpoint) close() error {
	e.closing.Do(func() {
		e.closeErr = e.hub.leave(e)
		e.mu.Lock()
		e.closed = true
		close(e.over)
		for k := range e.conns {
			k.close()
		}
		if e.shut != nil {
			e.shut()
		}
		e.mu.Unlock()
		e.wg.Wait()
	})
	return e.closeErr
}

// Conns is how many connections are up now: they have said hello and, to a Caller, sent their first message.
func (e *endpoint) Conns() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for k := range e.conns {
		if k.up {
			n++
		}
	}
	return n
}

// Puller is a PULL socket that listens.
type Puller struct {
	endpoint
	handle func(Peer, []byte)
}

// Puller listens at the claimed path. handle gets each message, on the connection's goroutine: while it blocks, nothing
// more is read from that connection, and the plugin's pushes wait. The payload is valid until it returns.
func (h *Hub) Puller(c Claim, handle func(Peer, []byte)) (*Puller, error) {
	p := &Puller{endpoint: newEndpoint(h, c, protoPull, protoPush), handle: handle}
	p.serve = p.read
	if err := h.join(&p.endpoint); err != nil {
		return nil, err
	}
	return p, nil
}

// Close stops listening, drops the connections and waits for handle to return. It may be called again.
func (p *Puller) Close() error { return p.close() }

func (p *Puller) read(k *conn) error {
	p.mu.Lock()
	k.up = true
	p.mu.Unlock()
	for {
		payload, err := k.frames.next()
		if err != nil {
			return err
		}
		p.handle(k.peer, payload)
	}
}
