package query_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

// far is a function whose single calls are dear, as those of another process, and
// whose crossings are counted. They may be made to fail, or to lie.
type far struct {
	*host.Handle
	d *distance
}

type distance struct {
	crossings int
	fail      error
	lie       bool
	before    func()
}

func (d *distance) wrap(h *host.Handle) query.Function { return &far{h, d} }

func (f *far) ExecBytes(ctx context.Context, c *host.Call, dst, args []byte) ([]byte, error) {
	for t := time.Now(); time.Since(t) < 5*time.Microsecond; { //nolint:revive // it is to be slow
	}
	return f.Handle.ExecBytes(ctx, c, dst, args)
}

func (f *far) ExecBatch(ctx context.Context, c *host.Call, dst, rows []byte) ([]byte, error) {
	f.d.crossings++
	if f.d.fail != nil {
		return dst, f.d.fail
	}
	if f.d.before != nil {
		f.d.before()
	}
	out, err := f.Handle.ExecBatch(ctx, c, dst, rows)
	if f.d.lie && err == nil {
		out[len(out)-1] ^= 1
	}
	return out, err
}

func pureSymbols() map[string]host.Signature {
	f64 := []host.Type{host.TypeF64}
	return map[string]host.Signature{
		"same":  {Args: f64, Returns: host.TypeF64, Pure: true},
		"any":   {Args: []host.Type{host.TypeAny}, NullCall: true, Pure: true},
		"tally": {Args: f64, Returns: host.TypeI64},
		"sum":   {Args: []host.Type{host.TypeF64, host.TypeF64}, Returns: host.TypeF64, Pure: true},
	}
}

var pureFunctions = []string{"same", "any", "tally", "sum", "count"}

// compareMessage runs rows through two plans at work, ahead in the first.
func compareMessage(got, want *query.Bound, rows []query.Row) error {
	ctx := context.Background()
	got.Ahead(ctx, rows)
	for i := range rows {
		m, keep, err := got.Eval(ctx, &rows[i])
		wm, wkeep, werr := want.Eval(ctx, &rows[i])
		if keep != wkeep || fmt.Sprint(err) != fmt.Sprint(werr) || !same(m, wm) && len(m)+len(wm) > 0 {
			return fmt.Errorf("row %d of %d, %#v:\n\tgot  %#v %v %v\n\twant %#v %v %v", i, len(rows), rows[i].Fields, m, keep, err, wm, wkeep, werr)
		}
	}
	return nil
}

func messageOf(n int, row func(i int) map[string]any) []query.Row {
	rows := make([]query.Row, n)
	for i := range rows {
		rows[i].Fields = row(i)
	}
	return rows
}

// TestEarlyIsEqualToRows: rows of a message fare as each would alone.
func TestEarlyIsEqualToRows(t *testing.T) {
	one, two := plug(t, pureSymbols(), pureFunctions...), plug(t, pureSymbols(), pureFunctions...)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	calm := func(int) map[string]any {
		row := map[string]any{}
		for _, name := range []string{"a", "b", "c", "d"} {
			row[name] = float64(r.IntN(20)) + 0.25
		}
		return row
	}
	for sql, early := range map[string]bool{
		`SELECT same(a) AS x FROM s`:                                                             true,
		`SELECT any(a) AS x, any(b) AS y, a FROM s`:                                              true,
		`SELECT *, same(d) AS x FROM s WHERE c > 2`:                                              true,
		`SELECT any(b) AS x FROM s WHERE any(a) > 1`:                                             true,
		`SELECT any(a) AS x, x AS y FROM s WHERE x = 2.5 OR same(b) > 1 AND y < 7`:               true,
		`SELECT c + 1 AS d, same(d) + d AS x, any(x) AS y FROM s`:                                true,
		`SELECT any(concat(a, "13")) AS x, any(a / c) AS y FROM s WHERE c != 3`:                  true,
		`SELECT CASE WHEN any(a) = 2 THEN any(b) ELSE same(c) END AS x FROM s`:                   true,
		`SELECT tally(c) AS n, same(d) AS x FROM s WHERE c > 2`:                                  true, // one has effects
		`SELECT any(c / (a - 1.25)) AS x, tally(c) AS n, any(b) AS y, tally(d) AS m FROM s`:      true,
		`SELECT any(same(a)) AS x, any(rand() < 2) AS y, any(b) IN (any(c), 13) AS z FROM s`:     true,
		`SELECT any(b) BETWEEN 1 AND any(c) AS x, NOT any(a) AS y, -any(d) AS z, meta(q) FROM s`: true,
		`SELECT any(a, b) AS x, same() AS y FROM s`:                                              false,
		`SELECT same(c) AS x FROM s WHERE tally(d) > 20`:                                         false, // WHERE has effects
		`SELECT CASE WHEN c > 3 THEN any(c) END AS x FROM s`:                                     false,
		`SELECT tally(c) AS x FROM s`:                                                            false,
		`SELECT sum(c, d) AS x FROM s`:                                                           false, // words are cheaper
	} {
		var d distance
		row := func(int) map[string]any { return oddRow(r) }
		if strings.Contains(sql, "tally") { // it counts until a trap
			row = calm
			for _, p := range []*plugged{one, two} {
				p.install(p.Replace, pureSymbols(), pureFunctions...)
			}
		}
		s, err := query.ParseSelect(sql)
		if err != nil {
			t.Fatal(err)
		}
		var bound [2]*query.Bound
		for i, e := range []via{{one.Host, d.wrap}, {two.Host, nil}} {
			p, err := s.Compile(e)
			if err != nil && !early { // a wrong number of arguments
				continue
			}
			if err != nil {
				t.Fatal(sql, err)
			}
			p.SendNil = true
			bound[i] = p.Bind("r", "o", 0, 1)
		}
		if bound[0] == nil {
			continue
		}
		for n := 0; n < 60 || early && d.crossings == 0 && n < 2000; n++ {
			size := r.IntN(40)
			if n%20 == 0 {
				size = query.MaxAhead - r.IntN(2)
			}
			if err := compareMessage(bound[0], bound[1], messageOf(size, row)); err != nil {
				t.Errorf("seed %d: %s: %v", seed, sql, err)
				break
			}
		}
		if (d.crossings > 0) != early {
			t.Errorf("%s: %d crossings with many rows", sql, d.crossings)
		}
	}
}

// TestEarlyCheckCanFail: a crossing that gives another result is found.
func TestEarlyCheckCanFail(t *testing.T) {
	p := plug(t, pureSymbols(), pureFunctions...)
	d := distance{lie: true}
	const sql = `SELECT same(a) AS x FROM s`
	got, want := bindTo(t, via{p.Host, d.wrap}, sql), bindTo(t, via{host: p.Host}, sql)
	var err error
	for n := 0; err == nil && n < 2000; n++ {
		err = compareMessage(got, want, messageOf(20, func(i int) map[string]any { return map[string]any{"a": float64(i) + 0.5} }))
	}
	if err == nil {
		t.Errorf("wrong results were not found in %d crossings", d.crossings)
	}
}

// order is what a function that counts its calls gives for two calls in each row.
func order(t *testing.T, b *query.Bound, rows []query.Row) (calls []int64) {
	t.Helper()
	b.Ahead(t.Context(), rows)
	for i := range rows {
		m, keep, err := b.Eval(t.Context(), &rows[i])
		if err != nil {
			t.Fatal(err)
		}
		if !keep {
			continue
		}
		calls = append(calls, m["x"].(int64), m["y"].(int64))
	}
	return calls
}

// TestEarlyCalls: how often functions are called, and when: a row calls what has
// effects when it has its turn, and one that is not to be asked again is not.
func TestEarlyCalls(t *testing.T) {
	tally := func(pure bool) map[string]host.Signature {
		return map[string]host.Signature{"tally": {Args: []host.Type{host.TypeF64}, Pure: pure}}
	}
	p := plug(t, tally(false), "tally")
	var d distance
	b := bindTo(t, via{p.Host, d.wrap}, `SELECT tally(a) AS x, tally(b) AS y FROM s WHERE a > 0`)
	row := func(i int) map[string]any { return map[string]any{"a": float64(i%5) - 0.5, "b": 2.5} }
	next := int64(1)
	rows := func(times int) {
		t.Helper()
		for range times {
			list := messageOf(6, row) // the first and the last do not pass
			if got, want := fmt.Sprint(order(t, b, list)), fmt.Sprint([]int64{next, next + 1, next + 2, next + 3, next + 4, next + 5, next + 6, next + 7}); got != want {
				t.Fatalf("the calls were %v, expected %v", got, want)
			}
			next += 8
		}
	}
	rows(100)
	if d.crossings > 0 {
		t.Fatalf("%d crossings of a function that is not pure", d.crossings)
	}
	// The same, said to be pure: column by column, and each row that passes once, but
	// for a look now and then.
	p.install(p.Replace, tally(true), "tally")
	calls := func() uint64 {
		desc, err := p.FunctionNamed("tally")
		if err != nil {
			t.Fatal(err)
		}
		return desc.Usage.Calls
	}
	for n, exact := 0, false; !exact; n++ {
		if n == 2000 {
			t.Fatal("no message of a pure function that is dear was worked on at once, with a call a row")
		}
		before := calls()
		d.crossings = 0
		order(t, b, messageOf(6, row))
		made := calls() - before
		exact = made == 8 && d.crossings == 2
		if made < 8 || made > 8+2*3 || d.crossings > 2 {
			t.Fatalf("4 rows with 2 calls each made %d calls and %d crossings", made, d.crossings)
		}
	}
	// And again as it was: nothing is called early any more.
	p.install(p.Replace, tally(false), "tally")
	next, d.crossings = 1, 0
	rows(3)
	if d.crossings > 0 {
		t.Error("crossings of a function that is pure no more")
	}
}

// TestEarlyFailure: a crossing that fails as a whole has the rows call one by one, and
// is not tried with each message.
func TestEarlyFailure(t *testing.T) {
	p := plug(t, pureSymbols(), pureFunctions...)
	for _, fail := range []error{errors.New("boom"), host.ErrBusy, context.DeadlineExceeded} {
		d := distance{fail: fail}
		const sql = `SELECT any(a) AS x FROM s WHERE same(a) > 1`
		got, want := bindTo(t, via{p.Host, d.wrap}, sql), bindTo(t, via{host: p.Host}, sql)
		n := 0
		for ; d.crossings == 0 && n < 2000 || n < 200; n++ {
			if err := compareMessage(got, want, messageOf(20, func(i int) map[string]any { return map[string]any{"a": float64(i) + 0.5} })); err != nil {
				t.Fatal(err)
			}
		}
		if d.crossings == 0 || d.crossings > n/10 {
			t.Errorf("%d crossings of %d messages", d.crossings, n)
		}
	}
}

// TestEarlyAliases: an alias is evaluated once a row, early or not.
func TestEarlyAliases(t *testing.T) {
	p := plug(t, pureSymbols(), pureFunctions...)
	var d distance
	b := bindTo(t, via{p.Host, d.wrap}, `SELECT rand() AS r, any(r) AS x, r AS y, any(a) AS z FROM s WHERE r >= 0 AND any(a) > 0`)
	for n := 0; d.crossings == 0 && n < 2000; n++ {
		rows := messageOf(30, func(i int) map[string]any { return map[string]any{"a": float64(i) + 0.5} })
		b.Ahead(t.Context(), rows)
		for i := range rows {
			m, keep, err := b.Eval(t.Context(), &rows[i])
			if err != nil || !keep || m["r"] != m["x"] || m["r"] != m["y"] || m["z"] != float64(i)+0.5 {
				t.Fatalf("%v %v %v", m, keep, err)
			}
		}
	}
	if d.crossings == 0 {
		t.Error("no crossings with many rows")
	}
}

// TestEarlyWhere: WHERE is evaluated once a row.
func TestEarlyWhere(t *testing.T) {
	pure := pureSymbols()
	pure["tally"] = host.Signature{Args: []host.Type{host.TypeF64}, Pure: true}
	p := plug(t, pure, pureFunctions...)
	var d distance
	b := bindTo(t, via{p.Host, d.wrap}, `SELECT any(a) AS x FROM s WHERE CASE WHEN a > 0 THEN tally(a) > 0 END`)
	n := 0
	for ; d.crossings == 0 && n < 2000; n++ {
		rows := messageOf(30, func(i int) map[string]any { return map[string]any{"a": float64(i) + 0.5} })
		b.Ahead(t.Context(), rows)
		for i := range rows {
			if m, _, err := b.Eval(t.Context(), &rows[i]); err != nil || m["x"] != float64(i)+0.5 {
				t.Fatal(m, err)
			}
		}
	}
	if desc, err := p.FunctionNamed("tally"); err != nil || desc.Usage.Calls != uint64(30*n) || d.crossings == 0 {
		t.Errorf("%d rows made %d calls, and %d crossings: %v", 30*n, desc.Usage.Calls, d.crossings, err)
	}
}

// TestEarlyFollowsUpdates: a version of other types that comes in the moment of the
// crossing gets the rows as it takes them.
func TestEarlyFollowsUpdates(t *testing.T) {
	takes := func(arg host.Type) map[string]host.Signature {
		return map[string]host.Signature{"any": {Args: []host.Type{arg}, Pure: true}}
	}
	p := plug(t, takes(host.TypeF64), "any")
	var d distance
	b := bindTo(t, via{p.Host, d.wrap}, `SELECT any(a) AS x FROM s`)
	replaced := false
	d.before = func() {
		if !replaced {
			replaced = true
			p.install(p.Replace, takes(host.TypeAny), "any")
		}
	}
	for n := 0; d.crossings < 3 && n < 2000; n++ {
		rows := messageOf(10, func(i int) map[string]any { return map[string]any{"a": int64(i)} })
		b.Ahead(t.Context(), rows)
		for i := range rows {
			var want any = float64(i)
			if replaced {
				want = int64(i)
			}
			if m, _, err := b.Eval(t.Context(), &rows[i]); err != nil || m["x"] != want {
				t.Fatalf("row %d: %#v %v, expected %#v", i, m, err, want)
			}
		}
	}
	if !replaced {
		t.Error("no crossings with many rows")
	}
}

// TestEarlyExpr: the nodes of a graph go ahead too. Rows that were looked at and do not
// come are forgotten, and another one in between is worked on as ever.
func TestEarlyExpr(t *testing.T) {
	p := plug(t, pureSymbols(), pureFunctions...)
	var d distance
	e, err := query.CompileExpr(`same(a) + 1 > c`, via{p.Host, d.wrap})
	if err != nil {
		t.Fatal(err)
	}
	b := e.Bind("r", "o", 0, 1)
	verdict := func(row *query.Row, want bool) {
		t.Helper()
		if got, err := b.Bool(t.Context(), row); got != want || err != nil {
			t.Fatalf("%v: %v %v, expected %v", row.Fields, got, err, want)
		}
	}
	for n := 0; d.crossings < 5 && n < 2000; n++ {
		rows := messageOf(30, func(i int) map[string]any { return map[string]any{"a": float64(i) + 0.25, "c": 10.5} })
		if n%2 == 1 {
			rows[20].Fields["a"] = nil
		}
		b.Ahead(t.Context(), rows)
		for i := range rows {
			if i == 25 {
				verdict(&query.Row{Fields: map[string]any{"a": 1.25, "c": 10.5}}, false)
			}
			verdict(&rows[i], i > 9 && rows[i].Fields["a"] != nil)
			if n%2 == 0 && i == 26 {
				break
			}
		}
	}
	if d.crossings == 0 {
		t.Error("no crossings with many rows")
	}
}
