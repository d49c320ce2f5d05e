package api

import (
	"errors"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
)

// handles keeps functions that were resolved, so that a call searches nothing.
// A handle follows updates of its plugin by itself. Readers load a snapshot;
// writers copy and swap it.
type handles struct {
	mu  sync.Mutex // guards swaps
	set atomic.Pointer[map[string]*callee]
}

// find returns nil for a function that was not resolved yet.
func (h *handles) find(name []byte) *callee {
	if set := h.set.Load(); set != nil {
		return (*set)[string(name)]
	}
	return nil
}

// keep remembers a handle. Only names that exist come here, so clients cannot
// make it grow.
func (h *handles) keep(f *callee) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := map[string]*callee{}
	if set := h.set.Load(); set != nil {
		next = maps.Clone(*set)
	}
	next[f.Name()] = f
	h.set.Store(&next)
}

// forget drops every handle: functions have gone, and the rest is resolved
// again at its next call.
func (h *handles) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.set.Store(nil)
}

// function resolves the name of the path.
func (s *Server) function(name []byte) (*callee, error) {
	if f := s.handles.find(name); f != nil {
		return f, nil
	}
	h, err := s.host.Function(string(name))
	if err != nil {
		return nil, err
	}
	f := &callee{Handle: h}
	s.handles.keep(f)
	return f, nil
}

func listFunctions(s *Server, r *request) error {
	r.out = append(r.out[:0], '[')
	for i, f := range s.host.Functions() {
		if i > 0 {
			r.out = append(r.out, ',')
		}
		r.out = appendFunction(r.out, &f)
	}
	r.out = append(r.out, ']')
	return r.json()
}

func describeFunction(s *Server, r *request) error {
	f, err := s.host.FunctionNamed(string(r.name))
	if err != nil {
		return err
	}
	r.out = appendFunction(r.out[:0], &f)
	return r.json()
}

func appendFunction(dst []byte, f *host.FunctionDesc) []byte {
	dst = append(dst, '{')
	dst = appendField(dst, "name", f.Name)
	dst = appendField(dst, "plugin", f.Plugin.Name)
	dst = appendField(dst, "class", string(f.Plugin.Class))
	dst = appendField(dst, "version", f.Version)
	if f.Runtime != "" {
		dst = appendField(dst, "runtime", f.Runtime)
	}
	dst = appendField(dst, "kind", host.KindFunction.String())
	dst = appendSignature(appendKey(dst, "signature"), f.Signature)
	dst = appendField(dst, "status", status(f.Err))
	if f.Err != nil {
		dst = appendField(dst, "errMsg", f.Err.Error())
	}
	dst = strconv.AppendUint(appendKey(dst, "calls"), f.Usage.Calls, 10)
	dst = strconv.AppendUint(appendKey(dst, "errors"), f.Usage.Errors, 10)
	dst = append(appendKey(dst, "latencyUs"), '{')
	dst = appendMicros(appendKey(dst, "p50"), f.Usage.P50)
	dst = appendMicros(appendKey(dst, "p99"), f.Usage.P99)
	return append(dst, "}}"...)
}

// appendMicros appends microseconds, to the nanosecond.
func appendMicros(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, float64(d)/1e3, 'f', -1, 64)
}

func appendSignature(dst []byte, sig *host.Signature) []byte {
	dst = append(dst, '{')
	dst = appendField(dst, "text", sig.String())
	if sig.Description != "" {
		dst = appendField(dst, "description", sig.Description)
	}
	if sig.Variadic {
		dst = append(dst, `,"args":null,"variadic":true`...)
	} else {
		words := make([]string, len(sig.Args))
		for i, t := range sig.Args {
			words[i] = t.String()
		}
		dst = appendNames(dst, "args", words)
	}
	dst = appendField(dst, "returns", sig.Returns.String())
	dst = strconv.AppendBool(appendKey(dst, "pure"), sig.Pure)
	dst = strconv.AppendBool(appendKey(dst, "aggregate"), sig.Aggregate)
	null := "strict"
	if sig.NullCall {
		null = "call"
	}
	return append(appendField(dst, "null", null), '}')
}

// gone reports an error after which a handle is of no use.
func gone(err error) bool {
	return errors.Is(err, host.ErrNotFound)
}
