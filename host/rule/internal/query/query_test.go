package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

// fake is a plugin's function.
type fake struct {
	sig      host.Signature
	validate func(args []any) error
	exec     func(c *host.Call, args []any) (any, error)
}

func (f *fake) Signature() *host.Signature { return &f.sig }

func (f *fake) Validate(args []any) error {
	if f.validate == nil {
		return nil
	}
	return f.validate(args)
}

func (f *fake) Exec(_ context.Context, c *host.Call, args []any) (any, error) {
	return f.exec(c, args)
}

func (f *fake) ExecScalarAs(context.Context, *host.Call, *host.Signature, []uint64) error {
	return host.Errorf(host.ErrUnsupported, "no scalar lane")
}

func (f *fake) ExecBytes(_ context.Context, _ *host.Call, dst, _ []byte) ([]byte, error) {
	return dst, host.Errorf(host.ErrUnsupported, "no bytes lane")
}

func (f *fake) ExecBatch(_ context.Context, _ *host.Call, dst, _ []byte) ([]byte, error) {
	return dst, host.Errorf(host.ErrUnsupported, "no batch")
}

type env map[string]*fake

func (e env) Function(name string) (query.Function, error) {
	if f := e[name]; f != nil {
		return f, nil
	}
	if name == "asleep" {
		return nil, host.Errorf(host.ErrUnavailable, "plugin p does not run")
	}
	return nil, host.Errorf(host.ErrNotFound, "function %s: not found", name)
}

func plugins() env {
	return env{
		"echo": {exec: func(_ *host.Call, args []any) (any, error) { return append([]any{}, args...), nil }},
		"where": {exec: func(c *host.Call, _ []any) (any, error) {
			return fmt.Sprintf("%s/%s/%d/%d/%d", c.Rule, c.Op, c.Instance, c.Run, c.Func), nil
		}},
		"revert": {
			validate: func(args []any) error {
				if len(args) != 1 {
					return host.Errorf(host.ErrInvalid, "expected one argument")
				}
				if _, ok := args[0].(int64); ok {
					return host.Errorf(host.ErrInvalid, "found the number %v", args[0])
				}
				return nil
			},
			exec: func(_ *host.Call, args []any) (any, error) {
				s, _ := args[0].(string)
				r := []rune(s)
				for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
					r[i], r[j] = r[j], r[i]
				}
				return string(r), nil
			},
		},
		"abs":     {exec: func(*host.Call, []any) (any, error) { return "the plugin's", nil }},
		"lag":     {exec: func(_ *host.Call, args []any) (any, error) { return args[0], nil }},
		"mean":    {sig: host.Signature{Aggregate: true}},
		"nothing": {exec: func(*host.Call, []any) (any, error) { return nil, nil }},
		"fails":   {exec: func(*host.Call, []any) (any, error) { return nil, errors.New("boom") }},
	}
}

// sample is the data of eKuiper's documentation on JSON expressions, and more.
const sample = `{
  "name": {"first": "Tom", "last": "Anderson"}, "age": 37, "children": ["Sara","Alex","Jack"],
  "fav.movie": "Deer Hunter",
  "friends": [{"first": "Dale", "last": "Murphy", "age": 44}, {"first": "Roger", "last": "Craig", "age": 68}],
  "followers": {"Group1": [{"first": "John", "age": 22}, {"first": "Ken", "age": 33}]},
  "ops": {"functionA": {"numArgs": 2}, "functionB": {"numArgs": 3}},
  "x": 0, "y": 2, "a": 12.5, "b": 4, "s": "hello", "t": true, "f": false, "nil": null,
  "select": "kw", "a-b": 7, "u": "Größe", "when": "2024-02-03T04:05:06.007Z", "text": "14", "deer": {"demo": 5}
}`

func row(t testing.TB) *query.Row {
	t.Helper()
	r := &query.Row{
		Stream: "demo", Time: time.UnixMilli(1700000000123),
		Meta: map[string]any{"topic": "d/1", "device": map[string]any{"id": "x"}},
	}
	if err := json.Unmarshal([]byte(sample), &r.Fields); err != nil {
		t.Fatal(err)
	}
	r.Fields["i"], r.Fields["j"] = int64(7), int64(2)
	r.Fields["small"], r.Fields["big"] = int(3), uint64(1<<63)
	r.Fields["at"], r.Fields["raw"] = time.UnixMilli(1000).UTC(), []byte("abc")
	return r
}

// run gives the result of a statement as JSON, "dropped", or the error.
func run(t *testing.T, sql string) string {
	t.Helper()
	s, err := query.ParseSelect(sql)
	if err != nil {
		return "parse: " + err.Error()
	}
	p, err := s.Compile(plugins())
	if err != nil {
		return "compile: " + err.Error()
	}
	b := p.Bind("r1", "2_project", 0, 1)
	r := row(t)
	before, _ := json.Marshal(r.Fields)
	var out string
	for range 2 { // a plan at work has no memory of rows
		m, keep, err := b.Eval(t.Context(), r)
		now := text(t, m)
		switch {
		case err != nil:
			now = "error: " + err.Error()
		case !keep:
			now = "dropped"
		}
		if out != "" && out != now {
			t.Errorf("%s: %s the first time, then %s", sql, out, now)
		}
		out = now
	}
	if after, _ := json.Marshal(r.Fields); string(after) != string(before) {
		t.Errorf("%s changed the row", sql)
	}
	return out
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// value gives the value of an expression as Go writes it, or the error.
func value(t *testing.T, sql string) string {
	t.Helper()
	e, err := query.CompileExpr(sql, plugins())
	if err != nil {
		return "compile: " + err.Error()
	}
	v, err := e.Bind("r1", "flt", 0, 1).Eval(t.Context(), row(t))
	if err != nil {
		return "error: " + err.Error()
	}
	return show(v)
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case int64:
		return fmt.Sprintf("int %d", v)
	case float64:
		return fmt.Sprintf("float %v", v)
	case string:
		return fmt.Sprintf("%q", v)
	case bool, int:
		return fmt.Sprint(v)
	case time.Time:
		return "time " + v.Format(time.RFC3339Nano)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// check compares results; a wanted text that ends in ... is a beginning, one in
// *...* is in it.
func check(t *testing.T, of, got, want string) {
	t.Helper()
	ok := got == want
	if w, cut := strings.CutSuffix(want, "..."); cut {
		ok = strings.HasPrefix(got, w)
	}
	if w, cut := strings.CutPrefix(want, "*"); cut {
		ok = strings.Contains(got, w)
	}
	if !ok {
		t.Errorf("%s\n\tgot  %s\n\twant %s", of, got, want)
	}
}
