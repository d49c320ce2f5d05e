package query_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

// proper holds what is promised of every error of a parser.
func proper(t *testing.T, err error) {
	if err != nil && !errors.Is(err, host.ErrInvalid) && !errors.Is(err, host.ErrUnsupported) && !errors.Is(err, host.ErrNotFound) {
		t.Errorf("%v: neither invalid, unsupported nor not found", err)
	}
}

func FuzzParseSelect(f *testing.F) {
	for _, s := range []string{
		`SELECT a, b*2 AS c FROM s WHERE a > 10 AND name = "x"`,
		"SELECT `a-b`, demo.name->first, children[0:-1], f(g(*), 'x') AS y FROM demo AS d WHERE NOT a IN (1, 2.5, nil) OR b NOT BETWEEN -1 AND 1e3;",
		`SELECT * EXCEPT(a, b) REPLACE(a + 1 AS a), s.* FROM topic/x/#`,
		`SELECT CASE a WHEN 1 THEN "x" ELSE meta(device.id) END, mqtt(topic), x IS NOT NULL, s LIKE "%a_\\%" FROM s -- end`,
		`SELECT a AS b, b AS a, revert(s), lag(a) OVER (PARTITION BY b) FROM s GROUP BY TUMBLINGWINDOW(ss, 1)`,
		`SELECT regexp_replace(s, "(l+)", "$1$1"), substring(u, 1, 3), split_value(s, "", -1), cast(a, "bigint") & 3 | 4 ^ 5 % 2 FROM demo`,
		`SELECT concat(children, array_create(1)), object_construct("a", 1)["a"], trunc(a, 2), now(3), -9223372036854775808 / -1 FROM demo`,
		`SELECT (((a.b.c)->d[1])[:]) FROM "x"`,
	} {
		f.Add(s)
	}
	r := row(f)
	f.Fuzz(func(t *testing.T, sql string) {
		s, err := query.ParseSelect(sql)
		if err != nil {
			proper(t, err)
			return
		}
		p, err := s.Compile(plugins())
		if err != nil {
			if !errors.Is(err, host.ErrUnavailable) {
				proper(t, err)
			}
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		b := p.Bind("r", "o", 0, 0)
		for range 2 {
			out, keep, err := b.Eval(ctx, r)
			if err == nil && keep != (out != nil) {
				t.Errorf("kept %v with %v", keep, out)
			}
		}
	})
}

func FuzzCompileExpr(f *testing.F) {
	for _, s := range []string{
		`value > 10`, `revert(name) as rev`, `a + b * -c % 2 / x`, `t AND NOT f OR missing`, `children[x:y][-1]`, `"a\u00e9\"" LIKE '_%'`,
		`CASE WHEN a > 1 THEN 1 END`, `b IN ("a", "b", "c", "d")`, `name.first = demo.name->first`, `((1))`, `1e400 * 0`, `a BETWEEN 1 AND 2 AND t`,
		`to_json(echo(*))`, `at > "1970-01-01T00:00:00Z"`, `abs(-9223372036854775808)`, `mod(-9223372036854775808, -1)`,
	} {
		f.Add(s)
	}
	r := row(f)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := query.CompileExpr(text, plugins())
		if err != nil {
			if !errors.Is(err, host.ErrUnavailable) {
				proper(t, err)
			}
			return
		}
		b := e.Bind("r", "o", 0, 0)
		v, err := b.Eval(t.Context(), r)
		ok, berr := b.Bool(t.Context(), r)
		if x, isBool := v.(bool); err == nil && isBool && (berr != nil || ok != x) && len(e.Functions()) == 0 {
			t.Errorf("%v, then %v %v", x, ok, berr)
		}
		if e.Alias() == "" {
			t.Error("no name")
		}
	})
}

func FuzzParseStream(f *testing.F) {
	for _, s := range []string{
		`CREATE STREAM demo (USERID BIGINT, a ARRAY(STRUCT(x STRING)), ) WITH (DATASOURCE="users", FORMAT="JSON", SHARED="true");`,
		"CREATE TABLE `t` () WITH (EXTRA=\"{\\\"a\\\":1}\", RETAIN_SIZE='3' KIND=\"lookup\")",
		`CREATE STREAM b (image BYTEA) WITH (FORMAT="binary")`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		s, err := query.ParseStream(sql)
		proper(t, err)
		if err == nil && (s.Name == "" || s.Text != sql || s.Source() == "" || s.Format() == "") {
			t.Errorf("%+v", s)
		}
	})
}
