package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/host/frame"
)

const mp = "application/msgpack"

// packed is a value as MessagePack.
func packed(t testing.TB, v any) string {
	t.Helper()
	b, err := frame.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// say shows MessagePack in words.
func say(body string) string {
	v, err := frame.Decode([]byte(body))
	if err != nil {
		return fmt.Sprintf("%q: %v", body, err)
	}
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		return fmt.Sprintf("result %#v", m["result"])
	}
	return fmt.Sprintf("%#v", v)
}

type items = []any

func TestBinaryCall(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", all()...)
	k.installLaned()
	for _, c := range []struct {
		what, function string
		args           any
		want           string
	}{
		{"words", "wadd", items{1.5, int64(2)}, "result 3.5"},
		{"words converted", "wfib", items{3.0}, "result 9"},
		{"null", "wadd", items{nil, 1.0}, "result <nil>"},
		{"frames", "ftyped", items{[]byte{1}, items{}, map[string]any{"a": int64(1)}}, `result []interface {}{[]uint8{0x1}, []interface {}{}, map[string]interface {}{"a":1}}`},
		{"frames converted", "fhash", items{int64(1), 2.5, 3.0}, "result []interface {}{1, 2.5, 3}"},
		{"result converted", "fodd", items{int64(4)}, "result 4"},
		{"no lane", "wold", items{int64(4)}, "result 4"},
		{"values", "add", items{int64(1), int64(2)}, "result 3"},
		{"bytes", "bytes", items{}, "result []byte{0x0, 0xff}"},
		{"NaN has a form", "nan", items{0.0}, "result NaN"},
	} {
		r := k.do("POST", "/functions/"+c.function+"/call", packed(t, c.args), "Content-Type", mp)
		if r.status != 200 || r.header.Get("Content-Type") != mp || say(r.body) != c.want {
			t.Errorf("%s: found %d %s %s, expected %s", c.what, r.status, r.header.Get("Content-Type"), say(r.body), c.want)
		}
		for _, query := range []string{"?fuel=1", "?x=1"} { // by values, and by a lane
			if again := k.do("POST", "/functions/"+c.function+"/call"+query, packed(t, c.args), "Content-Type", mp); say(again.body) != c.want {
				t.Errorf("%s: %s: found %s", c.what, query, say(again.body))
			}
		}
	}
}

func TestBinaryErrors(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", all()...)
	k.installLaned()
	fault := func(code int, text string) string {
		return packed(t, map[string]any{"error": int64(code), "message": text})
	}
	for _, c := range []struct {
		function, body string
		status         int
		want           string
	}{
		{"wadd", packed(t, items{1.5}), 422, fault(6003, "found 1 arguments, expected 2: (f64, f64) -> f64; GET /functions/{name} shows the signature")},
		{"wadd", packed(t, "x"), 400, fault(6001, "body: frame: byte 0: args: arguments are a list; expected one MessagePack array of arguments")},
		{"wadd", "\x92\x01", 400, fault(6001, "body: frame: byte 0: count: more items are announced than there are bytes for; expected one MessagePack array of arguments")},
		{"wadd", "", 400, fault(6001, "body: frame: byte 0: truncated: the end comes inside a value; expected one MessagePack array of arguments")},
		{"wadd", packed(t, items{1.5, 2.5}) + " ", 400, fault(6001, "body: frame: byte 19: trailing: there are bytes after the value; expected one MessagePack array of arguments")},
		{"busy", packed(t, items{}), 429, fault(6007, "function busy: all 4 instances are taken; retry after 1 s, or raise limits.concurrency of the plugin")},
		{"odd", packed(t, items{}), 500, fault(6015, "result: struct {} has no form in a frame; the function would have to return a value that JSON can carry")},
	} {
		r := k.do("POST", "/functions/"+c.function+"/call", c.body, "Content-Type", mp)
		if say(r.body) != say(c.want) || r.status != c.status || r.header.Get("Content-Type") != mp {
			t.Errorf("%s %q: found %d %s\nexpected %d %s", c.function, c.body, r.status, say(r.body), c.status, say(c.want))
		}
	}
	if r := k.do("POST", "/functions/wadd/batch", "\x91\x91", "Content-Type", mp); r.status != 400 || !strings.Contains(r.body, "count: more items") {
		t.Errorf("found %d %q", r.status, r.body)
	}
	if r := k.do("POST", "/functions/wadd/batch", "\x01", "Content-Type", mp); r.status != 400 || !strings.Contains(r.body, "expected one MessagePack array of lists") {
		t.Errorf("found %d %q", r.status, r.body)
	}
}

// The form of the answer is the one that the client names, else that of the body.
func TestNegotiation(t *testing.T) {
	k := newKit(t, api.Options{})
	k.installLaned()
	bin, text := packed(t, items{1.5, 2.5}), `{"args":[1.5,2.5]}`
	for _, c := range []struct{ kind, body, accept, want string }{
		{mp, bin, "", mp},
		{mp, bin, "*/*", mp},
		{"application/vnd.msgpack", bin, "", mp},
		{"Application/X-MsgPack; a=b", bin, "", mp},
		{mp, bin, js, js},
		{mp, bin, js + ", " + mp, mp},
		{js, text, mp, mp},
		{js, text, "application/vnd.msgpack;q=0.9", mp},
		{js, text, "*/*", js},
		{js, text, mp + ", " + js, js},
		{"", text, "", js},
	} {
		r := k.do("POST", "/functions/wadd/call", c.body, "Content-Type", c.kind, "Accept", c.accept)
		want := `{"result":4.0}`
		if c.want == mp {
			want = packed(t, map[string]any{"result": 4.0})
		}
		if r.status != 200 || r.header.Get("Content-Type") != c.want || r.body != want {
			t.Errorf("%s accepts %q: found %d %s %q", c.kind, c.accept, r.status, r.header.Get("Content-Type"), r.body)
		}
	}
}

func TestBinaryBatch(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", all()...)
	k.installLaned()
	for _, c := range []struct {
		function string
		rows     items
		results  items
	}{
		{"wadd", items{items{1.5, 2.5}, items{int64(1), int64(2)}, items{nil, 1.0}}, items{4.0, 3.0, nil}},
		{"wold", items{items{1.5}, items{int64(2)}}, items{1.5, 2.0}},
		{"fhash", items{items{1.0, 2.0, int64(3)}, items{int64(1), 2.0, int64(3)}}, items{items{1.0, 2.0, int64(3)}, items{1.0, 2.0, int64(3)}}},
		{"add", items{items{int64(1), int64(2)}}, items{int64(3)}},
		{"echo", items{}, items{}},
	} {
		for _, times := range []int{1, 40, 4000} { // alone, on a pin, in many parts
			rows, results, lines := items{}, items{}, ""
			for range times {
				rows, results = append(rows, c.rows...), append(results, c.results...)
			}
			body := packed(t, rows)
			r := k.do("POST", "/functions/"+c.function+"/batch", body, "Content-Type", mp)
			r.want(t, 200, mp, packed(t, results))
			for _, row := range c.rows {
				line := k.do("POST", "/functions/"+c.function+"/call", packed(t, row), "Content-Type", mp, "Accept", js)
				lines += line.body + "\n"
			}
			lines = strings.Repeat(lines, times)
			k.do("POST", "/functions/"+c.function+"/batch", body, "Content-Type", mp, "Accept", nd).want(t, 200, nd, lines)
			array := "[" + strings.ReplaceAll(strings.TrimSuffix(lines, "\n"), "\n", ",") + "]"
			k.do("POST", "/functions/"+c.function+"/batch", body, "Content-Type", mp, "Accept", js).want(t, 200, js, array)
		}
	}
	k.do("POST", "/functions/wadd/batch", "[[1.5,2.5],[1,2]]", "Accept", mp).want(t, 200, mp, packed(t, items{4.0, 3.0}))
	k.do("POST", "/functions/wadd/batch", "[1.5,2.5]\n\n[1,2]", "Content-Type", nd, "Accept", mp).want(t, 200, mp, packed(t, items{4.0, 3.0}))
}

// A row that fails is an error value in its place.
func TestBinaryBatchErrors(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", all()...)
	k.installLaned()
	for _, c := range []struct {
		function  string
		row       any
		class, is string
	}{
		{"wadd", items{1.5}, frame.ClassUsage, "found 1 arguments, expected 2"},
		{"wadd", "no list", frame.ClassUsage, "arguments are a list"},
		{"wfib", items{int64(-1)}, frame.ClassFatal, "trap: unreachable"},
		{"ffail", items{"said"}, frame.ClassIO, "said"},
		{"fail", items{}, frame.ClassUsage, "no luck"},
		{"fpanic", items{int64(1)}, frame.ClassFatal, "internal error"},
	} {
		for _, n := range []int{3, 300} {
			rows := items{}
			for range n {
				rows = append(rows, c.row)
			}
			r := k.do("POST", "/functions/"+c.function+"/batch", packed(t, rows), "Content-Type", mp)
			v, err := frame.Decode([]byte(r.body))
			results, _ := v.([]any)
			if r.status != 200 || err != nil || len(results) != n {
				t.Fatalf("%s: found %d %q, %v", c.function, r.status, r.body, err)
			}
			for _, v := range results {
				e, ok := v.(*frame.Error)
				if !ok || e.Class != c.class || !strings.Contains(e.Msg, c.is) {
					t.Fatalf("%s: found %#v, expected %s %q", c.function, v, c.class, c.is)
				}
			}
		}
	}
}

// A long binary answer leaves in parts, and a connection goes on after it.
func TestBinaryPipelined(t *testing.T) {
	k := newKit(t, api.Options{})
	k.installLaned()
	rows := items{}
	for range 10_000 {
		rows = append(rows, items{1.5, 2.5})
	}
	body := packed(t, rows)
	call := packed(t, items{1.5, 2.5})
	w := k.dial()
	w.send("POST /functions/wadd/call HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"+
		"POST /functions/wadd/batch HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"+
		"POST /functions/wadd/call HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		mp, len(call), call, mp, len(body), body, mp, len(call), call)
	for i, want := range []int{len(packed(t, map[string]any{"result": 4.0})), 3 + 9*10_000, len(packed(t, map[string]any{"result": 4.0}))} {
		resp, err := http.ReadResponse(w.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r := read(t, resp); r.status != 200 || len(r.body) != want {
			t.Errorf("answer %d: found %d with %d bytes, expected %d", i, r.status, len(r.body), want)
		}
	}
}
