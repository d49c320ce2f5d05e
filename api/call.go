package api

import (
	"context"
	"errors"
	"fmt"
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
	r.out, err = s.appendCall(r.out[:0], f, r.args)
	if err != nil {
		return err
	}
	return r.json()
}

// appendCall runs f and appends {"result":...}. On an error dst is returned as
// it was.
func (s *Server) appendCall(dst []byte, f *host.Handle, args []any) ([]byte, error) {
	v, err := s.exec(f, args)
	if err != nil {
		if gone(err) {
			s.handles.forget()
		}
		return dst, s.absent(f, err)
	}
	out, err := appendResult(append(dst, `{"result":`...), v)
	if err != nil {
		return dst, err
	}
	return append(out, '}'), nil
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

// exec runs f until the server's calls are cancelled or the ceiling is reached.
func (s *Server) exec(f *host.Handle, args []any) (any, error) {
	if s.opts.CallTimeout <= 0 {
		return f.Exec(s.calls, nil, args)
	}
	ctx, cancel := context.WithTimeout(s.calls, s.opts.CallTimeout)
	defer cancel()
	v, err := f.Exec(ctx, nil, args)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("function %s: found no result within %s, the server's ceiling on calls: %w", f.Name(), s.opts.CallTimeout, err)
	}
	return v, err
}
