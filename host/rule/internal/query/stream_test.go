package query_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

func TestParseStream(t *testing.T) {
	type T = query.Type
	for _, c := range []struct {
		sql  string
		want query.Stream
	}{
		{
			`CREATE STREAM demo () WITH (TYPE="pyjson", FORMAT="json", DATASOURCE="t", CONF_KEY="ext", SHARED="true")`,
			query.Stream{Name: "demo", Options: map[string]string{"TYPE": "pyjson", "FORMAT": "json", "DATASOURCE": "t", "CONF_KEY": "ext", "SHARED": "true"}},
		},
		{
			`CREATE STREAM demo (
				USERID BIGINT, FIRST_NAME STRING, NICKNAMES ARRAY(STRING), data bytea, Gender BOOLEAN,
				ADDRESS STRUCT(STREET_NAME STRING, NUMBER BIGINT), born datetime, w FLOAT,
			) WITH (DATASOURCE="users", type="MQTT", TIMESTAMP="USERID", TIMESTAMP_FORMAT="yyyy-MM-dd''T''HH:mm:ssX'");`,
			query.Stream{
				Name: "demo", Fields: []query.Field{
					{"USERID", T{Kind: "bigint"}},
					{"FIRST_NAME", T{Kind: "string"}},
					{"NICKNAMES", T{Kind: "array", Elem: &T{Kind: "string"}}},
					{"data", T{Kind: "bytea"}},
					{"Gender", T{Kind: "boolean"}},
					{"ADDRESS", T{Kind: "struct", Fields: []query.Field{{"STREET_NAME", T{Kind: "string"}}, {"NUMBER", T{Kind: "bigint"}}}}},
					{"born", T{Kind: "datetime"}},
					{"w", T{Kind: "float"}},
				},
				Options: map[string]string{"DATASOURCE": "users", "TYPE": "MQTT", "TIMESTAMP": "USERID", "TIMESTAMP_FORMAT": "yyyy-MM-dd''T''HH:mm:ssX'"},
			},
		},
		{
			`create table t (list ARRAY(ARRAY(BIGINT)), s ARRAY(STRUCT(a STRING))) with (datasource="x" retain_size="3", KIND="lookup", STRICT_VALIDATION="FAlse", EXTRA="{\"a\":1}", DELIMITER=" ")`,
			query.Stream{
				Name: "t", Table: true,
				Fields: []query.Field{
					{"list", T{Kind: "array", Elem: &T{Kind: "array", Elem: &T{Kind: "bigint"}}}},
					{"s", T{Kind: "array", Elem: &T{Kind: "struct", Fields: []query.Field{{"a", T{Kind: "string"}}}}}},
				},
				Options: map[string]string{"DATASOURCE": "x", "RETAIN_SIZE": "3", "KIND": "lookup", "STRICT_VALIDATION": "FAlse", "EXTRA": `{"a":1}`, "DELIMITER": " "},
			},
		},
		{
			"CREATE STREAM `stream` (`地址` STRING, key BIGINT, `select` FLOAT) WITH ()",
			query.Stream{Name: "stream", Fields: []query.Field{{"地址", T{Kind: "string"}}, {"key", T{Kind: "bigint"}}, {"select", T{Kind: "float"}}}, Options: map[string]string{}},
		},
		{`CREATE STREAM b (image BYTEA) WITH (FORMAT="BINARY")`, query.Stream{Name: "b", Fields: []query.Field{{"image", T{Kind: "bytea"}}}, Options: map[string]string{"FORMAT": "BINARY"}}},
	} {
		s, err := query.ParseStream(c.sql)
		if err != nil {
			t.Errorf("%s: %v", c.sql, err)
			continue
		}
		c.want.Text = c.sql
		if d := cmp.Diff(&c.want, s); d != "" {
			t.Errorf("%s: %s", c.sql, d)
		}
	}
}

func TestStreamDefaults(t *testing.T) {
	s, err := query.ParseStream(`CREATE STREAM demo() WITH (DATASOURCE="users")`)
	if err != nil || s.Source() != "mqtt" || s.Format() != "json" || s.Flag("SHARED") {
		t.Errorf("%+v %v", s, err)
	}
	s, err = query.ParseStream(`CREATE STREAM demo() WITH (TYPE="simulator", FORMAT="JSON", SHARED="TRUE")`)
	if err != nil || s.Source() != "simulator" || s.Format() != "json" || !s.Flag("SHARED") {
		t.Errorf("%+v %v", s, err)
	}
}

func TestParseStreamErrors(t *testing.T) {
	for _, c := range [][2]string{
		{`SELECT a FROM b`, `found "SELECT" at 1, expected "CREATE"`},
		{`CREATE VIEW a () WITH ()`, `found "VIEW" at 8, expected STREAM or TABLE`},
		{`CREATE STREAM () WITH ()`, `found "(" at 15, expected the name of a stream`},
		{`CREATE STREAM demo WITH ()`, `found "WITH" at 20, expected "("`},
		{`CREATE STREAM demo (NAME string)) WITH (DATASOURCE="users")`, `found ")" at 33, expected "WITH"`},
		{`CREATE STREAM demo (NAME string) WITHs (DATASOURCE="users")`, `found "WITHs" at 34, expected "WITH"`},
		{`CREATE STREAM demo (NAME integer) WITH ()`, `found "integer" at 26, expected one of the types BIGINT | FLOAT | STRING | DATETIME | BOOLEAN | BYTEA | ARRAY | STRUCT`},
		{`CREATE STREAM demo (NAME string) WITH (sources="users")`, `found "sources" at 40, expected one of the options DATASOURCE|FORMAT|...`},
		{`CREATE STREAM demo ((NAME string) WITH ()`, `found "(" at 21, expected the name of a field or ")"`},
		{`CREATE STREAM demo (a string b string) WITH ()`, `found "b" at 30, expected "," or ")"`},
		{`CREATE STREAM demo (a BIGINT) WITH ());`, `found ")" at 38, expected the end of the statement`},
		{`CREATE STREAM demo () WITH DATASOURCE="users"`, `found "DATASOURCE" at 28, expected "("`},
		{`CREATE STREAM demo () WITH (DATASOURCE "users")`, `found string "users" at 40, expected "="`},
		{`CREATE STREAM demo () WITH (DATASOURCE=users)`, `found "users" at 40, expected the value of DATASOURCE as a string`},
		{`CREATE STREAM demo () WITH (KEY="a", key="b")`, `found "key" at 38, expected KEY once`},
		{`CREATE STREAM demo () WITH (STRICT_VALIDATION="true1")`, `found string "true1" at 47, expected TRUE or FALSE as the value of STRICT_VALIDATION`},
		{`CREATE STREAM demo () WITH (RETAIN_SIZE="x")`, `found string "x" at 41, expected an integer as the value of RETAIN_SIZE`},
		{`CREATE STREAM demo () WITH (EXTRA="USERID")`, `found string "USERID" at 35, expected JSON as the value of EXTRA`},
		{`CREATE STREAM demo (a BIGINT, b BYTEA) WITH (FORMAT="binary")`, `'binary' format stream can have only one field`},
		{`CREATE STREAM demo (a BIGINT) WITH (FORMAT="binary")`, `'binary' format stream can have only 'bytea' type field`},
		{`CREATE TABLE demo () WITH (FORMAT="binary")`, `'binary' format is not supported for table`},
		{`CREATE STREAM demo (a ARRAY) WITH ()`, `found ")" at 28, expected "("`},
		{`CREATE STREAM demo (a BIGINT DEFAULT 10) WITH ()`, `found DEFAULT at 30, which is not supported...`},
		{`CREATE STREAM demo () WITH (`, `found the end at 29, expected one of the options...`},
	} {
		_, err := query.ParseStream(c[0])
		if err == nil || !errors.Is(err, host.ErrInvalid) && !errors.Is(err, host.ErrUnsupported) {
			t.Errorf("%s: %v", c[0], err)
			continue
		}
		check(t, c[0], err.Error(), c[1])
	}
}
