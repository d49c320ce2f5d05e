package query_test

import (
	"errors"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

func TestRefused(t *testing.T) {
	for sql, want := range map[string]string{
		`SELECT a FROM s, u`:                                  "found a second stream at 16, which is not supported: a rule reads one stream...",
		`SELECT a FROM s INNER JOIN u ON s.a = u.a`:           "found JOIN at 17...",
		`SELECT a FROM s LEFT JOIN u ON s.a = u.a`:            "found JOIN...",
		`SELECT a FROM s JOIN u`:                              "found JOIN...",
		`SELECT a FROM s GROUP BY a`:                          "found GROUP BY at 17, which is not supported: a rule sees one row at a time...",
		`SELECT a FROM s GROUP BY a, TumblingWindow(ss, 10)`:  "found GROUP BY TUMBLINGWINDOW at 17...",
		`SELECT a FROM s WHERE a > 1 GROUP BY countwindow(5)`: "found GROUP BY COUNTWINDOW at 29...",
		`SELECT a FROM s WHERE a HAVING b > 1`:                "found HAVING...",
		`SELECT a FROM s ORDER BY a`:                          "found ORDER BY...",
		`SELECT a FROM s LIMIT 1`:                             "found LIMIT...",
		`SELECT a FROM s UNION SELECT b FROM u`:               "found UNION...",
		`SELECT a FROM s WHERE a EXCEPT SELECT b FROM u`:      "found EXCEPT...",
		`SELECT DISTINCT a FROM s`:                            "found DISTINCT at 8...",
		`SELECT a FROM (SELECT b FROM s)`:                     "found a subquery at 16...",
		`SELECT a FROM s WHERE a IN (SELECT b FROM u)`:        "found a subquery...",
		`SELECT (SELECT b FROM u) FROM s`:                     "found a subquery...",
		`SELECT f(SELECT b) FROM s`:                           "found a subquery...",
		`SELECT lag(a) OVER (PARTITION BY b) FROM s`:          "found OVER at 15...",
		`SELECT collect(a) FILTER (WHERE b > 1) FROM s`:       "found FILTER at 19...",
		`SELECT avg(a) FROM s`:                                "function avg is not supported: it aggregates many rows: a rule sees one row at a time; let a function of a plugin keep state over the rows",
		`SELECT COUNT(*) FROM s`:                              "function COUNT is not supported: it aggregates many rows...",
		`SELECT max(a) FROM s`:                                "function max is not supported: it aggregates...",
		`SELECT latest(a) FROM s`:                             "function latest is not supported: it looks at earlier rows...",
		`SELECT a FROM s WHERE had_changed(true, a)`:          "function had_changed is not supported: it looks at earlier rows...",
		`SELECT window_start() FROM s`:                        "function window_start...",
		`SELECT tumblingwindow(a, 1) FROM s`:                  "function tumblingwindow is not supported: it is a window...",
		`SELECT unnest(a) FROM s`:                             "function unnest is not supported: it makes many rows...",
		`SELECT json_path_query(a, "$.b") FROM s`:             "function json_path_query is not supported: it is not built in...",
		`SELECT mean(a) FROM s`:                               "function mean is not supported: it aggregates many rows...",
	} {
		s, err := query.ParseSelect(sql)
		if err == nil {
			_, err = s.Compile(plugins())
		}
		if !errors.Is(err, host.ErrUnsupported) {
			t.Errorf("%s: %v, want one that is unsupported", sql, err)
			continue
		}
		check(t, sql, err.Error(), want)
	}
}
