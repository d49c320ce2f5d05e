package api

import (
	"errors"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
	"github.com/vanth-io/vanth/host"
)

// call answers {"args":[...]} with {"result":...}, as JSON; or as frames the list of
// arguments alone, which is what the guest is given, with a map of the result. This
// is the path that is measured: nothing is searched, and no values are made where
// the function has a lane without.
func call(s *Server, r *request) error {
	f, err := s.function(r.name)
	if err != nil {
		return err
	}
	in, out := wires(r)
	r.binary = out == wireFrame
	if err := s.readBody(r); err != nil {
		return err
	}
	if err := s.load.enter(r); err != nil {
		return err
	}
	j := &r.job
	*j = job{s: s, f: f, r: r, on: f, in: in, out: out}
	metered, done := asksFuel(r), false
	r.out = out.appendHead(r.out[:0])
	if !metered {
		data, end := r.in, ""
		if in == wireJSON {
			data, end = callArgs(r.in), "}"
		}
		r.out, done, err = j.try(r.out, data, end)
	}
	if !done {
		if err := j.callArgs(); err != nil {
			return err
		}
		var fuel uint64
		r.out, fuel, err = j.values(r.out)
		if metered {
			r.ctx.Response.Header.Set(headerFuel, strconv.FormatUint(fuel, 10))
		}
	}
	if err != nil {
		return err
	}
	return r.finish(out)
}

// headerFuel tells what a call used, also one that failed.
const headerFuel = "X-Vanth-Fuel"

func asksFuel(r *request) bool {
	return len(r.ctx.URI().QueryString()) > 0 && string(r.ctx.QueryArgs().Peek("fuel")) == "1"
}

// callArgs returns what follows {"args": in the body of a call; nothing if it
// begins otherwise.
func callArgs(body []byte) []byte {
	const usual = `{"args":`
	if len(body) > len(usual) && string(body[:len(usual)]) == usual {
		return body[len(usual):]
	}
	d := decoder{data: body}
	for _, word := range [...]string{"{", `"args"`, ":"} {
		if d.next(); !d.word(word) {
			return nil
		}
	}
	return body[d.pos:]
}

// callArgs reads the values of a call's body.
func (j *job) callArgs() (err error) {
	r := j.r
	if j.in == wireFrame {
		r.args, err = decodeFrame(r.args[:0], r.in, "body")
	} else {
		r.args, err = decodeCall(r.args[:0], r.in, j.f.Signature())
	}
	return err
}

// values runs the function on r.args, appends the result, bare, and returns what the
// call used. On an error dst is returned as it was.
func (j *job) values(dst []byte) (_ []byte, fuel uint64, err error) {
	v, fuel, err := j.exec(j.r.args)
	if err != nil {
		return dst, fuel, err
	}
	out, err := j.out.appendValue(dst, v)
	return out, fuel, err
}

// finish answers with the result in r.out, whose head it has.
func (r *request) finish(out wire) error {
	if out == wireFrame {
		r.write(fasthttp.StatusOK, contentFrame, r.out)
		return nil
	}
	r.out = append(r.out, '}')
	return r.json()
}

// appendHead begins an answer of which the result is the rest, but for JSON's }.
func (w wire) appendHead(dst []byte) []byte {
	if w == wireFrame {
		return append(dst, "\x81\xa6result"...)
	}
	return append(dst, `{"result":`...)
}

// absent says which names are registered when f is one of them and the .so file
// does not export it. Other errors it returns as they are. The words tell it:
// nothing else comes out of a plugin's own process.
func (s *Server) absent(f *callee, err error) error {
	if !errors.Is(err, host.ErrUnavailable) || !strings.Contains(err.Error(), " does not export ") {
		return err
	}
	desc, e := s.host.FunctionNamed(f.Name())
	if e != nil {
		return err
	}
	p, e := s.host.Get(desc.Plugin)
	if e != nil {
		return err
	}
	const shown = 16
	names, more := p.Manifest.Functions, ""
	if len(names) > shown {
		names, more = names[:shown], ", ..."
	}
	return failf(problemAbsent, "%v; registered are %s%s", err, strings.Join(names, ", "), more)
}

// failed says more of the error of a call, where there is more to say.
func (s *Server) failed(f *callee, err error) error {
	if gone(err) {
		s.handles.forget()
	}
	return s.absent(f, err)
}

// exec runs the function on values, until the server's calls are cancelled or the
// ceiling is reached, and returns what the call used, unless it is a pin's.
func (j *job) exec(args []any) (v any, fuel uint64, err error) {
	ctx, timer := j.s.ceiling()
	defer timer.stop()
	if pin, ok := j.on.(*host.Pin); ok {
		v, err = pin.Exec(ctx, nil, args)
	} else {
		v, fuel, err = j.f.ExecMetered(ctx, nil, args)
	}
	if err != nil {
		err = j.s.failed(j.f, j.s.over(ctx, j.f, err))
	}
	return v, fuel, err
}
