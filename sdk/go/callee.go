//go:build !wasip1

package vanth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// typedFunction is entry number index of those that were registered. All of them have one executor,
// so that this.current has one user.
type typedFunction struct{ index int }

func (f typedFunction) answer(c *functionContext, frame, out []byte) (result []byte, failed bool) {
	start := len(out)
	defer func() {
		if p := recover(); p != nil {
			result, failed = appendError(out[:start], &Error{Msg: "panic: " + panicText(p), Class: Fatal}), true
		}
	}()
	if wire.Load() != &c.wired { // in a batch it is
		wire.Store(&c.wired)
	}
	e, err := this.begin(f.index, frame)
	if err == nil {
		if result, err = e.run(&this.current, out); err == nil {
			return result, false
		}
	}
	return appendError(out[:start], asError(err)), true
}

// rows answers as many of the rows at the front of d as are lists of arguments that fit, one after
// the other without looking at any of them twice, and at most left. The next is not one of those, or
// there is none, or the call was cancelled.
func (f typedFunction) rows(c *functionContext, ex *executor, d *decoder, left int64, out []byte) (done int64, result []byte) {
	if wire.Load() != &c.wired {
		wire.Store(&c.wired)
	}
	e, args := &this.entries[f.index], &this.current
	result = out
	args.among = true
	defer func() {
		args.among, args.outer = false, 0
		if p := recover(); p != nil {
			result = appendError(result, &Error{Msg: "panic: " + panicText(p), Class: Fatal})
			_ = d.skip(1) // it was read before
			done++
		}
	}()
	args.outer = 1
	for done < left && !ex.stopped.Load() {
		args.rest, args.at, args.err = d.rest, 0, nil
		list, err := args.head()
		if args.count = int(list.n); err != nil || list.kind != kList || e.arity >= 0 && e.arity != args.count {
			break
		}
		made, err := e.run(args, result)
		if args.err != nil {
			break // nor was the function called
		}
		if err != nil {
			made = appendError(result, asError(err))
		}
		d.rest, result = args.rest, made
		done++
	}
	return done, result
}

func (f typedFunction) exec(c *functionContext, args []any) (any, error) {
	for i := range args {
		args[i] = exactNumbers(args[i])
	}
	frame, err := Append(nil, args)
	if err != nil {
		return nil, err
	}
	out, failed := f.answer(c, frame, nil)
	v, err := Value(out)
	if failed && err == nil {
		return nil, v.(*Error)
	}
	return v, err
}

func (f typedFunction) validate(args []any) error {
	if e := &this.entries[f.index]; e.arity >= 0 && e.arity != len(args) {
		return &Error{Msg: "found " + argumentCount(len(args)) + ", expected " + strconv.Itoa(e.arity), Class: Usage}
	}
	return nil
}

func (f typedFunction) isAggregate() bool { return false }

// madeFunction is a function of package api. It sees what encoding/json would show it.
type madeFunction struct{ f api.Function }

func newMade(name string, make func() api.Function) (c callee, err error) {
	err = guarded(func() error {
		f := make()
		if f == nil {
			return errors.New("it is nil")
		}
		c = madeFunction{f}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", name, err)
	}
	return c, nil
}

func (m madeFunction) answer(c *functionContext, frame, out []byte) (_ []byte, failed bool) {
	d := decoder{rest: frame}
	args, err := c.args.read(&d, 1)
	if err != nil || len(d.rest) > 0 {
		return appendError(out, errNoList), true
	}
	return m.run(c, args, out)
}

// run appends what the function makes of args.
func (m madeFunction) run(c *functionContext, args []any, out []byte) (_ []byte, failed bool) {
	for i := range args {
		args[i] = asJSON(args[i])
	}
	result, err := m.call(c, args)
	if err == nil {
		var done []byte
		if done, err = appendAny(out, result); err == nil {
			return done, false
		}
	}
	return appendError(out, asError(err)), true
}

func (m madeFunction) exec(c *functionContext, args []any) (any, error) {
	for i := range args {
		args[i] = asJSON(args[i])
	}
	return m.call(c, args)
}

func (m madeFunction) call(c *functionContext, args []any) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, panicked(p)
		}
	}()
	v, ok := m.f.Exec(args, c)
	switch e := v.(type) {
	case nil:
		return nil, nil
	case string:
		if !ok {
			return nil, errors.New(e)
		}
	case float64, bool, []any, map[string]any: // none of them is an error
	case error:
		return nil, e
	}
	if !ok {
		return nil, fmt.Errorf("%v", v)
	}
	return v, nil
}

func (m madeFunction) validate(args []any) error {
	return guarded(func() error { return m.f.Validate(args) })
}

func (m madeFunction) isAggregate() (yes bool) {
	_ = guarded(func() error { yes = m.f.IsAggregate(); return nil })
	return yes
}

// guarded runs user code. Its panic is an error of class Fatal.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return f()
}

func panicked(p any) error {
	if err, ok := p.(error); ok {
		return &Error{Msg: "panic: " + err.Error(), Class: Fatal}
	}
	return &Error{Msg: fmt.Sprint("panic: ", p), Class: Fatal}
}

// asJSON gives v the Go types that encoding/json decodes into, in place where it can.
func asJSON(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return string(v)
		}
		return f
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case *Error:
		return v.Msg
	case []any:
		for i := range v {
			v[i] = asJSON(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = asJSON(v[k])
		}
	}
	return v
}

// exactNumbers makes an int64 of each number that is written as one, and a float64 of the others.
func exactNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		if u, err := strconv.ParseUint(string(v), 10, 64); err == nil {
			return u
		}
		return asJSON(v)
	case []any:
		for i := range v {
			v[i] = exactNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exactNumbers(v[k])
		}
	}
	return v
}

// appendAny appends the frame of v. What has none goes by way of its JSON.
func appendAny(dst []byte, v any) ([]byte, error) {
	out, err := Append(dst, v)
	if err == nil {
		return out, nil
	}
	text, failed := json.Marshal(v)
	if failed != nil {
		return dst, err
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var plain any
	if failed := d.Decode(&plain); failed != nil {
		return dst, err
	}
	return Append(dst, exactNumbers(plain))
}
