package query_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

// boxed is a function without its lanes, as the calls of rules were made before there
// were any.
type boxed struct{ *host.Handle }

func (b boxed) ExecScalarAs(context.Context, *host.Call, *host.Signature, []uint64) error {
	return host.Errorf(host.ErrUnsupported, "function %s has no scalar lane", b.Name())
}

// watched counts the calls by their lane, and may spoil the results of one, or do
// something before it.
type watched struct {
	*host.Handle
	w *watch
}

type watch struct {
	words, boxes int
	spoil        uint64
	before       func()
}

func (w *watch) wrap(h *host.Handle) query.Function { return &watched{h, w} }

func (f *watched) Exec(ctx context.Context, c *host.Call, args []any) (any, error) {
	f.w.boxes++
	return f.Handle.Exec(ctx, c, args)
}

func (f *watched) ExecScalarAs(ctx context.Context, c *host.Call, sig *host.Signature, words []uint64) error {
	f.w.words++
	if f.w.before != nil {
		f.w.before()
	}
	err := f.Handle.ExecScalarAs(ctx, c, sig, words)
	words[0] ^= f.w.spoil
	return err
}

// same reports whether two results are equal, NaN and all, and of equal types.
func same(a, b any) bool {
	x, ok := a.(float64)
	if y, is := b.(float64); ok && is {
		return math.Float64bits(x) == math.Float64bits(y)
	}
	m, ok := a.(map[string]any)
	n, is := b.(map[string]any)
	if ok && is && len(m) == len(n) {
		for k := range m {
			if v, there := n[k]; !there || !same(m[k], v) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// compareRow runs a row through two plans at work.
func compareRow(got, want *query.Bound, fields map[string]any) error {
	row := &query.Row{Fields: fields}
	m, keep, err := got.Eval(context.Background(), row)
	wm, wkeep, werr := want.Eval(context.Background(), row)
	if keep != wkeep || fmt.Sprint(err) != fmt.Sprint(werr) || !same(m, wm) && len(m)+len(wm) > 0 {
		return fmt.Errorf("%#v:\n\tgot  %#v %v %v\n\twant %#v %v %v", fields, m, keep, err, wm, wkeep, werr)
	}
	return nil
}

func scalarSymbols() map[string]host.Signature {
	f64 := []host.Type{host.TypeF64}
	return map[string]host.Signature{
		"mix":   {Args: []host.Type{host.TypeI32, host.TypeBool, host.TypeU32, host.TypeF32, host.TypeI64}, Returns: host.TypeI64},
		"plus":  {Args: []host.Type{host.TypeU32}, Returns: host.TypeU32},
		"flag":  {Args: []host.Type{host.TypeBool}, Returns: host.TypeBool},
		"odd":   {Args: []host.Type{host.TypeI64}, Returns: host.TypeBool},
		"same":  {Args: f64, Returns: host.TypeF64},
		"any":   {Args: []host.Type{host.TypeAny}, NullCall: true},
		"tally": {Args: f64, Returns: host.TypeI64},
	}
}

var scalarFunctions = []string{"sum", "mix", "thin", "small", "plus", "large", "flag", "odd", "four", "pair", "none", "count", "same", "any", "tally"}

// TestScalarIsEqualToExec: words say what boxed values say, for values of every kind.
func TestScalarIsEqualToExec(t *testing.T) {
	p := plug(t, scalarSymbols(), scalarFunctions...)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for _, c := range []struct {
		sql   string
		words bool // the lane is one of words
	}{
		{`SELECT sum(a, b) AS x FROM s`, true},
		{`SELECT sum(a, 2) + sum(b, c) AS x FROM s WHERE sum(a, 0.5) > 1 OR flag(b)`, true},
		{`SELECT CASE WHEN odd(a) THEN sum(sum(a, b), sum(c, d)) ELSE -small(a) END AS x FROM s`, true},
		{`SELECT sum(a, b) AS x, x + 1 AS y, sum(x, x) AS z FROM s`, true},
		{`SELECT mix(a, b, c, d, e) AS x FROM s`, true},
		{`SELECT mix(a, true, 7, d, e) AS x, concat(thin(a), small(b)) AS y FROM s`, true},
		{`SELECT thin(a) AS x FROM s`, true},
		{`SELECT small(a) AS x FROM s`, true},
		{`SELECT plus(a) AS x FROM s`, true},
		{`SELECT large(a) AS x FROM s`, true},
		{`SELECT flag(a) AS x FROM s`, true},
		{`SELECT odd(a) AS x FROM s WHERE NOT odd(b)`, true},
		{`SELECT four() AS x FROM s`, true},
		{`SELECT pair(a) AS x FROM s`, false},
		{`SELECT none(a) AS x FROM s`, false},
		{`SELECT same(a) AS x FROM s`, false},
		{`SELECT any(a) AS x FROM s`, false},
	} {
		var w watch
		got, want := bindTo(t, via{p.Host, w.wrap}, c.sql), bindTo(t, via{p.Host, func(h *host.Handle) query.Function { return boxed{h} }}, c.sql)
		rows := make([]map[string]any, 0, 1000)
		for _, v := range oddValues() {
			rows = append(rows, map[string]any{"a": v, "b": true, "c": int64(1), "d": 2.5, "e": int64(3)})
		}
		for range 500 {
			rows = append(rows, oddRow(r))
		}
		for _, row := range rows {
			if err := compareRow(got, want, row); err != nil {
				t.Errorf("seed %d: %s: %v", seed, c.sql, err)
				break
			}
		}
		switch {
		case c.words && w.words < 10:
			t.Errorf("%s: %d calls went as words, %d boxed", c.sql, w.words, w.boxes)
		case !c.words && w.words > 1: // a lane is asked for once
			t.Errorf("%s: %d calls were tried as words", c.sql, w.words)
		}
	}
}

// TestScalarCheckCanFail: a lane that gives another bit is found.
func TestScalarCheckCanFail(t *testing.T) {
	p := plug(t, nil, "sum")
	w := watch{spoil: 1}
	const sql = `SELECT sum(a, b) AS x FROM s`
	if err := compareRow(bindTo(t, via{p.Host, w.wrap}, sql), bindTo(t, via{host: p.Host}, sql), map[string]any{"a": 1.0, "b": 2.0}); err == nil {
		t.Error("a wrong result was not found")
	}
}

// TestScalarKeepsState: each row is one call, in its order, by whichever lane.
func TestScalarKeepsState(t *testing.T) {
	p := plug(t, nil, "count")
	b := bindTo(t, via{host: p.Host}, `SELECT count(a) AS n FROM s`)
	next := int64(1)
	for i, a := range []any{1.0, int64(2), nil, "x", 3.0, math.NaN()} {
		m, _, err := b.Eval(t.Context(), &query.Row{Fields: map[string]any{"a": a}})
		if a == nil || a == "x" {
			continue // no call
		}
		if err != nil || m["n"] != next {
			t.Errorf("row %d: %v %v, expected %d", i, m, err, next)
		}
		next++
	}
}

// TestScalarFollowsUpdates: a version of other types is called with what it takes,
// also one that comes in the moment of the call.
func TestScalarFollowsUpdates(t *testing.T) {
	numbers := func(in, out host.Type) map[string]host.Signature {
		return map[string]host.Signature{"flag": {Args: []host.Type{in}, Returns: out}, "plus": {Args: []host.Type{in}, Returns: out}}
	}
	plain, flags := numbers(host.TypeI32, host.TypeI32), numbers(host.TypeBool, host.TypeBool)
	for _, moment := range []bool{false, true} {
		t.Run(fmt.Sprintf("in the moment of the call %v", moment), func(t *testing.T) {
			p := plug(t, plain, "flag", "plus")
			w := &watch{}
			b := bindTo(t, via{p.Host, w.wrap}, `SELECT flag(a) AS x FROM s`)
			eval := func(a, want any) {
				t.Helper()
				m, _, err := b.Eval(t.Context(), &query.Row{Fields: map[string]any{"a": a}})
				if got := m["x"]; err != nil && want != nil || got != want {
					t.Errorf("%v: %v %v, expected %v", a, got, err, want)
				}
			}
			replace := func(s map[string]host.Signature) { p.install(p.Replace, s, "flag", "plus") }
			eval(int64(-7), int64(-7))
			if moment {
				w.before = func() { w.before = nil; replace(flags) }
				eval(int64(1), nil) // to the new version 1 is no bool
			} else {
				replace(flags)
			}
			eval(true, true)
			eval(int64(1), nil)
			if moment {
				w.before = func() { w.before = nil; replace(plain) }
				eval(true, nil)
			} else {
				replace(plain)
			}
			eval(int64(-8), int64(-8))
			replace(plain) // the same types
			eval(int64(-9), int64(-9))
			if w.boxes > 5 || w.words < 4 {
				t.Errorf("%d calls went boxed, %d as words", w.boxes, w.words)
			}
		})
	}
}

// TestScalarAllocates: calls of numbers in a condition allocate nothing.
func TestScalarAllocates(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	p := plug(t, nil, "sum", "odd")
	row := &query.Row{Fields: map[string]any{"a": 1000.5, "b": int64(1000), "name": "x"}}
	for sql, most := range map[string]float64{
		`SELECT * FROM s WHERE sum(a * 2, sum(b, 0.25)) + 1 > 4000`: 0,
		`SELECT sum(a, b) AS x FROM s`:                              3, // a map, a number
	} {
		b := bindTo(t, via{host: p.Host}, sql)
		if got := testing.AllocsPerRun(500, func() {
			if _, _, err := b.Eval(t.Context(), row); err != nil {
				t.Fatal(err)
			}
		}); got > most {
			t.Errorf("%s: %v allocations a row, expected at most %v", sql, got, most)
		}
	}
}
