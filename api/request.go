package api

import (
	"github.com/valyala/fasthttp"
)

// Content types, in the spelling that eKuiper's clients see.
const (
	contentJSON  = "application/json"
	contentLines = "application/x-ndjson"
	contentText  = "text/plain; charset=utf-8"
)

// keepBytes is how big a buffer may be to be used again.
const keepBytes = 256 << 10

// request is a request on its way through its handler, with the buffers that
// handlers use again and again. A batch keeps it until its last row.
type request struct {
	ctx   *fasthttp.RequestCtx
	route *route
	name  []byte // of the path, decoded; valid while the handler runs
	body  body
	kept  bool // something else gives it back
	// returned: its handler returned, and neither panicked nor ended its goroutine.
	returned bool
	issuer   string // of its token; "" without

	in   []byte // the body, where it is read whole
	out  []byte
	args []any
	memory

	binary bool  // it is answered with frames
	called bool  // it counts as a call
	held   int64 // of what bodies may take together
}

// memory is what the lanes of calls work in.
type memory struct {
	words  [maxWords]uint64
	frame  []byte // arguments
	result []byte
	texter texter
	job    job
	rows   *rows // nil for none
}

func (r *request) begin(ctx *fasthttp.RequestCtx) {
	r.ctx = ctx
	r.body.begin(ctx)
}

// reset forgets everything but the buffers, and those when they grew big.
func (r *request) reset() {
	clear(r.args[:cap(r.args)])
	r.ctx, r.route, r.name, r.body, r.issuer = nil, nil, nil, body{}, ""
	r.kept, r.returned, r.binary = false, false, false
	r.in, r.out, r.args = r.in[:0], r.out[:0], r.args[:0]
	r.job, r.rows = job{}, nil
	if cap(r.in) > keepBytes {
		r.in = nil
	}
	if cap(r.out) > keepBytes {
		r.out = nil
	}
	if cap(r.args) > 256 {
		r.args = nil
	}
	if cap(r.frame) > keepBytes {
		r.frame = nil
	}
	if cap(r.result) > keepBytes {
		r.result = nil
	}
	r.texter.forget()
}

// write answers; body is copied.
func (r *request) write(status int, kind string, body []byte) {
	r.ctx.Response.SetStatusCode(status)
	r.ctx.Response.Header.SetContentType(kind)
	r.ctx.Response.ResetBody()
	r.ctx.Response.AppendBody(body)
}

// text answers with a sentence.
func (r *request) text(status int, sentence string) error {
	r.out = append(r.out[:0], sentence...)
	r.write(status, contentText, r.out)
	return nil
}

// json answers with what is in r.out.
func (r *request) json() error {
	r.write(fasthttp.StatusOK, contentJSON, r.out)
	return nil
}

// readBody reads the whole body into r.in, as far as all bodies together have room.
func (s *Server) readBody(r *request) error {
	if err := r.body.limit(s.opts.MaxBody); err != nil {
		return err
	}
	var err error
	r.in, err = r.body.appendTo(r.in[:0], func(n int) error { return s.load.hold(r, n) })
	return err
}
