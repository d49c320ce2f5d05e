package api

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/vanth-io/vanth/host"
)

// This file chooses the lane of a call. Values are what every function takes; but
// numbers can go as words, and where arguments have one form as a frame they can go
// from the request's bytes into that, and the result's frame into the answer. Both
// say the same as values do, to the byte, or are not taken: whatever is odd about
// the arguments - a null, a type that has to be converted, no JSON at all - is left
// to the values' way, which knows all the rules and all the errors.

// callee is a function that was resolved, and what is known of its lanes.
type callee struct {
	*host.Handle
	known atomic.Pointer[plan]
}

// maxWords is the most arguments that go as words.
const maxWords = 16

// plan is how a version of a function may be called.
type plan struct {
	sig *host.Signature
	// converts: numbers are encoded as their declared types say.
	converts bool
	// scalar and framed are withdrawn when the function turns out to have no such
	// lane.
	scalar, framed atomic.Bool
}

// plan returns the plan for the version that serves now.
func (f *callee) plan(s *Server) *plan {
	sig := f.Signature()
	if p := f.known.Load(); p != nil && p.sig == sig {
		return p
	}
	p := &plan{sig: sig}
	if desc, err := s.host.FunctionNamed(f.Name()); err == nil {
		p.converts = desc.Plugin.Class == host.ClassWASM
	}
	p.scalar.Store(sig.Scalar() && len(sig.Args) <= maxWords)
	p.framed.Store(!sig.Aggregate)
	f.known.Store(p)
	return p
}

// lanes is what is called: a handle, or a pin where there are many rows.
type lanes interface {
	ExecScalarAs(ctx context.Context, c *host.Call, sig *host.Signature, words []uint64) error
	ExecBytes(ctx context.Context, c *host.Call, dst, args []byte) ([]byte, error)
}

// job is a call, or a row of a batch, on its way through.
type job struct {
	s       *Server
	f       *callee
	r       *request
	on      lanes
	in, out wire
}

// try runs the function on the list of arguments that data begins with and that
// end follows, on a lane without values. It appends the result, bare. Unless it is
// done, nothing was run and dst is as it was.
func (j *job) try(dst, data []byte, end string) (out []byte, done bool, err error) {
	p := j.f.plan(j.s)
	if p.scalar.Load() {
		rest, ok := j.in.words(&j.r.words, p.sig.Args, data)
		if !ok || !j.in.ends(rest, end) {
			return dst, false, nil
		}
		return j.scalar(dst, p)
	}
	if p.framed.Load() {
		args, rest, ok := j.in.frame(j.r.frame[:0], p, data)
		if !ok || !j.in.ends(rest, end) {
			return dst, false, nil
		}
		return j.bytes(dst, p, args)
	}
	return dst, false, nil
}

// ends reports whether rest is nothing but end, in JSON among white space.
func (w wire) ends(rest []byte, end string) bool {
	if len(rest) == len(end) || w == wireFrame {
		return string(rest) == end
	}
	d := decoder{data: rest}
	d.next()
	if !d.word(end) {
		return false
	}
	d.next()
	return d.pos == len(rest)
}

// scalar calls with the words that were read.
func (j *job) scalar(dst []byte, p *plan) ([]byte, bool, error) {
	if j.s.opts.CallTimeout > 0 {
		if out, done, err := j.scalarWithin(dst, p); !done || err != nil {
			return out, done, err
		}
	} else if err := j.on.ExecScalarAs(j.s.calls, nil, p.sig, j.r.words[:]); err != nil {
		return j.failed(j.s.calls, dst, &p.scalar, err)
	}
	out, err := j.out.appendWord(dst, p.sig.Returns, j.r.words[0])
	return out, true, err
}

// scalarWithin calls under the ceiling, and appends nothing.
func (j *job) scalarWithin(dst []byte, p *plan) ([]byte, bool, error) {
	ctx, timer := j.s.ceiling()
	defer timer.stop()
	if err := j.on.ExecScalarAs(ctx, nil, p.sig, j.r.words[:]); err != nil {
		return j.failed(ctx, dst, &p.scalar, err)
	}
	return dst, true, nil
}

// failed ends a call that did not end well, unless there is no such lane, or not any
// more: then it did not begin.
func (j *job) failed(ctx context.Context, dst []byte, lane *atomic.Bool, err error) ([]byte, bool, error) {
	if errors.Is(err, host.ErrUnsupported) {
		lane.Store(false)
		return dst, false, nil
	}
	return dst, true, j.s.failed(j.f, j.s.over(ctx, j.f, err))
}

// bytes calls with encoded arguments.
func (j *job) bytes(dst []byte, p *plan, args []byte) ([]byte, bool, error) {
	r := j.r
	ctx, timer := j.s.ceiling()
	defer timer.stop()
	var err error
	if r.result, err = j.on.ExecBytes(ctx, nil, r.result[:0], args); err != nil {
		return j.failed(ctx, dst, &p.framed, err)
	}
	if out, ok := j.out.appendFrame(dst, p.sig.Returns, r); ok {
		return out, true, nil
	}
	v, err := j.s.unframe(j.f, p, r.result)
	if err != nil {
		return dst, true, err
	}
	dst, err = j.out.appendValue(dst, v)
	return dst, true, err
}
