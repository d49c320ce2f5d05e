package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/vanth-io/vanth/host"
)

// call answers {"args":[...]} with {"result":...}. This is the path that is
// measured: nothing is searched, and what is allocated are the values that the
// function takes and returns.
func call(s *Server, r *request) error {
	f, err := s.function(r.name)
	if err != nil {
		return err
	}
	if err := r.readBody(s.opts.MaxBody); err != nil {
		return err
	}
	if r.args, err = decodeCall(r.args[:0], r.in, f.Signature()); err != nil {
		return err
	}
	var fuel uint64
	r.out, fuel, err = s.appendCall(r.out[:0], f, r.args)
	if string(r.ctx.QueryArgs().Peek("fuel")) == "1" {
		r.ctx.Response.Header.Set(headerFuel, strconv.FormatUint(fuel, 10))
	}
	if err != nil {
		return err
	}
	return r.json()
}

// headerFuel tells what a call used, also one that failed.
const headerFuel = "X-Vanth-Fuel"

// appendCall runs f, appends {"result":...} and returns what the call used. On an
// error dst is returned as it was.
func (s *Server) appendCall(dst []byte, f *host.Handle, args []any) (_ []byte, fuel uint64, err error) {
	v, fuel, err := s.exec(f, args)
	if err != nil {
		if gone(err) {
			s.handles.forget()
		}
		return dst, fuel, s.absent(f, err)
	}
	out, err := appendResult(append(dst, `{"result":`...), v)
	if err != nil {
		return dst, fuel, err
	}
	return append(out, '}'), fuel, nil
}

// absent says which names are registered when f is one of them and the .so file
// does not export it. Other errors it returns as they are. The words tell it:
// nothing else comes out of a plugin's own process.
func (s *Server) absent(f *host.Handle, err error) error {
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

// exec runs f until the server's calls are cancelled or the ceiling is reached,
// and returns what the call used.
func (s *Server) exec(f *host.Handle, args []any) (v any, fuel uint64, err error) {
	if s.opts.CallTimeout <= 0 {
		return f.ExecMetered(s.calls, nil, args)
	}
	ctx, cancel := context.WithTimeout(s.calls, s.opts.CallTimeout)
	defer cancel()
	v, fuel, err = f.ExecMetered(ctx, nil, args)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("function %s: found no result within %s, the server's ceiling on calls: %w", f.Name(), s.opts.CallTimeout, err)
	}
	return v, fuel, err
}
