package builtin_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

func TestFileSink(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	row := map[string]any{"b": 1.5, "a": "x;<y>", "n": nil, "l": []any{1, "z"}, "t": at}
	for _, c := range []struct {
		name, before string
		props        host.Props
		values       []any
		want         string
	}{
		{
			"lines", "",
			host.Props{},
			[]any{row, []byte("raw\n"), []any{map[string]any{"a": 1}, map[string]any{"a": 2}}},
			`{"a":"x;<y>","b":1.5,"l":[1,"z"],"n":null,"t":"2026-01-02T03:04:05Z"}` + "\nraw\n{\"a\":1}\n{\"a\":2}\n",
		},
		{"lines appended to a torn line", "old\nto", host.Props{}, []any{[]byte("new")}, "old\nto\nnew\n"},
		{"lines not appended", "old\n", host.Props{"append": false}, []any{[]byte("new")}, "new\n"},
		{"lines fields", "", host.Props{"fields": []any{"b", "x"}}, []any{row}, `{"b":1.5,"x":null}` + "\n"},
		{"json", "", host.Props{"fileType": "json"}, []any{map[string]any{"a": 1}, []any{map[string]any{"a": 2}}, []byte(`{"a":3}`)}, "[{\"a\":1},\n{\"a\":2},\n{\"a\":3}]"},
		{"json appended", "[{\"a\":0}\n] \n", host.Props{"fileType": "json"}, []any{map[string]any{"a": 1}}, "[{\"a\":0}\n,\n{\"a\":1}]"},
		{"json appended to an empty list", "[ ]", host.Props{"fileType": "json"}, []any{map[string]any{"a": 1}}, "[ {\"a\":1}]"},
		{"json nothing", "", host.Props{"fileType": "json"}, []any{[]any{}}, ""},
		{
			"csv", "",
			host.Props{"fileType": "csv", "hasHeader": true, "delimiter": ";"},
			[]any{row, map[string]any{"a": true, "other": 1}},
			"a;b;l;n;t\n\"x;<y>\";1.5;\"[1,\"\"z\"\"]\";;2026-01-02T03:04:05Z\ntrue;;;;\n",
		},
		{"csv fields", "", host.Props{"fileType": "csv", "fields": "b,a"}, []any{row}, "1.5,x;<y>\n"},
		{"csv appended", "b,a\n1,2\n", host.Props{"fileType": "csv", "hasHeader": true}, []any{row}, "b,a\n1,2\n1.5,x;<y>\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t)
			if c.before != "" {
				k.put("out", c.before)
			}
			c.props["path"] = "out"
			s := k.sink("file", c.props)
			for _, v := range c.values {
				k.write(s, v)
				if got := k.get("out"); c.props["fileType"] == "json" && got != "" && !json.Valid([]byte(got)) {
					t.Errorf("between two writes it is no JSON: %s", got)
				}
			}
			if err := s.Close(k.soon()); err != nil {
				t.Fatal(err)
			}
			if got := k.get("out"); got != c.want {
				t.Errorf("found\n%s\nexpected\n%s", got, c.want)
			}
		})
	}
}

func TestFileSinkErrors(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	open := func(p host.Props) error {
		s, err := k.Sink("file", nil, p)
		if err != nil {
			return err
		}
		t.Cleanup(func() { s.Close(k.soon()) })
		return s.Open(k.soon())
	}
	k.put("torn.json", `[{"a":1`)
	fails(t, open(host.Props{"path": "torn.json", "fileType": "json"}), host.ErrInvalid, "does not end with ]", "append: false")
	k.put("x.csv", "a,b\n")
	fails(t, open(host.Props{"path": "x.csv", "fileType": "csv", "hasHeader": true, "fields": "a,c"}), host.ErrInvalid, `found the header ["a" "b"]`)
	os.Mkdir(k.data("folder"), 0o700)
	fails(t, open(host.Props{"path": "folder"}), host.ErrUnavailable, "is a directory")
	os.Symlink(t.TempDir(), k.data("link"))
	if err := open(host.Props{"path": "link/x"}); err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Errorf("found %v", err)
	}
	one := k.sink("file", host.Props{"path": "one"})
	fails(t, open(host.Props{"path": "one"}), host.ErrInUse, "another sink writes this file")
	one.Close(k.soon())
	if err := open(host.Props{"path": "one"}); err != nil {
		t.Error(err)
	}
	js := k.sink("file", host.Props{"path": "js", "fileType": "json"})
	fails(t, js.Write(k.soon(), host.Message{Value: []byte("no")}), host.ErrInvalid, "not JSON")
	fails(t, js.Write(k.soon(), host.Message{Value: map[string]any{"f": func() {}}}), host.ErrInvalid, "message as JSON")
}

func TestFileSinkRolls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		props   host.Props
		pause   time.Duration
		pattern string
		files   int
	}{
		{"count", host.Props{"rollingCount": 4}, 0, "out-*.csv", 2},
		{"size", host.Props{"rollingSize": 10, "rollingNamePattern": "prefix"}, 0, "*_out.csv", 3},
		{"time", host.Props{"rollingInterval": 30}, 10 * time.Millisecond, "out-*.csv", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t)
			c.props["path"], c.props["fileType"], c.props["hasHeader"] = "d/out.csv", "csv", true
			s := k.sink("file", c.props)
			for i := range 10 {
				k.write(s, map[string]any{"row": fmt.Sprint(i)})
				time.Sleep(c.pause)
			}
			old, _ := filepath.Glob(k.data("d/" + c.pattern))
			if len(old) != c.files && (c.files >= 0 || len(old) == 0) {
				t.Errorf("found %q", old)
			}
			next := 0 // each has a header and goes on where the last ended
			for _, f := range append(old, k.data("d/out.csv")) {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				lines := strings.Fields(string(b))
				for i, l := range lines {
					if i == 0 && l != "row" || i > 0 && l != fmt.Sprint(next) {
						t.Fatalf("%s: found %q at row %d", f, lines, next)
					}
					if i > 0 {
						next++
					}
				}
			}
			if next != 10 {
				t.Errorf("found %d rows", next)
			}
		})
	}
}
