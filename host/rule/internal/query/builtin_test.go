package query_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host/rule/internal/query"
)

func TestBuiltins(t *testing.T) {
	for _, c := range [][2]string{
		{`abs(-2)`, `int 2`},
		{`abs(-2.5)`, `float 2.5`},
		{`abs(s)`, `error: call func abs error: found string "hello", expected a number`},
		{`abs("x")`, `compile: validate function abs error: found string "x" as argument 1, expected a number`},
		{`abs()`, `compile: validate function abs error: found 0 arguments, expected 1`},
		{`abs(missing)`, `null`},
		{`sign(-3.5)`, `int -1`},
		{`sign(0)`, `int 0`},
		{`ceil(a)`, `float 13`},
		{`floor(a)`, `float 12`},
		{`round(a)`, `float 13`},
		{`sqrt(b)`, `float 2`},
		{`sqrt(-1)`, `null`},
		{`power(2, 10)`, `float 1024`},
		{`power(10, 400)`, `null`},
		{`exp(0)`, `float 1`},
		{`ln(1)`, `float 0`},
		{`ln(0)`, `null`},
		{`log(100)`, `float 2`},
		{`log(2, 8)`, `float 3`},
		{`log(1, 8)`, `null`},
		{`mod(i, 4)`, `int 3`},
		{`mod(a, 5)`, `float 2.5`},
		{`mod(1, 0)`, `null`},
		{`sin(0)`, `float 0`},
		{`atan2(0, 1)`, `float 0`},
		{`degrees(pi())`, `float 180`},
		{`bitand(6, 3)`, `int 2`},
		{`bitor(6, 3)`, `int 7`},
		{`bitxor(6, 3)`, `int 5`},
		{`bitnot(0)`, `int -1`},
		{`bitand(a, 1)`, `error: call func bitand error: found number 12.5, expected an integer`},
		{`trunc(4.359, 2)`, `float 4.35`},
		{`trunc(-4.359, 0)`, `float -4`},
		{`trunc(b, 99)`, `float 4`},

		{`concat("a", s, 1, 2.5, missing, true)`, `"ahello12.5true"`},
		{`concat(children, children[:1])`, `["Sara","Alex","Jack","Sara"]`},
		{`length(u)`, `int 5`},
		{`length(children)`, `int 3`},
		{`length(missing)`, `int 0`},
		{`lower("AbC")`, `"abc"`},
		{`upper(u)`, `"GRÖßE"`},
		{`trim("  a ")`, `"a"`},
		{`ltrim("  a ")`, `"a "`},
		{`rtrim("  a ")`, `"  a"`},
		{`upper(missing)`, `null`},
		{`upper(1)`, `"1"`},
		{`substring(s, 1)`, `"ello"`},
		{`substring(s, 1, 3)`, `"el"`},
		{`substring(s, 1, 99)`, `"ello"`},
		{`substring(s, 9)`, `""`},
		{`substring(u, 2, 4)`, `"öß"`},
		{`substring(u, 5, 5)`, `""`},
		{`substring(s, -1)`, `error: call func substring error: found a substring from -1...`},
		{`substring(s, 3, 1)`, `error: call func substring error: found a substring from 3 to 1...`},
		{`indexof(s, "l")`, `int 2`},
		{`indexof(u, "e")`, `int 4`},
		{`indexof(s, "z")`, `int -1`},
		{`indexof(missing, "z")`, `int -1`},
		{`startswith(s, "he")`, `true`},
		{`endswith(s, "he")`, `false`},
		{`startswith(missing, "he")`, `false`},
		{`split_value("/test/device001/message", "/", 0)`, `""`},
		{`split_value("/test/device001/message", "/", 3)`, `"message"`},
		{`split_value("/test/device001/message", "/", -1)`, `"message"`},
		{`split_value("ab", "", 1)`, `"b"`},
		{`split_value("a/b", "/", 2)`, `error: call func split_value error: 2 out of index array (size = 2)`},
		{`regexp_matches(s, "^h.*o$")`, `true`},
		{`regexp_matches(missing, "^h")`, `false`},
		{`regexp_matches(s, text)`, `false`},
		{`regexp_replace(s, "l+", "L")`, `"heLo"`},
		{`regexp_substring(s, "l+")`, `"ll"`},
		{`regexp_matches(s, "(")`, "compile: validate function regexp_matches error: error parsing regexp: missing closing ): `(`"},
		{`regexp_matches(s, concat("(", s))`, "error: call func regexp_matches error: error parsing regexp..."},

		{`cast(a, "bigint")`, `int 12`},
		{`cast("14", "bigint")`, `int 14`},
		{`cast(true, "bigint")`, `int 1`},
		{`cast(1e30, "bigint")`, `error: call func cast error: found number 1e+30, which cannot be cast to bigint`},
		{`cast(s, "bigint")`, `error: call func cast error: found string "hello", which cannot be cast to bigint`},
		{`cast(i, "float")`, `float 7`},
		{`cast("1.5", "float")`, `float 1.5`},
		{`cast(a, "string")`, `"12.5"`},
		{`cast(i, "string")`, `"7"`},
		{`cast(big, "string")`, `"9223372036854775808"`},
		{`cast(children, "string")`, `"[\"Sara\",\"Alex\",\"Jack\"]"`},
		{`cast(raw, "string")`, `"abc"`},
		{`cast(at, "string")`, `"1970-01-01T00:00:01Z"`},
		{`cast("true", "boolean")`, `true`},
		{`cast(0, "boolean")`, `false`},
		{`cast(when, "datetime")`, "compile: found \"when\" at 6..."},
		{"cast(`when`, \"datetime\")", `time 2024-02-03T04:05:06.007Z`},
		{`cast(1000, "datetime")`, `time 1970-01-01T00:00:01Z`},
		{`cast("YWJj", "bytea")`, `"YWJj"`},
		{`cast(missing, "bigint")`, `null`},
		{`cast(a, "int")`, `compile: validate function cast error: found string "int" as argument 2, expected bigint...`},
		{`cast(a, s)`, `error: call func cast error: found string "hello" as argument 2...`},
		{`encode(s, "base64")`, `"aGVsbG8="`},
		{`decode("aGVsbG8=", "base64")`, `"aGVsbG8="`},
		{`cast(decode("aGVsbG8=", "base64"), "string")`, `"hello"`},
		{`encode(s, "hex")`, `compile: validate function encode error: found string "hex" as argument 2, expected base64`},
		{`md5("a")`, `"0cc175b9c0f1b6a831c399e269772661"`},
		{`sha1("a")`, `"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"`},
		{`sha256(raw)`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{`length(sha512(s))`, `int 128`},
		{`to_json(name)`, `"{\"first\":\"Tom\",\"last\":\"Anderson\"}"`},
		{`to_json(missing)`, `"null"`},
		{`parse_json("{\"a\": [1]}")->a[0]`, `float 1`},
		{`parse_json("null")`, `null`},
		{`parse_json("{")`, `error: call func parse_json error: fail to parse json: unexpected end of JSON input`},

		{`coalesce(missing, nil, s, 1)`, `"hello"`},
		{`coalesce(missing)`, `null`},
		{`cardinality(children)`, `int 3`},
		{`cardinality(missing)`, `int 0`},
		{`cardinality(s)`, `int 0`},
		{`element_at(children, -1)`, `"Jack"`},
		{`element_at(name, "first")`, `"Tom"`},
		{`array_create(1, s, missing)`, `[1,"hello",null]`},
		{`array_contains(children, "Alex")`, `true`},
		{`array_contains(missing, "Alex")`, `null`},
		{`array_position(children, "Jack")`, `int 2`},
		{`array_position(missing, 1)`, `int -1`},
		{`object_construct("a", 1, "b", missing, "c", s)`, `{"a":1,"c":"hello"}`},
		{`object_construct("a")`, `compile: validate function object_construct error: found 1 arguments, expected 2 or more`},
		{`object_construct("a", 1, "b")`, `compile: validate function object_construct error: found 3 arguments, expected pairs...`},
		{`rule_id()`, `"r1"`},
		{`event_time()`, `int 1700000000123`},
		{`tstamp() > 1700000000000`, `true`},
		{`rand() >= 0 AND rand() < 1`, `true`},
		{`newuuid() != newuuid()`, `true`},
		{`now(7)`, `compile: validate function now error: found number 7...`},
	} {
		check(t, c[0], value(t, c[0]), c[1])
	}
	for text, form := range map[string]string{
		`now()`: `^"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"$`, `NOW(3)`: `^"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"$`,
		`newuuid()`: `^"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"$`,
	} {
		if got := value(t, text); !regexp.MustCompile(form).MatchString(got) {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// No statement can double what it has until the memory is gone.
func TestResultBounds(t *testing.T) {
	for _, f := range []string{"concat", "array_create"} {
		items := []string{f + "(s, s) AS a00"}
		for i := range 40 {
			items = append(items, f+"(a"+itoa(i)+", a"+itoa(i)+") AS a"+itoa(i+1))
		}
		check(t, f, run(t, "SELECT "+strings.Join(items, ", ")+" FROM demo"), "error: call func "+f+" error: found a result of ...")
	}
	json := strings.Repeat("to_json(", 60) + `"\""` + strings.Repeat(")", 60)
	check(t, "to_json", value(t, json), "error: call func to_json error: found a result of ...")
	long := strings.Repeat("x", 60_000)
	check(t, "regexp_replace", run(t, `SELECT regexp_replace(concat("`+long+`"), "", concat(s, s)) AS r, length(regexp_replace(r, "", r)) AS n FROM demo`),
		"error: call func regexp_replace error: found a text of ...")
}

func itoa(i int) string { return string(rune('0'+i/10)) + string(rune('0'+i%10)) }

func TestBounds(t *testing.T) {
	many := func(n int, s string) string { return strings.Repeat(s, n) }
	for name, text := range map[string]string{
		"text": many(query.MaxText+1, " "), "parentheses": many(30_000, "("), "minus": many(30_000, "- "), "not": many(15_000, "NOT "),
		"case": many(6_000, "CASE WHEN "), "brackets": "a" + many(20_000, "[a"), "calls": many(20_000, "f("), "in": many(6_000, "a IN ("),
		"sum": "1" + many(20_000, "+1"), "list": "a IN (1" + many(20_000, ",1") + ")", "path": "a" + many(20_000, ".a"),
		"keys": "a" + many(15_000, "->a"), "args": "concat(1" + many(20_000, ",1") + ")",
	} {
		if _, err := query.CompileExpr(text, plugins()); err == nil {
			t.Errorf("%s: accepted", name)
		} else if len(err.Error()) > 300 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		if _, err := query.ParseStream("CREATE STREAM s " + text); err == nil {
			t.Errorf("%s: a stream", name)
		}
	}
	if _, err := query.ParseStream("CREATE STREAM s (a " + many(9_000, "ARRAY(")); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Error(err)
	}
	if _, err := query.ParseStream("CREATE STREAM s (a " + many(6_000, "STRUCT(a ")); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Error(err)
	}
	// As large as allowed works.
	if got := value(t, "1"+many(4_900, "+1")); got != "int 4901" {
		t.Error(got)
	}
	if got := value(t, many(190, "(")+"a"+many(190, ")")); got != "float 12.5" {
		t.Error(got)
	}
}
