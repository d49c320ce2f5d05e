package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
)

// all lists every function of the test runtime.
func all() (list []string) {
	for name := range funcs() {
		list = append(list, name)
	}
	return list
}

func ours(code int, message string) string {
	return fmt.Sprintf("{\"error\":%d,\"message\":\"%s\"}\n", code, message)
}

func TestCallValues(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", all()...)
	for _, c := range []struct{ function, args, result string }{
		{"add", `[2,3]`, `5`},
		{"echo", ` [ null ] `, `null`},
		{"echo", `[true]`, `true`},
		{"echo", `[9223372036854775807]`, `9223372036854775807`},
		{"echo", `[-9223372036854775808]`, `-9223372036854775808`},
		{"echo", `[18446744073709551615]`, `18446744073709551615`},
		{"echo", `[9007199254740993]`, `9007199254740993`},
		{"echo", `[-0]`, `0`},
		{"echo", `[3.0]`, `3.0`},
		{"echo", `[1e2]`, `100.0`},
		{"echo", `[1e300]`, `1e+300`},
		{"echo", `[0.1]`, `0.1`},
		{"echo", `[-0.0]`, `-0.0`},
		{"echo", `[123456789.123456789]`, `123456789.12345679`},
		{"echo", `[4.9e-324]`, `5e-324`},
		{"echo", `["a\u00e9\ud83d\ude00\n\"\\\/"]`, `"aé😀\n\"\\/"`},
		{"echo", `["\u0000\u001f<&>"]`, `"\u0000\u001f<&>"`},
		{"echo", `[[1,[2.5,{"b":1,"a":[]}]]]`, `[1,[2.5,{"a":[],"b":1}]]`},
		{"echo", `[{"a":1,"a":2}]`, `{"a":2}`},
		{"list", `[]`, `[]`},
		{"size", `["AAEC"]`, `3`},
		{"size", `["AA=="]`, `1`},
		{"size", `["AA"]`, `1`},
		{"bytes", `[]`, `"AP8="`},
		{"now", `[]`, `"1970-01-01T00:00:01.000000005Z"`},
		{"value", `[]`, `[{"error":"cell"}]`},
	} {
		r := k.do("POST", "/functions/"+c.function+"/call", `{"args":`+c.args+`}`)
		r.want(t, 200, js, `{"result":`+c.result+`}`)
	}
}

func TestCallErrors(t *testing.T) {
	k := newKit(t, api.Options{CallTimeout: 50 * time.Millisecond, MaxBody: 1 << 10})
	k.install("kit", all()...)
	const instance = "; the instance was discarded and other calls are not affected; the plugin needs mending"
	const signature = "; GET /functions/{name} shows the signature"
	for _, c := range []struct {
		function, body string
		status, code   int
		message        string
	}{
		{"ecko", `{"args":[1]}`, 404, 6002, "function ecko: not found; nearest: echo; GET /functions lists what there is"},
		{"echo", ``, 400, 6001, `body: at byte 0: found the end, expected {\"args\":[...]}`},
		{"echo", `[1]`, 400, 6001, `body: at byte 0: found \"[1]\", expected {\"args\":[...]}`},
		{"echo", `{}`, 400, 6001, `body: found no args, expected {\"args\":[...]}`},
		{"echo", `{"args":1}`, 400, 6001, `body: at byte 8: found \"1}\", expected a list of arguments`},
		{"echo", `{"args":[1],"x":2}`, 400, 6001, `body: at byte 12: found \"\\\"x\\\":2}\", expected {\"args\":[...]} and nothing else`},
		{"echo", `{"args":[1],"args":[2]}`, 400, 6001, `body: at byte 12: found \"\\\"args\\\":[2]}\", expected {\"args\":[...]} and nothing else`},
		{"echo", `{"args":[1]}x`, 400, 6001, `body: at byte 12: found \"x\", expected the end`},
		{"echo", `{"args":[1,]}`, 400, 6001, `body: at byte 11: found \"]}\", expected a JSON value`},
		{"echo", `{"args":[01]}`, 400, 6001, `body: at byte 9: found \"01]}\", expected a number as JSON writes it`},
		{"echo", `{"args":[1.]}`, 400, 6001, `body: at byte 11: found \"]}\", expected a digit after the point`},
		{"echo", `{"args":[18446744073709551616]}`, 400, 6001, "body: at byte 9: found the integer 18446744073709551616..., expected at most 64 bits; write it with an exponent or as a string"},
		{"echo", `{"args":[1e999]}`, 400, 6001, "body: at byte 9: found the number 1e999, expected one in the range of a 64-bit float"},
		{"echo", "{\"args\":[\"\xff\"]}", 400, 6001, "body: at byte 10: found a string that is not valid UTF-8; bytes travel as base64"},
		{"echo", `{"args":["\ud800"]}`, 400, 6001, `body: at byte 10: found \"\\\\ud800\\\"]}\", expected a surrogate pair, as a lone one is no character`},
		{"add", `{"args":[1]}`, 422, 6003, "found 1 arguments, expected 2: (i64, i64) -> i64" + signature},
		{"add", `{"args":[1,"x"]}`, 422, 6003, `argument 2 of (i64, i64) -> i64: found string \"x\", expected i64` + signature},
		{"size", `{"args":["*"]}`, 422, 6003, `argument 1 of (bytes) -> i64: found string \"*\", expected bytes in base64: illegal base64 data at input byte 0` + signature},
		{"size", `{"args":[1]}`, 422, 6003, "argument 1 of (bytes) -> i64: found number 1, expected bytes" + signature},
		{"fail", `{"args":[]}`, 500, 6004, `wasm/kit 1.0.0: f: no luck (printed: \"said \\\"so\\\"\") (class usage)`},
		{"io", `{"args":[]}`, 500, 6004, `wasm/kit 1.0.0: f: line is down (class io); it may pass when retried`},
		{"trap", `{"args":[]}`, 502, 6005, "wasm/kit 1.0.0: f: trap: unreachable" + instance},
		{"exit", `{"args":[]}`, 502, 6005, "wasm/kit 1.0.0: f: exit: exit 3" + instance},
		{"memory", `{"args":[]}`, 502, 6005, "wasm/kit 1.0.0: f: bad memory reference: pointer 1 beyond 0" + instance},
		{"result", `{"args":[]}`, 502, 6005, "wasm/kit 1.0.0: f: bad result: frame ends early" + instance},
		{"stack", `{"args":[]}`, 502, 6005, "wasm/kit 1.0.0: f: stack: 70000 bytes deep" + instance},
		{"fuel", `{"args":[]}`, 504, 6019, "wasm/kit 1.0.0: f: fuel: used 1000001, expected at most 1000000; the same call would fail again: send less work, or raise limits.fuel of the plugin and the operator's ceiling"},
		{"late", `{"args":[]}`, 504, 6006, "wasm/kit 1.0.0: f: deadline: 50ms are up; send less work, or raise limits.callMs of the plugin and the operator's ceiling"},
		{"slow", `{"args":[60000]}`, 504, 6006, "function slow: found no result within 50ms, the server's ceiling on calls: context deadline exceeded; send less work, or raise limits.callMs of the plugin and the operator's ceiling"},
		{"busy", `{"args":[]}`, 429, 6007, "function busy: all 4 instances are taken; retry after 1 s, or raise limits.concurrency of the plugin"},
		{"broken", `{"args":[]}`, 503, 6008, "function broken: plugin wasm/kit does not run: too many traps; GET /functions shows what is wrong; install a version that works"},
		{"closed", `{"args":[]}`, 503, 6009, "function closed: the host is closed; the host is stopping; retry when it is back"},
		{"plain", `{"args":[]}`, 500, 6000, "disk on fire"},
		{"panics", `{"args":[]}`, 500, 6000, "internal error: it was logged"},
		{"nan", `{"args":[0.0]}`, 500, 6015, "result: found NaN, which has no form in JSON; the function would have to return a value that JSON can carry"},
		{"odd", `{"args":[]}`, 500, 6015, "result: found a value of Go type struct {}, which has no form in JSON; the function would have to return a value that JSON can carry"},
		{"echo", `{"args":["` + strings.Repeat("x", 1<<10) + `"]}`, 413, 6010, "body: found at least 1037 bytes, expected at most 1024; the setting is under limits"},
	} {
		r := k.do("POST", "/functions/"+c.function+"/call", c.body)
		t.Run(c.function, func(t *testing.T) {
			r.want(t, c.status, js, ours(c.code, c.message))
		})
		if retry := r.header.Get("Retry-After"); (c.status == 429) != (retry == "1") {
			t.Errorf("%s: Retry-After %q", c.function, retry)
		}
	}
}

func TestDescribe(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "add", "echo")
	k.do("POST", "/functions/add/call", `{"args":[1,2]}`)
	k.do("POST", "/functions/add/call", `{"args":[1]}`)
	one := k.do("GET", "/functions/add", nil)
	head, tail, _ := strings.Cut(one.body, `"latencyUs":`)
	if head != `{"name":"add","plugin":"kit","class":"wasm","version":"1.0.0","runtime":"wasm","kind":"function",`+
		`"signature":{"text":"(i64, i64) -> i64","description":"a sum","args":["i64","i64"],"returns":"i64","pure":false,"aggregate":false,"null":"strict"},`+
		`"status":"running","calls":2,"errors":1,` || !strings.HasPrefix(tail, `{"p50":`) {
		t.Errorf("found %s", one.body)
	}
	list := k.do("GET", "/functions", nil)
	if !strings.HasPrefix(list.body, "["+one.body+`,{"name":"echo"`) {
		t.Errorf("found %s", list.body)
	}
	k.do("GET", "/functions/ad", nil).want(t, 404, js, ours(6002, "function ad: not found; nearest: add; GET /functions lists what there is"))

	m := k.do("GET", "/metrics", nil)
	for _, line := range []string{
		`vanth_function_calls_total{function="add",plugin="kit",class="wasm"} 2`,
		`vanth_function_errors_total{function="add",plugin="kit",class="wasm"} 1`,
		`vanth_function_latency_seconds{function="echo",plugin="kit",class="wasm",quantile="0.99"} 0`,
		`vanth_plugins{class="wasm",status="running"} 1`,
		`vanth_plugins{class="wasm",status="error"} 0`,
		`# TYPE vanth_uptime_seconds gauge`,
	} {
		if !strings.Contains(m.body, line+"\n") {
			t.Errorf("metrics: no line %s", line)
		}
	}
}

// A handle that was resolved follows the plugin through removal and return.
func TestCallFollowsPlugin(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "echo")
	call := func() int { return k.do("POST", "/functions/echo/call", `{"args":[1]}`).status }
	if s := call(); s != 200 {
		t.Fatalf("found %d", s)
	}
	k.do("DELETE", "/plugins/wasm/kit", nil)
	if s := call(); s != 404 {
		t.Errorf("removed: found %d", s)
	}
	k.install("other", "echo")
	if s := call(); s != 200 {
		t.Errorf("returned: found %d", s)
	}
	// Behind the API's back.
	for _, p := range k.host.List("wasm") {
		if err := k.host.Remove(t.Context(), p.ID); err != nil {
			t.Fatal(err)
		}
	}
	if s := call(); s != 404 {
		t.Errorf("removed past the API: found %d", s)
	}
}

// A name that was registered and is not exported says which names are, and where
// to set them: installing another version would not help.
func TestCallOfAbsentFunction(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("kit", "absent", "echo", "broken")
	const want = "wasm/kit: function absent: Kit.so does not export Absent: register the names of its functions; " +
		"registered are absent, echo, broken; POST /plugins/functions/{name}/register sets the names that the .so file exports"
	k.do("POST", "/functions/absent/call", `{"args":[]}`).want(t, 503, js, ours(6018, want))
	k.do("POST", "/functions/absent/batch", `[]`, "Content-Type", nd).want(t, 200, nd, ours(6018, want))
	if r := k.do("POST", "/functions/broken/call", `{"args":[]}`); !strings.Contains(r.body, "6008") || !strings.Contains(r.body, "install a version that works") {
		t.Errorf("found %s", r.body)
	}
}
