package api

import (
	"bytes"
	"errors"
	"net"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"
)

// serve is the one wrapper: it finds the route, admits the request, runs the
// handler and turns what it returns into an answer.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	r, _ := s.requests.Get().(*request)
	r.begin(ctx)
	ctx.Response.Header.SetCanonical(strNosniff, strNosniffValue)
	defer s.finish(r)
	s.answer(r)
	r.returned = true
}

// answer finds the route and runs its handler.
func (s *Server) answer(r *request) {
	ctx := r.ctx
	res, name := s.table.find(ctx.URI().PathOriginal())
	if res == nil {
		_ = r.text(fasthttp.StatusNotFound, "404 page not found\n")
		return
	}
	r.name = name
	if r.route = res.method(ctx.Method()); r.route == nil {
		ctx.Response.Header.Set(fasthttp.HeaderAllow, res.allow)
		ctx.Response.SetStatusCode(fasthttp.StatusMethodNotAllowed)
		return
	}
	if !s.admit(r) {
		return
	}
	if err := r.route.handle(s, r); err != nil {
		s.refuse(r, err)
	}
}

// admit asks the questions that come before any handler.
func (s *Server) admit(r *request) bool {
	if s.closing.Load() {
		r.ctx.SetConnectionClose()
		s.refuse(r, &failure{problemClosing, "the server is closing"})
		return false
	}
	if s.keys == nil && !s.addressed(r.ctx) {
		s.refuse(r, failf(problemHost, "Host: found %.64q on a listener of this machine alone", r.ctx.Request.Header.Host()))
		return false
	}
	if s.keys != nil && !r.route.is(open) {
		var text string
		if r.issuer, text = s.keys.check(r.ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)); text != "" {
			r.ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
			_ = r.text(fasthttp.StatusUnauthorized, text+"\n")
			return false
		}
	}
	if !r.route.is(safe) && foreign(r.ctx) {
		s.refuse(r, &failure{problemOrigin, "found a request that a page of another origin made"})
		return false
	}
	return true
}

// foreign reports whether a browser sent the request for a page of another
// origin. eKuiper's routes take any content type, so no preflight would stop
// such a page from installing plugins on a host that demands no token.
func foreign(ctx *fasthttp.RequestCtx) bool {
	if site := ctx.Request.Header.Peek("Sec-Fetch-Site"); len(site) > 0 {
		return string(site) != "same-origin" && string(site) != "none"
	}
	origin := ctx.Request.Header.Peek(fasthttp.HeaderOrigin)
	if len(origin) == 0 {
		return false
	}
	_, at, ok := bytes.Cut(origin, []byte("://"))
	return !ok || !bytes.EqualFold(at, ctx.Host())
}

// finish ends a request: after a panic with an answer, and always with a
// connection that stands at the next request or is closed.
func (s *Server) finish(r *request) {
	p := recover()
	if p == nil && !r.returned {
		s.abandon(r)
		return
	}
	if p != nil {
		s.opts.Log.Error("handler panicked", "path", string(r.ctx.Path()), "panic", p, "stack", string(debug.Stack()))
		r.ctx.Response.Reset()
		r.ctx.Response.Header.SetCanonical(strNosniff, strNosniffValue)
		r.ctx.SetConnectionClose()
		r.kept = false
		s.refuse(r, &failure{problemInternal, "internal error: it was logged"})
	}
	if !r.body.drain() {
		r.ctx.SetConnectionClose()
	}
	s.audit(r)
	if !r.kept {
		s.free(r)
	}
}

// free gives a request back.
func (s *Server) free(r *request) {
	if r.rows != nil {
		r.rows.unpin()
	}
	s.load.leave(r)
	r.reset()
	s.requests.Put(r)
}

// abandon ends the connection of a handler whose goroutine ends under it, since
// plugin code called runtime.Goexit: fasthttp, which runs on that goroutine, will
// neither write nor close any more. The first request of a connection is
// answered. Before a later one, answers to requests sent ahead may still wait in
// fasthttp's buffer, and this one would be taken for theirs.
func (s *Server) abandon(r *request) {
	s.opts.Log.Error("handler ended its goroutine", "path", string(r.ctx.Path()))
	s.load.leave(r)
	r.ctx.Response.SetStatusCode(fasthttp.StatusInternalServerError)
	s.audit(r)
	conn := r.ctx.Conn()
	if r.ctx.ConnRequestNum() == 1 {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write(goneAnswer())
	}
	_ = conn.Close()
}

// malformed answers what never became a request.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	f := &failure{problemMalformed, "request: found what is not HTTP/1.1: " + err.Error()}
	if _, ok := errors.AsType[*fasthttp.ErrSmallBuffer](err); ok {
		f = &failure{problemHeaderSize, "header: found more than 8 KiB, expected at most that"}
	} else if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		f = &failure{problemSlow, "header: found no end of it before the time was up"}
	} else if errors.Is(err, fasthttp.ErrBodyTooLarge) {
		f = &failure{problemBodySize, "body: found more than is accepted"}
	}
	ctx.Response.Reset()
	ctx.Response.Header.SetCanonical(strNosniff, strNosniffValue)
	s.refuse(&request{ctx: ctx}, f)
}

// The header that keeps browsers from guessing a content type.
var (
	strNosniff      = []byte("X-Content-Type-Options")
	strNosniffValue = []byte("nosniff")
)
