package query_test

import (
	"context"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

// benches have the most that a row may allocate: one map is two blocks, a number
// that was calculated one.
var benches = []struct {
	name, sql string
	allocs    float64
}{
	{"project", `SELECT a, b*2 AS c FROM s WHERE a > 10 AND name = "x"`, 3},
	{"dropped", `SELECT a, b*2 AS c FROM s WHERE a > 100 AND name = "x"`, 0},
	{"star", `SELECT * FROM s WHERE a > 10 AND name = "x"`, 0},
	{"arithmetic", `SELECT * FROM s WHERE (a * 2 + b) / 3 - 1 > b % 3 AND NOT a BETWEEN 1 AND 2`, 0},
	{"strings", `SELECT * FROM s WHERE name IN ("u", "v", "w", "x") AND city LIKE "Ber%" AND regexp_matches(city, "^B")`, 0},
	{"path", `SELECT * FROM s WHERE o->p->q[1] = 2 AND CASE WHEN a > 1 THEN true ELSE false END`, 0},
	{"function", `SELECT * FROM s WHERE near(a, b, name) AND near(city)`, 0},
	{"alias", `SELECT a + b AS c, c + 1 AS d FROM s WHERE c > 1`, 4},
}

func bound(t testing.TB, sql string) (*query.Bound, *query.Row) {
	t.Helper()
	s, err := query.ParseSelect(sql)
	if err != nil {
		t.Fatal(err)
	}
	e := env{"near": {exec: func(*host.Call, []any) (any, error) { return true, nil }}}
	p, err := s.Compile(e)
	if err != nil {
		t.Fatal(err)
	}
	return p.Bind("r", "o", 0, 0), &query.Row{Fields: map[string]any{
		"a": 12.5, "b": 4.0, "name": "x", "city": "Berlin", "i": int64(3),
		"o": map[string]any{"p": map[string]any{"q": []any{1.0, 2.0}}},
	}}
}

func TestAllocs(t *testing.T) {
	for _, c := range benches {
		b, r := bound(t, c.sql)
		got := testing.AllocsPerRun(200, func() {
			if _, _, err := b.Eval(context.Background(), r); err != nil {
				t.Fatal(err)
			}
		})
		if got > c.allocs {
			t.Errorf("%s: %v allocations a row, expected at most %v", c.name, got, c.allocs)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	for _, c := range benches {
		b.Run(c.name, func(b *testing.B) {
			q, r := bound(b, c.sql)
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := q.Eval(ctx, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		s, err := query.ParseSelect(benches[0].sql)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Compile(env{}); err != nil {
			b.Fatal(err)
		}
	}
}
