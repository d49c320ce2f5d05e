package sp

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Claim asks for the connections of one path.
type Claim struct {
	// Path of the socket file, absolute; its length does not matter on Linux.
	Path string
	// Owns says whether a process is one whose connections are meant here; nil: any of our own user is. It is called
	// without locks held, once for each connection, and must not block.
	Owns func(Peer) bool
}

func owned(owns func(Peer) bool, p Peer) bool {
	if owns == nil {
		return p.UID == os.Getuid()
	}
	return owns(p)
}

// Hub owns listening sockets by path. It is safe for concurrent use, and must not be copied.
type Hub struct {
	opts  Options
	asked atomic.Int32 // calls of its Callers that were sent and await an answer

	mu     sync.Mutex // guards what follows; never held while a file or a connection is waited for
	paths  map[string]*listener
	closed bool
	all    map[*endpoint]struct{}
}

// listener is one socket file and the claims that share it.
type listener struct {
	path    string
	settled chan struct{} // closed when it listens, or cannot (err)
	gone    chan struct{} // closed when it has been removed
	err     error
	ln      *net.UnixListener
	file    fs.FileInfo
	claims  []*endpoint // oldest first; guarded by Hub.mu, replaced and never changed
	wg      sync.WaitGroup
}

// NewHub returns a Hub that listens at nothing yet.
func NewHub(o Options) *Hub {
	return &Hub{opts: o.withDefaults(), paths: map[string]*listener{}, all: map[*endpoint]struct{}{}}
}

// Close closes every Caller and Puller and waits for their goroutines.
func (h *Hub) Close() error {
	h.mu.Lock()
	h.closed = true
	var ends []*endpoint
	for e := range h.all {
		ends = append(ends, e)
	}
	h.mu.Unlock()
	var errs []error
	for _, e := range ends {
		errs = append(errs, e.close())
	}
	return errors.Join(errs...)
}

// join makes e a claim of its path, whose socket listens when join returns.
func (h *Hub) join(e *endpoint) error {
	e.claim.Path = filepath.Clean(e.claim.Path)
	for {
		h.mu.Lock()
		if h.closed {
			h.mu.Unlock()
			return fmt.Errorf("socket %s: %w", e.claim.Path, ErrClosed)
		}
		l := h.paths[e.claim.Path]
		switch {
		case l == nil:
			l = &listener{path: e.claim.Path, settled: make(chan struct{}), gone: make(chan struct{}), claims: []*endpoint{e}}
			h.paths[l.path] = l
			h.all[e] = struct{}{}
			e.l = l
			h.mu.Unlock()
			return h.open(l)
		case len(l.claims) == 0: // it is being removed
			h.mu.Unlock()
			<-l.gone
		default:
			l.claims = append(slices.Clip(l.claims), e)
			h.all[e] = struct{}{}
			e.l = l
			h.mu.Unlock()
			<-l.settled
			return l.err
		}
	}
}

func (h *Hub) open(l *listener) error {
	l.ln, l.file, l.err = listen(l.path)
	if l.err == nil {
		l.wg.Add(1)
		go h.accept(l)
	} else {
		h.mu.Lock()
		for _, e := range l.claims {
			delete(h.all, e)
		}
		delete(h.paths, l.path)
		h.mu.Unlock()
		close(l.gone)
	}
	close(l.settled)
	return l.err
}

// leave takes a claim back. The last one closes the socket and removes its file.
func (h *Hub) leave(e *endpoint) error {
	l := e.l
	<-l.settled
	h.mu.Lock()
	if _, in := h.all[e]; !in {
		h.mu.Unlock()
		return nil
	}
	delete(h.all, e)
	l.claims = slices.DeleteFunc(slices.Clone(l.claims), func(c *endpoint) bool { return c == e })
	last := len(l.claims) == 0
	h.mu.Unlock()
	if !last {
		return nil
	}
	_, err := removeSame(l.path, l.file) // first, so that nobody is refused at a path that has a new owner
	err = errors.Join(err, l.ln.Close())
	l.wg.Wait()
	h.mu.Lock()
	delete(h.paths, l.path)
	h.mu.Unlock()
	close(l.gone)
	return err
}

// accept gives each connection to the newest claim that owns the process at its other end.
func (h *Hub) accept(l *listener) {
	defer l.wg.Done()
	pause := time.Millisecond
	for {
		uc, err := l.ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of files, most likely: others may give some back
			h.opts.Log.Warn("sp: accept", "socket", l.path, "error", err)
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
			continue
		}
		pause = time.Millisecond
		h.give(l, uc)
	}
}

func (h *Hub) give(l *listener, uc *net.UnixConn) {
	k, err := newConn(uc, &h.opts)
	if err != nil {
		if !errors.Is(err, syscall.ENOTCONN) {
			h.opts.Log.Warn("sp: connection refused", "socket", l.path, "error", err)
		}
		_ = uc.Close()
		return
	}
	h.mu.Lock()
	claims := l.claims
	h.mu.Unlock()
	for _, e := range slices.Backward(claims) {
		if owned(e.claim.Owns, k.peer) {
			if e.adopt(k) {
				return
			}
			break
		}
	}
	h.opts.Log.Debug("sp: connection refused", "socket", l.path, "pid", k.peer.PID, "uid", k.peer.UID)
	_ = uc.Close()
}
