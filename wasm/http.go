package wasm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// HTTP is what plugins may reach by import http. Both the plugin's manifest and
// Allow must name a host.
type HTTP struct {
	// Allow are hosts: HOST or HOST:PORT, where HOST may be *.DOMAIN or *, and
	// PORT may be *; without one it is the scheme's own. An address that is not
	// public is reached only if it is named itself, as a number, also behind a
	// name. Default: none.
	Allow []string
	// Timeout bounds one request. It ends with the call that makes it, in any
	// case. Default 10 s.
	Timeout time.Duration
	// MaxBytes bounds the body of a request and that of an answer. Default 1 MiB.
	MaxBytes int
	// TLS has roots and client certificates; nil for the system's. Certificates
	// are verified always.
	TLS *tls.Config

	allow []pattern
}

func (o *HTTP) fill() error {
	o.Timeout = positive(o.Timeout, 10*time.Second)
	o.MaxBytes = positive(o.MaxBytes, 1<<20)
	var err error
	if o.allow, err = parsePatterns(o.Allow); err != nil {
		return host.Errorf(host.ErrInvalid, "wasm.http: %v", err)
	}
	if o.MaxBytes > frame.MaxBytes/2 {
		return host.Errorf(host.ErrInvalid, "wasm.httpMaxKiB: found %d, expected at most %d", o.MaxBytes>>10, frame.MaxBytes>>11)
	}
	return nil
}

// The bounds of a request beside those of HTTP.
const (
	maxHeaders     = 64
	maxHeaderBytes = 64 << 10
	maxRedirects   = 5
	dialTimeout    = 10 * time.Second
	// minMargin is the least that a call has left after a request.
	minMargin = 50 * time.Millisecond
)

// web is how one plugin makes requests. Nothing in it is shared with another.
type web struct {
	opts   HTTP
	asked  []pattern // by the manifest
	client *http.Client
	pipe   *http.Transport
	life   context.Context // ends when the module does: connections begin within it
	end    context.CancelFunc
}

func newWeb(o HTTP, g grant) *web {
	w := &web{opts: o, asked: g.http}
	w.life, w.end = context.WithCancel(context.Background())
	c := &tls.Config{}
	if o.TLS != nil {
		c = o.TLS.Clone()
	}
	c.InsecureSkipVerify = false
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	dialer := &net.Dialer{Timeout: dialTimeout, Control: w.judge}
	overTLS := &tls.Dialer{NetDialer: dialer, Config: c}
	w.pipe = &http.Transport{
		Proxy:                  nil, // nothing comes from the environment
		DialContext:            w.within(dialer.DialContext),
		DialTLSContext:         w.within(overTLS.DialContext),
		MaxConnsPerHost:        g.pool,
		MaxIdleConnsPerHost:    g.pool,
		MaxIdleConns:           4 * g.pool,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true, // what is counted is what is kept
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
	w.client = &http.Client{Transport: w.pipe, CheckRedirect: checkRedirect}
	return w
}

type dial = func(ctx context.Context, network, addr string) (net.Conn, error)

// requestKey is how a dial finds the context of the request that began it.
type requestKey struct{}

// within ends a dial with its request, and with the module. http.Transport would
// detach it, and a guest could leave more and more of them behind.
func (w *web) within(d dial) dial {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		request, _ := ctx.Value(requestKey{}).(context.Context)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(w.life, cancel)()
		if request != nil {
			defer context.AfterFunc(request, cancel)()
		}
		return d(ctx, network, addr)
	}
}

// close may be called when no instance is alive.
func (w *web) close() {
	if w != nil {
		w.end()
		w.pipe.CloseIdleConnections()
	}
}

// refused is an answer of the host's rules, not of the network.
type refused struct{ text string }

func (e *refused) Error() string { return e.text }

func refuse(format string, a ...any) error { return &refused{fmt.Sprintf(format, a...)} }

// judge is asked about every address before it is connected to, after names
// were resolved.
func (w *web) judge(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return refuse("address %q: expected ip and port", address)
	}
	if host.PublicAddress(a.Addr()) || names(w.opts.allow, a) {
		return nil
	}
	return refuse("address %s is not public: wasm.http does not name it", a)
}

// authority is where a URL leads: host and port, and whether the port is the
// scheme's own.
func authority(u *url.URL) (host, port string, usual bool) {
	host = strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	own := "80"
	if u.Scheme == "https" {
		own = "443"
	}
	if port = u.Port(); port == "" {
		port = own
	}
	return host, port, port == own
}

// checkRedirect lets a request move within its host.
func checkRedirect(req *http.Request, via []*http.Request) error {
	from, to := via[0].URL, req.URL
	h1, p1, _ := authority(from)
	h2, p2, _ := authority(to)
	switch {
	case len(via) > maxRedirects:
		return refuse("more than %d redirects", maxRedirects)
	case from.Scheme != to.Scheme || h1 != h2 || p1 != p2:
		return refuse("redirect from %s://%s to %.200s://%.200s refused: it leads to another host", from.Scheme, from.Host, to.Scheme, to.Host)
	}
	return nil
}

// request makes a request of the map that a guest wrote.
func (w *web) request(ctx context.Context, m map[string]any) (*http.Request, error) {
	for key := range m {
		if !slices.Contains([]string{"method", "url", "headers", "body", "timeout"}, key) {
			return nil, refuse("key %.64q is not known: expected method, url, headers, body and timeout", key)
		}
	}
	var body []byte
	switch b := m["body"].(type) {
	case nil:
	case []byte:
		body = b
	case string:
		body = []byte(b)
	default:
		return nil, refuse("body: found %s, expected bytes or a string", host.Describe(b))
	}
	if len(body) > w.opts.MaxBytes {
		return nil, refuse("body of %d bytes: at most %d are allowed", len(body), w.opts.MaxBytes)
	}
	method, _ := m["method"].(string)
	if method == "" {
		method = http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
	}
	if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method) {
		return nil, refuse("method %.32q: expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS", method)
	}
	text, _ := m["url"].(string)
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, refuse("url %.200q: expected http:// or https://, a host, and no user", text)
	}
	name, port, usual := authority(u)
	if !matchesAny(w.asked, name, port, usual) {
		return nil, refuse(`host %s is not in "http" of the plugin's manifest`, net.JoinHostPort(name, port))
	}
	if !matchesAny(w.opts.allow, name, port, usual) {
		return nil, refuse("host %s is not allowed here: wasm.http does not name it", net.JoinHostPort(name, port))
	}
	req, err := http.NewRequestWithContext(ctx, method, text, bytes.NewReader(body))
	if err != nil {
		return nil, refuse("%v", err)
	}
	if body == nil {
		req.Body, req.GetBody = nil, nil
	}
	req.Header.Set("User-Agent", "vanth")
	return req, setHeaders(req.Header, m["headers"])
}

// setHeaders takes the headers of a guest, but for those that say how a message
// is sent.
func setHeaders(h http.Header, v any) error {
	headers, ok := v.(map[string]any)
	if !ok && v != nil {
		return refuse("headers: found %s, expected a map", host.Describe(v))
	}
	if len(headers) > maxHeaders {
		return refuse("%d headers: at most %d are allowed", len(headers), maxHeaders)
	}
	size := 0
	for name, v := range headers {
		value, ok := v.(string)
		size += len(name) + len(value)
		switch strings.ToLower(name) {
		case "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "expect":
			ok = false
		}
		if !ok || strings.HasPrefix(strings.ToLower(name), "proxy-") {
			return refuse("header %.64q: it is the host's to set, or its value is no string", name)
		}
		if name == "" || strings.ContainsFunc(name, notToken) || strings.ContainsFunc(value, isControl) {
			return refuse("header %.64q: its name or its value has characters that headers cannot have", name)
		}
		h.Set(name, value)
	}
	if size > maxHeaderBytes {
		return refuse("headers of %d bytes: at most %d are allowed", size, maxHeaderBytes)
	}
	return nil
}

func notToken(c rune) bool {
	return (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// do makes a request for the call under way on an instance and appends the
// answer's frame: a map, or an error value.
func (w *web) do(in *instance, data []byte) []byte {
	answer, err := w.exchange(in, data)
	if err == nil {
		var b []byte
		if b, err = frame.Append(nil, answer); err == nil {
			return b
		}
	}
	said := &frame.Error{Msg: strings.ToValidUTF8("http: "+err.Error(), "\uFFFD"), Class: frame.ClassIO}
	if r, ok := errors.AsType[*refused](err); ok {
		said.Msg, said.Class = "http: "+strings.ToValidUTF8(r.text, "\uFFFD"), frame.ClassUsage
	}
	b, _ := frame.Append(nil, said)
	return b
}

func (w *web) exchange(in *instance, data []byte) (map[string]any, error) {
	v, err := frame.Decode(data)
	if err != nil {
		return nil, refuse("request: %v", err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, refuse("request: found %s, expected a map", host.Describe(v))
	}
	limit := w.opts.Timeout
	switch ms := m["timeout"].(type) {
	case nil:
	case int64:
		if ms > 0 {
			limit = min(limit, time.Duration(min(ms, int64(limit/time.Millisecond)+1))*time.Millisecond)
		}
	default:
		return nil, refuse("timeout: found %s, expected milliseconds", host.Describe(ms))
	}
	if !in.module.grant.trusted {
		// The guest is to hear of it before its call is ended.
		left := in.left()
		limit = min(limit, left-min(left/2, max(left/10, minMargin)))
	}
	ctx, cancel := context.WithTimeoutCause(in.ctx.Context, limit, fmt.Errorf("no answer within %v: %w", limit.Round(time.Millisecond), context.DeadlineExceeded))
	defer cancel()
	if in.caller != nil {
		defer context.AfterFunc(in.caller, cancel)()
	}
	req, err := w.request(context.WithValue(ctx, requestKey{}, ctx), m)
	if err != nil {
		return nil, err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, because(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(w.opts.MaxBytes)+1))
	if err != nil {
		return nil, because(ctx, err)
	}
	if len(body) > w.opts.MaxBytes {
		return nil, refuse("the answer has more than %d bytes", w.opts.MaxBytes)
	}
	return map[string]any{"status": int64(resp.StatusCode), "headers": told(resp.Header), "body": body}, nil
}

// told are the headers of an answer that a guest gets.
func told(h http.Header) map[string]any {
	m := map[string]any{}
	for _, name := range []string{"cache-control", "content-type", "date", "etag", "last-modified", "link", "location", "retry-after"} {
		if v := h.Get(name); v != "" {
			m[name] = strings.ToValidUTF8(v, "\uFFFD")
		}
	}
	return m
}

// because prefers what ended ctx to the accident that it caused.
func because(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*refused](err); !ok && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// importHTTP makes a request and answers how long the frame is that http_answer
// gives.
func importHTTP(in *instance, stack []uint64) {
	data, ok := in.guestBytes(stack[0], stack[1])
	w := in.module.web
	switch {
	case in.starting():
		stack[0] = code(codeDenied)
	case !ok:
		stack[0] = code(codePointer)
	case len(data) > w.opts.MaxBytes+2*maxHeaderBytes:
		stack[0] = code(codeTooLarge)
	default:
		r := in.module.rt
		r.seats.leave(in) // while it waits for the network
		began := r.clock()
		in.reply = w.do(in, data)
		in.idled(r.clock() - began)
		in.wanted() // else the guest would take the end of its call for an answer
		stack[0] = code(len(in.reply))
	}
}

// importHTTPAnswer gives the answer to the last request, once.
func importHTTPAnswer(in *instance, stack []uint64) {
	if in.reply == nil {
		stack[0] = code(codeAbsent)
		return
	}
	n := len(in.reply)
	room := uint64(uint32(stack[1]))
	if stack[0] = in.answer(in.reply, stack[0], room); stack[0] == code(n) && uint64(n) <= room {
		in.reply = nil
	}
}
