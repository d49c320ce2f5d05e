package api_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
)

func TestBatch(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", all()...)
	row := func(s string) string { return `{"result":` + s + `}` }
	fault := func(code int, s string) string { return fmt.Sprintf(`{"error":%d,"message":"%s"}`, code, s) }
	arity := fault(6003, "found 1 arguments, expected 2: (i64, i64) -> i64; GET /functions/{name} shows the signature")
	for _, c := range []struct {
		what, function, kind, body string
		rows                       []string
	}{
		{"array", "add", js, `[[1,2], [3,4] ]`, []string{row("3"), row("7")}},
		{"empty array", "add", js, ` [ ] `, nil},
		{"lines", "add", nd, "[1,2]\n\n  [3,4]\r\n", []string{row("3"), row("7")}},
		{"no last newline", "add", "application/jsonl", "[1,2]\n[3,4]", []string{row("3"), row("7")}},
		{"no lines", "add", nd, "", nil},
		{"bad row goes on", "add", nd, "[1]\n[1,2]\n{\n[5,6]", []string{
			arity, row("3"),
			fault(6001, `row: at byte 0: found \"{\", expected a list of arguments`), row("11"),
		}},
		{"bad element goes on", "add", js, `[[1],3,"],[",{"a":[1,2]},[1,2]]`, []string{
			arity,
			fault(6001, `row: at byte 0: found \"3\", expected a list of arguments`),
			fault(6001, `row: at byte 0: found \"\\\"],[\\\"\", expected a list of arguments`),
			fault(6001, `row: at byte 0: found \"{\\\"a\\\":[1,2]}\", expected a list of arguments`), row("3"),
		}},
		{"bad UTF-8 in an array", "echo", js, "[[\"\xff\"],[1]]", []string{
			fault(6001, "row: at byte 2: found a string that is not valid UTF-8; bytes travel as base64"), row("1"),
		}},
		{"panic goes on", "panics", js, `[[],[]]`, []string{fault(6000, "internal error: it was logged"), fault(6000, "internal error: it was logged")}},
		{"layout: array", "echo", "text/plain", `[[[1],2],[3]]`, []string{row("[1]"), row("3")}},
		{"layout: lines", "echo", "", "[1]\n[2]", []string{row("1"), row("2")}},
		{"layout: lines that begin with a list", "echo", "", "[[1],2]\n[[3]]", []string{row("[1]"), row("[3]")}},
		{"layout: one line", "echo", "", "[1]", []string{row("1")}},
		{"layout: no JSON", "echo", "", "x", []string{fault(6001, `row: at byte 0: found \"x\", expected a list of arguments`)}},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := "/functions/" + c.function + "/batch"
			lines := strings.Join(append(c.rows, ""), "\n")
			k.do("POST", path, c.body, "Content-Type", c.kind, "Accept", "*/*").want(t, 200, nd, lines)
			k.do("POST", path, c.body, "Content-Type", c.kind, "Accept", js).want(t, 200, js, "["+strings.Join(c.rows, ",")+"]")
		})
	}
	k.do("POST", "/functions/add/batch", "[1,2]\n[3,4]", "Content-Type", js).want(t, 400, js, ours(6001,
		"body: invalid character '[' after top-level value, expected a JSON array of argument lists; one list a line needs Content-Type: application/x-ndjson"))
	k.do("POST", "/functions/add/batch", `{"args":[]}`, "Content-Type", js).want(t, 400, js,
		ours(6001, `body: found \"{\\\"args\\\":[]}\", expected a JSON array of argument lists`))
	if r := k.do("POST", "/functions/ad/batch", `[]`); r.status != 404 {
		t.Errorf("found %d", r.status)
	}
}

func TestBatchOfMany(t *testing.T) {
	const n = 50_000
	k := newKit(t, api.Options{})
	k.install("kit", "echo")
	var in, out strings.Builder
	for i := range n {
		fmt.Fprintf(&in, "[%d]\n", i)
		fmt.Fprintf(&out, "{\"result\":%d}\n", i)
	}
	if r := k.do("POST", "/functions/echo/batch", in.String(), "Content-Type", nd); r.body != out.String() {
		t.Errorf("found %d bytes, expected %d", len(r.body), out.Len())
	}
}

// The answers leave while later rows still run.
func TestBatchStreams(t *testing.T) {
	k := newKit(t, api.Options{WriteTimeout: 400 * time.Millisecond})
	k.install("kit", "slow")
	start := time.Now()
	// Longer than the write timeout as a whole, and each part well within it.
	resp, err := k.client.Post("http://"+k.addr+"/functions/slow/batch", nd, strings.NewReader(strings.Repeat("[150]\n", 6)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	rows := 0
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); rows++ {
		if took := time.Since(start); rows == 0 && took > 600*time.Millisecond {
			t.Errorf("the first row took %v", took)
		}
	}
	if rows != 6 {
		t.Errorf("found %d rows, expected 6", rows)
	}
}

// A client that goes away ends its batch.
func TestBatchLeft(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "slow")
	w := k.dial()
	body := strings.Repeat("[110]\n", 1000)
	w.send("POST /functions/slow/batch HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", nd, len(body), body)
	if resp, err := http.ReadResponse(w.r, nil); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	w.Close()
	k.end() // would take two minutes
}
