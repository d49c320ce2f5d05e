package builtin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
)

// push yields the bodies of requests to a path. A request is answered when its
// body was taken, so that one that was accepted is never lost, or with 429 when
// that takes longer than timeout.
type push struct {
	*life
	path    string
	method  string
	timeout time.Duration
	bodies  chan host.Message // without a buffer
}

func newPush(l *life, p *reader) host.Source {
	s := &push{
		life: l, path: p.text("datasource", ""), timeout: p.limit("timeout", 5*time.Second),
		method: strings.ToUpper(p.choice("method", "post", "post", "put")),
		bodies: make(chan host.Message),
	}
	if s.path = p.text("endpoint", s.path); !strings.HasPrefix(s.path, "/") {
		p.wrong("datasource", s.path, "a path that begins with /")
	}
	return s
}

// Open implements host.Source: requests to the path are taken from now on.
func (s *push) Open(ctx context.Context) error {
	return s.open(func() error {
		if err := s.owner.push.add(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		return nil
	})
}

// Next implements host.Source.
func (s *push) Next(ctx context.Context) (host.Message, error) {
	if err := s.enter(); err != nil {
		return host.Message{}, err
	}
	defer s.leave()
	select {
	case m := <-s.bodies:
		return m, nil
	case <-ctx.Done():
	case <-s.over.Done():
	}
	return host.Message{}, s.interrupted(ctx)
}

// Close implements host.Source.
func (s *push) Close(ctx context.Context) error {
	return s.close(ctx, func(ctx context.Context) error { return s.owner.push.remove(ctx, s) })
}

// listener is where all httppush sources are found. Its server runs while there
// is one.
type listener struct {
	mu      sync.Mutex // guards what follows
	sources []*push
	now     *pushServer // nil when there is no source
}

// pushServer is one run of the HTTP server.
type pushServer struct {
	listener *listener
	socket   net.Listener
	http     http.Server
	budget   *budget        // of all bodies
	busy     sync.WaitGroup // Serve, and the requests; grows with mu only, while this is the one now
}

func (h *listener) add(ctx context.Context, s *push) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now == nil {
		g, err := h.start(ctx, s.owner.opts)
		if err != nil {
			return err
		}
		h.now = g
	}
	h.sources = append(h.sources, s)
	return nil
}

func (h *listener) start(ctx context.Context, o Options) (*pushServer, error) {
	var c net.ListenConfig
	socket, err := c.Listen(ctx, "tcp", o.PushAddr)
	if err != nil {
		return nil, unavailable("listen on %s: %w (source.httpServerIp and httpServerPort)", o.PushAddr, err)
	}
	g := &pushServer{listener: h, socket: socket, budget: newBudget(2 * maxBytes)}
	g.http = http.Server{
		Handler: g, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	g.busy.Go(func() {
		var err error
		if o.PushCert != "" && o.PushKey != "" {
			err = g.http.ServeTLS(socket, o.PushCert, o.PushKey)
		} else {
			err = g.http.Serve(socket)
		}
		if !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			o.Log.Error("httppush does not listen any more", "address", o.PushAddr, "err", err)
		}
	})
	return g, nil
}

// remove ends the server with its last source.
func (h *listener) remove(ctx context.Context, s *push) error {
	h.mu.Lock()
	h.sources = slices.DeleteFunc(h.sources, func(x *push) bool { return x == s })
	g := h.now
	if len(h.sources) > 0 || g == nil {
		h.mu.Unlock()
		return nil
	}
	g.socket.Close() // the address is free for the next source
	h.now = nil
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if g.http.Shutdown(ctx) != nil {
		_ = g.http.Close() // clients that are slow
	}
	g.busy.Wait()
	return nil
}

// addr is where the server listens, "" when it does not.
func (h *listener) addr() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now == nil {
		return ""
	}
	return h.now.socket.Addr().String()
}

// enter counts a request and finds its sources; allow is the method that the path
// takes. It reports false when the server ends.
func (g *pushServer) enter(path, method string) (list []*push, allow string, ok bool) {
	h := g.listener
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now != g {
		return nil, "", false
	}
	g.busy.Add(1)
	for _, s := range h.sources {
		if s.path == path {
			if allow = s.method; allow == method {
				list = append(list, s)
			}
		}
	}
	return list, allow, true
}

// ServeHTTP implements http.Handler.
func (g *pushServer) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	list, allow, ok := g.enter(q.URL.Path, q.Method)
	if !ok {
		http.Error(w, "no stream reads any more", http.StatusServiceUnavailable)
		return
	}
	defer g.busy.Done()
	switch {
	case allow == "":
		http.Error(w, "no stream reads this path", http.StatusNotFound)
		return
	case len(list) == 0:
		w.Header().Set("Allow", allow)
		http.Error(w, "expected "+allow, http.StatusMethodNotAllowed)
		return
	}
	body, held, code := g.body(w, q, list[0].timeout)
	defer g.budget.give(held)
	if code == 0 {
		ctx, cancel := context.WithTimeout(q.Context(), list[0].timeout)
		defer cancel()
		code = hand(ctx, list, host.Message{Value: body, Time: time.Now(), Meta: map[string]any{"path": q.URL.Path, "method": q.Method}})
	}
	switch code {
	case http.StatusOK:
		w.WriteHeader(code)
		return
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	http.Error(w, http.StatusText(code), code)
}

// body reads a request; it holds the returned number of bytes of the budget.
func (g *pushServer) body(w http.ResponseWriter, q *http.Request, patience time.Duration) (body []byte, held int64, code int) {
	in := http.MaxBytesReader(w, q.Body, maxBytes)
	for {
		if len(body) == cap(body) {
			more := max(8<<10, int64(cap(body)))
			if n := q.ContentLength; n >= 0 {
				more = min(more, max(n+1-int64(len(body)), 512))
			}
			ctx, cancel := context.WithTimeout(q.Context(), patience)
			ok := g.budget.take(ctx, more)
			if cancel(); !ok {
				return nil, held, http.StatusServiceUnavailable
			}
			held += more
			body = append(make([]byte, 0, int64(cap(body))+more), body...)
		}
		n, err := in.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		var large *http.MaxBytesError
		switch {
		case errors.Is(err, io.EOF):
			return body, held, 0
		case errors.As(err, &large):
			return nil, held, http.StatusRequestEntityTooLarge
		case err != nil:
			return nil, held, http.StatusBadRequest
		}
	}
}

// hand gives a body to its sources; several get the same bytes, which nobody
// changes.
func hand(ctx context.Context, list []*push, m host.Message) int {
	code := http.StatusOK
	for _, s := range list {
		select {
		case s.bodies <- m:
		case <-s.over.Done():
			code = http.StatusServiceUnavailable
		case <-ctx.Done():
			code = http.StatusTooManyRequests
		}
	}
	return code
}
