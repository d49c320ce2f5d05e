package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// maxHeader bounds request line and header fields, in bytes.
const maxHeader = 8 << 10

// Server serves the API. All methods may be called from many goroutines.
type Server struct {
	opts  Options
	host  Host
	start time.Time
	cpu   time.Duration // processor time of the process at start
	table table
	keys  *keys       // nil: no tokens are demanded
	tls   *tls.Config // nil: plain HTTP
	gate  *gate
	http  *fasthttp.Server

	// calls is what calls and installations run under. It lives in the struct
	// because it belongs to the server and not to a request: fasthttp's
	// requests have no context that could be kept.
	calls  context.Context
	cancel context.CancelFunc

	sites     *sites
	handles   handles
	load      load
	deletions deletions
	requests  sync.Pool // *request

	closing atomic.Bool
	closer  sync.Once
	closed  error // what the first Close returned

	stopMu   sync.Mutex  // guards stopping
	stopping *time.Timer // runs Options.Stop; nil before it is asked for
}

// New makes a server for h. It fails when the key folder, the certificate, a
// plugin key or the folder of uploads cannot be read.
func New(h Host, o Options) (*Server, error) {
	o.fill()
	s := &Server{opts: o, host: h, start: time.Now(), gate: newGate(o.MaxConns)}
	s.cpu, _ = cpuTime()
	s.load.maxCalls, s.load.maxBytes = int64(o.MaxCalls), o.MaxBuffered
	s.requests.New = func() any { return new(request) }
	var err error
	if o.Uploads != "" {
		if s.opts.Uploads, err = prepareUploads(o.Uploads); err != nil {
			return nil, fmt.Errorf("api: uploads: %w", err)
		}
	}
	s.table = newTable(routes(&s.opts))
	if s.tls, err = o.tls(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if s.sites, err = newSites(o.PluginHosts, o.PluginKeys, o.Log); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if o.Auth != nil {
		if s.keys, err = openKeys(o.Auth.Keys); err != nil {
			return nil, fmt.Errorf("api: authentication: %w", err)
		}
	}
	s.calls, s.cancel = context.WithCancel(context.Background())
	s.http = &fasthttp.Server{
		Handler:        s.serve,
		ErrorHandler:   s.malformed,
		HeaderReceived: s.headerReceived,
		Logger:         logger{o.Log},
		// The gate bounds connections; fasthttp's own limit must not come first. It
		// counts the workers that plugin code ended for ever.
		Concurrency:                  1 << 30,
		ReadBufferSize:               maxHeader,
		ReadTimeout:                  o.HeaderTimeout,
		WriteTimeout:                 o.WriteTimeout,
		IdleTimeout:                  o.IdleTimeout,
		MaxRequestBodySize:           int(o.MaxBody),
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true,
	}
	return s, nil
}

// headerReceived lets the body take longer than the header.
func (s *Server) headerReceived(*fasthttp.RequestHeader) fasthttp.RequestConfig {
	return fasthttp.RequestConfig{ReadTimeout: s.opts.ReadTimeout}
}

// Serve answers on ln, which it closes, until Close; then it returns nil. It
// may be called for several listeners; a Unix socket stays without TLS. After
// Close it fails with host.ErrClosed.
func (s *Server) Serve(ln net.Listener) error {
	encrypt := s.tls != nil && ln.Addr().Network() != "unix"
	l, err := s.gate.listen(ln, !encrypt)
	if err != nil {
		return err
	}
	if encrypt {
		return s.http.Serve(tls.NewListener(l, s.tls))
	}
	return s.http.Serve(l)
}

// Handler is the whole API as one function, for a server of the caller's own.
// That server must stream request bodies.
func (s *Server) Handler() fasthttp.RequestHandler { return s.serve }

// Close stops listening, answers 503 to requests that begin from now on, and
// waits for those in flight. When ctx ends first it cancels their calls, cuts
// their connections and returns ctx's error. It takes effect once; further
// calls return what the first one did.
func (s *Server) Close(ctx context.Context) error {
	s.closer.Do(func() {
		s.closing.Store(true)
		s.dropStop()
		s.gate.close()
		err := s.http.ShutdownWithContext(ctx)
		s.cancel()
		if err != nil {
			s.closed = fmt.Errorf("api: requests in flight were ended by force: %w", err)
		}
		// Calls end soon after their context does; one that will not is not
		// waited for.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		s.gate.force(grace)
		if s.keys != nil {
			s.keys.close()
		}
	})
	return s.closed
}

// stop has Options.Stop called once, a moment from now; the first code counts.
func (s *Server) stop(code int) {
	s.stopMu.Lock()
	defer s.stopMu.Unlock()
	if s.stopping == nil && !s.closing.Load() {
		// Nobody waits for this: it may be what calls Close.
		s.stopping = time.AfterFunc(s.opts.StopDelay, func() { s.opts.Stop(code) })
	}
}

// dropStop keeps a Stop that has not begun from beginning.
func (s *Server) dropStop() {
	s.stopMu.Lock()
	defer s.stopMu.Unlock()
	if s.stopping != nil {
		s.stopping.Stop()
	}
}

// logger takes fasthttp's own lines: broken connections for the most part.
type logger struct{ *slog.Logger }

func (l logger) Printf(format string, args ...any) {
	l.Debug("http", "msg", fmt.Sprintf(format, args...))
}
