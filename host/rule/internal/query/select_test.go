package query_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

func TestSelect(t *testing.T) {
	for _, c := range [][2]string{
		// names
		{`SELECT age FROM demo`, `{"age":37}`},
		{`select age from demo;`, `{"age":37}`},
		{`SELECT demo.age FROM demo`, `{"age":37}`},
		{`SELECT d.age FROM demo AS d`, `{"age":37}`},
		{`SELECT Age FROM demo`, `{}`},
		{"SELECT `select`, `a-b` FROM demo", `{"a-b":7,"select":"kw"}`},
		{"SELECT `fav.movie` AS m FROM demo", `{"m":"Deer Hunter"}`},
		{`SELECT age AS n, age FROM demo`, `{"age":37,"n":37}`},
		{`SELECT x, y, x FROM demo`, `{"x":0,"y":2}`},
		{`SELECT "age", 'b' FROM demo`, `{"kuiper_field_0":"age","kuiper_field_1":"b"}`},
		{`SELECT 1, age, 2 FROM demo`, `{"age":37,"kuiper_field_0":1,"kuiper_field_1":2}`},
		{`SELECT missing, nil, age FROM demo`, `{"age":37}`},
		{`SELECT TRUE AS field1 FROM demo`, `{"field1":true}`},
		{`SELECT age /* a comment */ FROM demo -- and one more`, `{"age":37}`},
		{"SELECT s\n\tFROM\r\n demo", `{"s":"hello"}`},
		// JSON expressions, from the documentation
		{`SELECT demo.name->first AS f FROM demo`, `{"f":"Tom"}`},
		{`SELECT demo.name.first FROM demo`, `{"first":"Tom"}`},
		{`SELECT name.first AS fname FROM demo`, `{"fname":"Tom"}`},
		{`SELECT name->first AS fname FROM demo`, `{"fname":"Tom"}`},
		{`SELECT name->first FROM demo`, `{"kuiper_field_0":"Tom"}`},
		{`SELECT ops->functionA.numArgs AS num FROM demo`, `{"num":2}`},
		{`SELECT children[0] FROM demo`, `{"kuiper_field_0":"Sara"}`},
		{`SELECT d.friends[0]->last AS l FROM demo AS d`, `{"l":"Murphy"}`},
		{`SELECT children[0:1] AS c FROM demo`, `{"c":["Sara"]}`},
		{`SELECT followers->Group1[:1] AS g FROM demo`, `{"g":[{"age":22,"first":"John"}]}`},
		{`SELECT followers->Group1[1]->first AS g FROM demo`, `{"g":"Ken"}`},
		{`SELECT deer.demo FROM demo`, `{"demo":5}`},
		// *
		{`SELECT * EXCEPT(name, friends, children, followers, ops, deer, big, at, raw) FROM demo WHERE age = 37`, `{"a":12.5,"a-b":7,"age":37,"b":4,"f":false,"fav.movie":"Deer Hunter","i":7,"j":2,"nil":null,"s":"hello","select":"kw","small":3,"t":true,"text":"14","u":"Größe","when":"2024-02-03T04:05:06.007Z","x":0,"y":2}`},
		{`SELECT demo.* EXCEPT(name) FROM demo WHERE age = 1`, `dropped`},
		{`SELECT other.* FROM demo`, `parse: found other.*, expected demo.*`},
		{`SELECT *, * FROM demo`, `parse: found "*" at 11, expected one * only`},
		// aliases, from the documentation
		{`SELECT y + 1 AS sum1, sum1 + 1 AS sum2 FROM demo`, `{"sum1":3,"sum2":4}`},
		{`SELECT sum1 + 1 AS sum2, y + 1 AS sum1 FROM demo`, `{"sum1":3,"sum2":4}`},
		{`SELECT y + 1 AS y, y + 2 AS sum2 FROM demo`, `{"sum2":5,"y":3}`},
		{`SELECT y + 1 AS y, demo.y AS z FROM demo`, `{"y":3,"z":2}`},
		{`SELECT y * 10 AS ten FROM demo WHERE ten = 20`, `{"ten":20}`},
		{`SELECT y * 10 AS y FROM demo WHERE y = 20`, `{"y":20}`},
		{`SELECT name AS n, n.first AS f, n->last AS l FROM demo WHERE n.first = "Tom"`, `{"f":"Tom","l":"Anderson","n":{"first":"Tom","last":"Anderson"}}`},
		{`SELECT a AS b, b AS a FROM demo`, `compile: alias b is defined by itself, through another alias`},
		{`SELECT a AS b, x AS b FROM demo`, `compile: duplicate alias b`},
		// WHERE
		{`SELECT age FROM demo WHERE a > 10 AND s = "hello"`, `{"age":37}`},
		{`SELECT age FROM demo WHERE a > 10 AND s = 'x'`, `dropped`},
		{`SELECT age FROM demo WHERE t`, `{"age":37}`},
		{`SELECT age FROM demo WHERE f`, `dropped`},
		{`SELECT age FROM demo WHERE missing`, `dropped`},
		{`SELECT age FROM demo WHERE missing > 1`, `dropped`},
		{`SELECT age FROM demo WHERE missing != 1`, `dropped`},
		{`SELECT age FROM demo WHERE s`, `error: invalid condition that returns non-bool value string(hello)`},
		{`SELECT age FROM demo WHERE age`, `error: invalid condition that returns non-bool value float64(37)`},
		{`SELECT age FROM demo WHERE s > 1`, `error: invalid operation string(hello) > int64(1)`},
		// functions
		{`SELECT revert(s) FROM demo`, `{"revert":"olleh"}`},
		{`SELECT revert(s) AS r FROM demo WHERE r LIKE "o%"`, `{"r":"olleh"}`},
		{`SELECT revert(revert(s)) AS r, upper(revert("abc")) FROM demo`, `{"r":"hello","upper":"CBA"}`},
		{`SELECT UPPER(s) FROM demo`, `{"upper":"HELLO"}`},
		{`SELECT abs(-3), ABS(3 - 4) AS b FROM demo`, `{"abs":3,"b":1}`},
		{`SELECT Revert(s) FROM demo`, `compile: function Revert not found`},
		{`SELECT revert(1) FROM demo`, `compile: validate function revert error: found the number 1`},
		{`SELECT revert(2 - 1) FROM demo`, `compile: validate function revert error: found the number 1`},
		{`SELECT revert() FROM demo`, `compile: validate function revert error: expected one argument`},
		{`SELECT fails(s) FROM demo`, `error: call func fails error: boom`},
		{`SELECT asleep(s) FROM demo`, `compile: function asleep: plugin p does not run`},
		{`SELECT nothing(), nothing() AS n, s FROM demo`, `{"s":"hello"}`},
		{`SELECT where() FROM demo`, `parse: found "where" at 8, expected an expression (WHERE is a keyword: write ` + "`where`)"},
		{"SELECT `where`() AS a, upper(`where`(1, `where`())) AS b, `where`() AS c FROM demo WHERE `where`() LIKE \"r1/%\"", `{"a":"r1/2_project/0/1/0","b":"R1/2_PROJECT/0/1/2","c":"r1/2_project/0/1/4"}`},
		{`SELECT echo(a, missing, "x", 1 + 1, children) AS e FROM demo`, `{"e":[12.5,null,"x",2,["Sara","Alex","Jack"]]}`},
		{`SELECT length(to_json(echo(*))) > 200 AS e FROM demo`, `{"e":true}`},
		{`SELECT lag(s) FROM demo`, `{"lag":"hello"}`},
		{`SELECT echo(s) AS e, e[0] AS f, e[0] AS g FROM demo WHERE e[0] = "hello"`, `{"e":["hello"],"f":"hello","g":"hello"}`},
		// metadata
		{`SELECT meta(topic), mqtt(topic) AS t FROM demo`, `{"meta":"d/1","t":"d/1"}`},
		{`SELECT meta(device.id) AS a, meta(demo.topic) AS b, meta(device->id) AS c, meta("topic") AS d, meta(none) AS e FROM demo`, `{"a":"x","b":"d/1","c":"x","d":"d/1"}`},
		{`SELECT meta(*) AS m FROM demo`, `{"m":{"device":{"id":"x"},"topic":"d/1"}}`},
		{`SELECT rule_id(), event_time() FROM demo`, `{"event_time":1700000000123,"rule_id":"r1"}`},
		// streams that look like topics
		{`SELECT s FROM topic/sensor1`, `{"s":"hello"}`},
		{"SELECT s FROM `my stream` AS m WHERE m.b = 4", `{"s":"hello"}`},
		// what is wrong
		{``, `parse: found the end at 1, expected "SELECT"`},
		{`SELECT`, `parse: found the end at 7, expected an expression`},
		{`SELECT FROM demo`, `parse: found "FROM" at 8, expected an expression (FROM is a keyword: write ` + "`FROM`)"},
		{`SELECT a`, `parse: found the end at 9, expected "FROM"`},
		{`SELECT a FROM`, `parse: found the end at 14, expected the name of a stream`},
		{`SELECT a b FROM demo`, `parse: found "b" at 10, expected "FROM"`},
		{`SELECT ü FROM demo WHERE a >`, `parse: found the end at 29, expected an expression`},
		{`SELECT a FROM demo WHERE a == 1`, `parse: found "=" at 29, expected an expression`},
		{`SELECT a FROM demo WHERE (a = 1`, `parse: found the end at 32, expected ")"`},
		{`SELECT a FROM demo WHERE a = 1)`, `parse: found ")" at 31, expected the end of the statement`},
		{`SELECT a FROM demo; SELECT b FROM demo`, `parse: found "SELECT" at 21, expected the end of the statement`},
		{`SELECT a[1 FROM demo`, `parse: found "FROM" at 12, expected ":" or "]"`},
		{`SELECT a->1 FROM demo`, `parse: found "1" at 11, expected the name of a key`},
		{`SELECT "a FROM demo`, `parse: found a string at 8, expected its closing "`},
		{`SELECT "\d" FROM demo`, `parse: found an escape that is none at 9, expected one of ...`},
		{"SELECT `a FROM demo", "parse: found a backtick at 8, expected a name and another one"},
		{`SELECT a /* FROM demo`, `parse: found a comment at 10, expected */ at its end`},
		{`SELECT a ? b FROM demo`, `parse: found '?' at 10, expected SQL`},
		{`SELECT f(a FROM demo`, `parse: found "FROM" at 12, expected "," or ")"`},
		{`SELECT CASE END FROM demo`, `parse: found "END" at 13, expected an expression...`},
		{`SELECT CASE x END FROM demo`, `parse: found "END" at 15, expected WHEN`},
		{"SELECT \xff FROM demo", `parse: found a statement that is not UTF-8`},
	} {
		check(t, c[0], run(t, c[0]), c[1])
	}
}

// The row's own map comes back from SELECT *, and only from that.
func TestSelectStar(t *testing.T) {
	for sql, same := range map[string]bool{
		`SELECT * FROM demo`: true, `SELECT demo.* FROM demo WHERE t`: true,
		`SELECT *, 1 AS one FROM demo`: false, `SELECT * EXCEPT(s) FROM demo`: false, `SELECT * REPLACE(1 AS s) FROM demo`: false,
	} {
		s, err := query.ParseSelect(sql)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Compile(plugins())
		if err != nil {
			t.Fatal(err)
		}
		r := row(t)
		want := maps.Clone(r.Fields)
		switch {
		case strings.Contains(sql, "one"):
			want["one"] = int64(1)
		case strings.Contains(sql, "EXCEPT"):
			delete(want, "s")
		case strings.Contains(sql, "REPLACE"):
			want["s"] = int64(1)
		}
		out, keep, err := p.Bind("r", "o", 0, 0).Eval(t.Context(), r)
		if err != nil || !keep || text(t, out) != text(t, want) {
			t.Errorf("%s: %v %v %v", sql, out, keep, err)
		}
		out["mark"] = true
		if (r.Fields["mark"] == true) != same {
			t.Errorf("%s: the row's own map: %v, want %v", sql, !same, same)
		}
	}
}

func TestSendNil(t *testing.T) {
	s, err := query.ParseSelect(`SELECT missing, nil AS n, x FROM demo`)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Compile(plugins())
	if err != nil {
		t.Fatal(err)
	}
	p.SendNil = true
	out, _, err := p.Bind("r", "o", 0, 0).Eval(t.Context(), row(t))
	if err != nil || text(t, out) != `{"missing":null,"n":null,"x":0}` {
		t.Errorf("%v %v", out, err)
	}
}

func TestParseFields(t *testing.T) {
	s, err := query.ParseFields([]string{"s", "revert(s) AS r", "y * 2 AS d", "1"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Compile(plugins())
	if err != nil {
		t.Fatal(err)
	}
	out, keep, err := p.Bind("r", "pick", 0, 0).Eval(t.Context(), row(t))
	if err != nil || !keep || text(t, out) != `{"d":4,"kuiper_field_0":1,"r":"olleh","s":"hello"}` {
		t.Errorf("%v %v %v", out, keep, err)
	}
	for _, bad := range [][]string{nil, {""}, {"a, b"}, {"a", "b FROM c"}} {
		if _, err := query.ParseFields(bad); !errors.Is(err, host.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestFunctions(t *testing.T) {
	s, err := query.ParseSelect(`SELECT f(G(x), UPPER(y)), meta(topic) FROM s WHERE h() > 1 AND f(1)`)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Functions(), " "); got != "f G upper meta h f" {
		t.Error(got)
	}
	if s.From != "s" || s.Alias != "" {
		t.Errorf("%+v", s)
	}
}

// Calls are counted over the statement, and their addresses do not change.
func TestBind(t *testing.T) {
	seen := map[int64]*host.Call{}
	e := env{"f": {exec: func(c *host.Call, args []any) (any, error) {
		if seen[c.Func] != nil && seen[c.Func] != c {
			t.Errorf("call %d moved", c.Func)
		}
		seen[c.Func] = c
		return args[0], nil
	}}}
	s, err := query.ParseSelect(`SELECT f(f(1) + 1) AS a, upper("x"), f(2) AS b FROM s WHERE f(true)`)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Compile(e)
	if err != nil {
		t.Fatal(err)
	}
	b := p.Bind("rule", "op", 3, 4)
	for range 3 {
		if _, _, err := b.Eval(t.Context(), row(t)); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int64{0, 1, 3, 4} {
		if c := seen[i]; c == nil || *c != (host.Call{Rule: "rule", Op: "op", Instance: 3, Run: 4, Func: i}) {
			t.Errorf("call %d: %+v", i, c)
		}
	}
	if p.Bind("rule", "op", 3, 5) == b || len(seen) != 4 {
		t.Errorf("%d calls", len(seen))
	}
}

// A function is called once a row for each place in the text, however often its
// alias is used, and not at all behind a WHERE that says no.
func TestCallsOnce(t *testing.T) {
	n := 0
	e := env{"f": {exec: func(*host.Call, []any) (any, error) { n++; return int64(n), nil }}}
	s, err := query.ParseSelect(`SELECT f() AS a, a + 1 AS b, a * 2 AS c, f() AS d FROM s WHERE a < 3`)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Compile(e)
	if err != nil {
		t.Fatal(err)
	}
	b := p.Bind("r", "o", 0, 0)
	out, keep, err := b.Eval(t.Context(), row(t))
	if text(t, out) != `{"a":1,"b":2,"c":2,"d":2}` || !keep || err != nil {
		t.Errorf("%v %v %v", out, keep, err)
	}
	if _, keep, err = b.Eval(t.Context(), row(t)); keep || err != nil || n != 3 {
		t.Errorf("%v %v, %d calls", keep, err, n)
	}
}

// One plan serves many operators at once.
func TestConcurrent(t *testing.T) {
	s, err := query.ParseSelect(`SELECT revert(s) AS r, regexp_matches(s, r) AS m, upper(r) AS u FROM demo WHERE r LIKE "o%" AND age IN (37, b)`)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Compile(plugins())
	if err != nil {
		t.Fatal(err)
	}
	r := row(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			b := p.Bind("r", "o", 0, 0)
			for range 200 {
				out, keep, err := b.Eval(context.Background(), r)
				if err != nil || !keep || out["u"] != "OLLEH" || out["m"] != false {
					t.Errorf("%v %v %v", out, keep, err)
					return
				}
			}
		})
	}
	wait.Wait()
}
