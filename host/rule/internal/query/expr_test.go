package query_test

import (
	"testing"

	"github.com/vanth-io/vanth/host/rule/internal/query"
)

func TestExpr(t *testing.T) {
	for _, c := range [][2]string{
		// literals
		{`1`, `int 1`},
		{`-1`, `int -1`},
		{`- 1`, `int -1`},
		{`1.5`, `float 1.5`},
		{`.5`, `float 0.5`},
		{`1e3`, `float 1000`},
		{`9223372036854775807`, `int 9223372036854775807`},
		{`-9223372036854775808`, `int -9223372036854775808`},
		{`9223372036854775808`, `float 9.223372036854776e+18`},
		{`"a\"b\n\u00e9\\"`, `"a\"b\né\\"`},
		{`'it\'s "x"'`, `"it's \"x\""`},
		{"\"two\nlines\"", `"two\nlines"`},
		{`true`, `true`},
		{`FALSE`, `false`},
		{`null`, `null`},
		// arithmetic
		{`1 + 2 * 3`, `int 7`},
		{`(1 + 2) * 3`, `int 9`},
		{`7 / 2`, `int 3`},
		{`-7 / 2`, `int -3`},
		{`7 / 2.0`, `float 3.5`},
		{`i / j`, `int 3`},
		{`b / 2`, `float 2`},
		{`age / 2`, `float 18.5`},
		{`7 % 4`, `int 3`},
		{`7.5 % 2`, `float 1.5`},
		{`10 - 2 - 3`, `int 5`},
		{`2 * -3`, `int -6`},
		{`- -3`, `int 3`},
		{`-b`, `float -4`},
		{`+b`, `float 4`},
		{`6 & 3 | 8`, `int 10`},
		{`6 ^ 3`, `int 5`},
		{`i * 2 + small`, `int 17`},
		{`9223372036854775807 + 1`, `int -9223372036854775808`},
		{`1 / 0`, `error: divided by zero`},
		{`b / 0`, `error: divided by zero`},
		{`1 % 0`, `error: divided by zero`},
		{`missing + 1`, `null`},
		{`nil * 2`, `null`},
		{`-missing`, `null`},
		{`s + 1`, `error: invalid operation string(hello) + int64(1)`},
		{`s + s`, `error: invalid operation string(hello) + string(hello)`},
		{`t + 1`, `error: invalid operation bool(true) + int64(1)`},
		{`1.5 & 1`, `error: invalid operation float64(1.5) & float64(1)`},
		{`name + 1`, `error: invalid operation map of 2 + int64(1)`},
		{`big + 0`, `float 9.223372036854776e+18`},
		{`big`, `9223372036854775808`},
		// comparison
		{`a > 10`, `true`},
		{`a<>12.5`, `false`},
		{`a != 12.5`, `false`},
		{`a = 12.5`, `true`},
		{`a <= 12.5 AND a >= 12.5`, `true`},
		{`i > 6.5`, `true`},
		{`i = 7.0`, `true`},
		{`s = "hello"`, `true`},
		{`s < "i"`, `true`},
		{`t = true`, `true`},
		{`t != f`, `true`},
		{`t > f`, `error: invalid operation bool(true) > bool(false)`},
		{`missing = 1`, `false`},
		{`missing != 1`, `false`},
		{`missing = missing`, `false`},
		{`missing < 1 OR missing >= 1`, `false`},
		{`s = 1`, `error: invalid operation string(hello) = int64(1)`},
		{`children = children`, `error: invalid operation list of 3 = list of 3`},
		{`at = 1000`, `true`},
		{`at < 1000.5`, `false`},
		{`at > "1970-01-01T00:00:00.5Z"`, `true`},
		{`"1970-01-01T00:00:01Z" = at`, `true`},
		{`at = "noon"`, `error: invalid operation time(1970-01-01T00:00:01Z) = string(noon)`},
		{`big > i`, `true`},
		// AND, OR, NOT
		{`t AND f`, `false`},
		{`t or f`, `true`},
		{`t OR 1 / 0 = 1`, `true`},
		{`f AND 1 / 0 = 1`, `false`},
		{`f OR t AND f`, `false`},
		{`NOT f`, `true`},
		{`not t or t`, `true`},
		{`NOT a > 10`, `false`},
		{`NOT (t AND f)`, `true`},
		{`missing AND t`, `null`},
		{`missing AND f`, `false`},
		{`t AND missing`, `null`},
		{`missing OR t`, `true`},
		{`missing OR f`, `null`},
		{`NOT missing`, `null`},
		{`NOT 1`, `error: invalid operation NOT int64(1)`},
		{`s AND t`, `error: invalid operation string(hello) AND bool(true)`},
		{`t AND 1`, `error: invalid operation bool(true) AND int64(1)`},
		// IN
		{`b IN (1, 2, 4)`, `true`},
		{`b NOT IN (1, 2, 4)`, `false`},
		{`s IN ("a", "hello")`, `true`},
		{`s IN ("a", "b", "c", "d", "hello")`, `true`},
		{`s NOT IN ("a", "b", "c", "d")`, `true`},
		{`b IN ("a", "b", "c", "d")`, `false`},
		{`missing IN ("a", "b", "c", "d")`, `null`},
		{`b IN ("a", 4)`, `true`},
		{`b IN (a, x + 4)`, `true`},
		{`b IN ()`, `false`},
		{`b NOT IN ()`, `true`},
		{`missing IN (1)`, `null`},
		{`missing IN ()`, `false`},
		{`b IN (1, nil)`, `null`},
		{`b IN (4, nil)`, `true`},
		{`b NOT IN (1, nil)`, `null`},
		{`"Alex" IN children`, `true`},
		{`"Max" NOT IN children`, `true`},
		{`b IN missing`, `null`},
		{`b IN s`, `error: found string "hello" behind IN, expected a list`},
		{`1 + 3 IN (4) AND t`, `true`},
		// BETWEEN
		{`a BETWEEN 10 AND 15`, `true`},
		{`a NOT BETWEEN 10 AND 15`, `false`},
		{`a BETWEEN 10 AND 15 AND f`, `false`},
		{`missing BETWEEN 1 AND 2`, `false`},
		{`missing NOT BETWEEN 1 AND 2`, `false`},
		{`"b" BETWEEN "a" AND "c"`, `true`},
		{`s BETWEEN 1 AND 2`, `error: invalid operation string(hello) >= int64(1)`},
		// LIKE
		{`s LIKE "hello"`, `true`},
		{`s LIKE "he%"`, `true`},
		{`s LIKE "%lo"`, `true`},
		{`s LIKE "%el%"`, `true`},
		{`s LIKE "h_llo"`, `true`},
		{`s LIKE "h_lo"`, `false`},
		{`s LIKE "%"`, `true`},
		{`"" LIKE ""`, `true`},
		{`"" LIKE "%%"`, `true`},
		{`"" LIKE "_"`, `false`},
		{`s LIKE "%l%l%o%"`, `true`},
		{`s LIKE "%l%l%l%"`, `false`},
		{`s LIKE ""`, `false`},
		{`u LIKE "Gr__e"`, `true`},
		{`u LIKE "%ße"`, `true`},
		{`"a%b" LIKE "a\\%b"`, `true`},
		{`"axb" LIKE "a\\%b"`, `false`},
		{`"aab" LIKE "%ab"`, `true`},
		{`s NOT LIKE "x%"`, `true`},
		{`missing LIKE "x%"`, `false`},
		{`missing NOT LIKE "x%"`, `false`},
		{`a LIKE "1%"`, `error: invalid operation float64(12.5) LIKE string(1%)`},
		// IS NULL
		{`missing IS NULL`, `true`},
		{`a IS NOT NULL`, `true`},
		{`a is null`, `false`},
		{`isNull(missing)`, `true`},
		{`isnull(a)`, `false`},
		// CASE, from the documentation
		{`CASE s WHEN "red" THEN 1 WHEN "hello" THEN 2 ELSE 3 END`, `int 2`},
		{`CASE s WHEN "red" THEN 1 ELSE 3 END`, `int 3`},
		{`CASE s WHEN "red" THEN 1 END`, `null`},
		{`CASE WHEN a < 10 THEN "S" WHEN a < 20 THEN "M" ELSE "L" END`, `"M"`},
		{`CASE WHEN missing THEN 1 ELSE 2 END`, `int 2`},
		{`CASE missing WHEN missing THEN 1 ELSE 2 END`, `int 2`},
		{`CASE WHEN s THEN 1 END`, `error: found string "hello" behind WHEN, expected a bool`},
		{`CASE (x) WHEN 0 THEN CASE WHEN t THEN "in" END END`, `"in"`},
		// paths
		{`name->first`, `"Tom"`},
		{`name.first`, `"Tom"`},
		{`name["first"]`, `"Tom"`},
		{`demo.name.first`, `"Tom"`},
		{`demo.age`, `float 37`},
		{`deer.demo`, `float 5`},
		{`friends[1]->first`, `"Roger"`},
		{`friends[1].first`, `"Roger"`},
		{`children[-1]`, `"Jack"`},
		{`children[-2]`, `"Alex"`},
		{`children[b - 3]`, `"Alex"`},
		{`children[x:y]`, `["Sara","Alex"]`},
		{`children[x+1:y]`, `["Alex"]`},
		{`children[1:-1]`, `["Alex"]`},
		{`children[0:-1]`, `["Sara","Alex"]`},
		{`children[:2]`, `["Sara","Alex"]`},
		{`children[1:]`, `["Alex","Jack"]`},
		{`children[:]`, `["Sara","Alex","Jack"]`},
		{`children[]`, `["Sara","Alex","Jack"]`},
		{`children[1:1]`, `[]`},
		{`children[3]`, `error: out of index: 3 of 3`},
		{`children[-4]`, `error: out of index: -4 of 3`},
		{`children[2:1]`, `error: out of index: [2:1] of 3`},
		{`children[0:9]`, `error: out of index: [0:9] of 3`},
		{`children["x"]`, `error: found string "x" as an index, expected an integer`},
		{`children[0.5]`, `error: found number 0.5 as an index, expected an integer`},
		{`children[missing]`, `null`},
		{`children[missing:1]`, `null`},
		{`missing[0]`, `null`},
		{`missing->a->b`, `null`},
		{`name->none->b`, `null`},
		{`s->a`, `error: found string "hello" before ->a, expected a map`},
		{`s[0]`, `error: found string "hello" before [], expected a list`},
		{`children->first`, `error: found list of 3 before ->first, expected a map`},
		{`2 * ops->functionA.numArgs`, `float 4`},
		{`meta(topic)`, `"d/1"`},
		{`meta(demo.topic)`, `"d/1"`},
		{`meta(device.id)`, `"x"`},
		{`mqtt(topic) = "d/1" AND b = 4`, `true`},
		// what is wrong
		{`a, b`, `compile: found "," at 2, expected the end of the statement`},
		{`*`, `compile: found "*" at 1, expected an expression`},
		{`a NOT b`, `compile: found "NOT" at 3, expected the end of the statement`},
		{`a BETWEEN 1`, `compile: found the end at 12, expected "AND"`},
		{`a IS 1`, `compile: found "1" at 6, expected "NULL"`},
		{`meta(1)`, `compile: found "1" at 6, expected a key of the metadata, as in meta(topic)`},
		{`meta(a, b)`, `compile: found "," at 7, expected ")"`},
		{`unknown(a)`, `compile: function unknown not found`},
	} {
		check(t, c[0], value(t, c[0]), c[1])
	}
}

func TestExprNames(t *testing.T) {
	for text, want := range map[string][2]string{
		`revert(name) as rev`: {"rev", "revert"}, `revert(name)`: {"revert", "revert"}, `UPPER(s)`: {"upper", "upper"},
		`value > 10`: {"kuiper_field_0", ""}, `demo.a`: {"a", ""}, `upper(a) = "B" AS c`: {"c", ""},
	} {
		e, err := query.CompileExpr(text, plugins())
		if err != nil {
			t.Fatal(err)
		}
		if e.Alias() != want[0] || e.Call() != want[1] {
			t.Errorf("%s: alias %q, call %q", text, e.Alias(), e.Call())
		}
	}
}

func TestBool(t *testing.T) {
	for text, want := range map[string]string{
		`a > 10`: "true", `a > 20`: "false", `missing`: "false", `missing > 1`: "false",
		`b`: "invalid condition that returns non-bool value float64(4)", `1 / 0 > 1`: "divided by zero",
	} {
		e, err := query.CompileExpr(text, plugins())
		if err != nil {
			t.Fatal(err)
		}
		ok, err := e.Bind("r", "flt", 0, 0).Bool(t.Context(), row(t))
		got := show(ok)
		if err != nil {
			got = err.Error()
		}
		check(t, text, got, want)
	}
}

// Rows may hold any of Go's numbers.
func TestNumbers(t *testing.T) {
	for _, n := range []any{
		int(3), int8(3), int16(3), int32(3), int64(3), uint(3), uint8(3), uint16(3), uint32(3), uint64(3), float32(3), float64(3),
	} {
		e, err := query.CompileExpr(`n = 3 AND n + 1 = 4 AND n IN (1, 3) AND n BETWEEN 2.5 AND 3`, plugins())
		if err != nil {
			t.Fatal(err)
		}
		ok, err := e.Bind("r", "o", 0, 0).Bool(t.Context(), &query.Row{Fields: map[string]any{"n": n}})
		if !ok || err != nil {
			t.Errorf("%T: %v %v", n, ok, err)
		}
	}
	for _, n := range []any{nil, []any(nil), map[string]any(nil)} {
		e, err := query.CompileExpr(`isnull(n)`, plugins())
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := e.Bind("r", "o", 0, 0).Bool(t.Context(), &query.Row{Fields: map[string]any{"n": n}}); !ok || err != nil {
			t.Errorf("%T: %v %v", n, ok, err)
		}
	}
}
