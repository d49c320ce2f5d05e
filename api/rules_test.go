package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/api"
)

const (
	demoSQL = `{"sql":"CREATE STREAM demo () WITH (TYPE=\"simulator\")"}`
	r1      = `{"id":"r1","sql":"SELECT * FROM demo","actions":[{"log":{}}]}`
	badID   = `id 'a b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed`
	unknown = `Rule none is not found`
	// registry is what follows unknown where a rule was to be changed.
	registry = ` in registry, please check if it is created`
)

// Each row is one of eKuiper's contract, section 7.2, in an order in which one
// leads to the next. What the contract leaves open is as eKuiper's sources and
// documents have it.
func TestRuleContract(t *testing.T) {
	k := newKit(t, api.Options{Rules: newFakeRules()})
	indented := strings.NewReplacer(`{"`, "{\n  \"", `,"`, ",\n  \"", `":`, `": `, `}`, "\n}").Replace(fakeStatus)
	closing := ours(6009, "closing: the host is closing; the host is stopping; retry when it is back")
	for _, c := range []struct {
		what, method, path, body string
		status                   int
		kind, want               string
	}{
		{"no streams", "GET", "/streams", "", 200, js, `[]`},
		{"create a stream", "POST", "/streams", demoSQL, 201, text, `Stream demo is created.`},
		{"keys in any case, the first value alone", "POST", "/streams", `{"SQL":"CREATE STREAM used ()","x":1}{`, 201, text, `Stream used is created.`},
		{"duplicate", "POST", "/streams", demoSQL, 400, text, ekuiper(3000, `Stream command error: Create stream fails: demo already exists`)},
		{"no statement", "POST", "/streams", `{}`, 400, text, ekuiper(3000, `Stream command error: found \"\", expected CREATE STREAM`)},
		{"no JSON", "POST", "/streams", `{`, 400, text, ekuiper(1000, `Invalid body: Error decoding the statement descriptor: unexpected EOF`)},
		{"no body", "POST", "/streams", ``, 400, text, ekuiper(1000, `Invalid body: Error decoding the statement descriptor: EOF`)},
		{"create while closing", "POST", "/streams", `{"sql":"CREATE STREAM closing"}`, 503, text, closing},
		{"streams", "GET", "/streams", "", 200, js, `["demo","used"]`},
		{"describe a stream", "GET", "/streams/demo", "", 200, js, `{"Name":"demo","StreamFields":[],"Options":{"format":"json"}}`},
		{"describe unknown", "GET", "/streams/none", "", 400, text, ekuiper(3000, `describe stream error: Describe stream fails, none is not found.`)},
		{"bad name", "GET", "/streams/a%20b", "", 400, text, ekuiper(1000, badID)},
		{"bad name to replace", "PUT", "/streams/a%20b", demoSQL, 400, text, ekuiper(1000, badID)},
		{"bad name to drop", "DELETE", "/streams/a%20b", "", 400, text, ekuiper(1000, badID)},
		{"replace", "PUT", "/streams/demo", demoSQL, 200, text, `Stream demo is replaced.`},
		{"replace another", "PUT", "/streams/used", demoSQL, 400, text, ekuiper(3000, `Stream command error: Replace used fails: the sql statement must update the used source.`)},
		{"replace without JSON", "PUT", "/streams/demo", `[]`, 400, text, ekuiper(1000, `Invalid body: Error decoding the statement descriptor: json: cannot unmarshal array into Go value of type api.statementDescriptor`)},
		{"no text for a statement", "POST", "/streams", `{"sql":1}`, 400, text, ekuiper(1000, `Invalid body: Error decoding the statement descriptor: json: cannot unmarshal number into Go struct field statementDescriptor.sql of type string`)},
		{"drop what is used", "DELETE", "/streams/used", "", 400, text, ekuiper(1000, `stream used has been referenced by other rules`)},
		{"force is a truth", "DELETE", "/streams/used?force=perhaps", "", 400, text, ekuiper(1000, `stream used has been referenced by other rules`)},
		{"drop by force", "DELETE", "/streams/used?force=1", "", 200, text, `Stream used is dropped.`},
		{"drop unknown", "DELETE", "/streams/used", "", 404, text, ekuiper(1002, `delete stream error: stream used is not found`)},
		{"a stream on a bad disk", "POST", "/streams", `{"sql":"CREATE STREAM disk"}`, 201, text, `Stream disk is created.`},
		{"drop from a bad disk", "DELETE", "/streams/disk", "", 400, text, ekuiper(3000, `delete stream error: disk on fire`)},

		{"no rules", "GET", "/rules", "", 200, js, `[]`},
		{"create a rule", "POST", "/rules", r1, 201, text, `Rule r1 was created successfully.`},
		{"duplicate rule", "POST", "/rules", r1, 400, text, ekuiper(1000, `rule r1 already exists`)},
		{"no JSON of a rule", "POST", "/rules", `{`, 400, text, ekuiper(1000, `invalid rule json: unexpected end of JSON input`)},
		{"no id", "POST", "/rules", `{}`, 400, text, ekuiper(1000, `invalid rule json: Missing rule id.`)},
		{"SQL without its stream", "POST", "/rules", `{"id":"r","sql":"SELECT * FROM nowhere"}`, 400, text, ekuiper(2201, `fail to get stream nowhere, please check if stream is created`)},
		{"SQL without its plugin", "POST", "/rules", `{"id":"r","sql":"SELECT broken()"}`, 400, text, ekuiper(2201, `function broken: plugin wasm/kit does not run`)},
		{"graph without its stream", "POST", "/rules", `{"id":"r","graph":"nowhere"}`, 400, text, ekuiper(1000, `fail to get stream nowhere, please check if stream is created`)},
		{"create while closing", "POST", "/rules", `{"id":"closing"}`, 503, text, closing},
		{"rules", "GET", "/rules", "", 200, js, `[{"id":"r1","name":"r1","status":"running","tags":null,"trace":false,"version":""}]`},
		{"describe a rule", "GET", "/rules/r1", "", 200, js, r1},
		{"describe unknown rule", "GET", "/rules/none", "", 404, text, ekuiper(1002, `Describe rule error: `+unknown+`.`)},
		{"update", "PUT", "/rules/r1", r1, 200, text, `Rule r1 was updated successfully.`},
		{"upsert", "PUT", "/rules/r2", `{"id":"r2"}`, 200, text, `Rule r2 was updated successfully.`},
		{"bad update", "PUT", "/rules/r1", `{`, 400, text, ekuiper(1000, `Update rule error: invalid rule json: unexpected end of JSON input`)},
		{"update without its stream", "PUT", "/rules/r1", `{"id":"r1","sql":"SELECT * FROM nowhere"}`, 400, text, ekuiper(2201, `Update rule error: fail to get stream nowhere, please check if stream is created`)},
		{"update of a rule under change", "PUT", "/rules/stuck", `{"id":"stuck"}`, 400, text, ekuiper(1000, `Update rule error: rule stuck: another change of it is under way`)},
		{"the old one is there", "GET", "/rules/r1", "", 200, js, r1},
		{"start", "POST", "/rules/r1/start", "", 200, text, `Rule r1 was started`},
		{"stop", "POST", "/rules/r1/stop", "", 200, text, `Rule r1 was stopped.`},
		{"restart", "POST", "/rules/r1/restart", "", 200, text, `Rule r1 was restarted`},
		{"start unknown", "POST", "/rules/none/start", "", 404, text, ekuiper(1002, `start rule error: `+unknown+registry)},
		{"stop unknown", "POST", "/rules/none/stop", "", 404, text, ekuiper(1002, `stop rule error: `+unknown+registry)},
		{"restart unknown", "POST", "/rules/none/restart", "", 404, text, ekuiper(1002, `restart rule error: `+unknown+registry)},
		{"start under change", "POST", "/rules/stuck/start", "", 400, text, ekuiper(1000, `start rule error: rule stuck: another change of it is under way`)},
		{"start while closing", "POST", "/rules/closing/start", "", 503, text, closing},
		{"status", "GET", "/rules/r1/status", "", 200, js, indented},
		{"status on one line", "GET", "/v2/rules/r1/status", "", 200, text, fakeStatus},
		{"status unknown", "GET", "/rules/none/status", "", 404, text, ekuiper(1002, `get rule status error: `+unknown)},
		{"status unknown on one line", "GET", "/v2/rules/none/status", "", 404, text, ekuiper(1002, `get rule status error: `+unknown)},
		{"status while closing", "GET", "/rules/closing/status", "", 503, text, closing},
		{"statuses", "GET", "/rules/status/all", "", 200, js, `{"r1":{"status":"running","last_exception":"","exceptions_total":0}}`},
		{"topo", "GET", "/rules/r1/topo", "", 200, js, fakeTopo},
		{"topo unknown", "GET", "/rules/none/topo", "", 404, text, ekuiper(1002, `get rule topo error: `+unknown)},
		{"explain", "GET", "/rules/r1/explain", "", 200, text, "0 source_demo\n"},
		{"explain unknown", "GET", "/rules/none/explain", "", 404, text, ekuiper(1002, `explain rules error: `+unknown+`.`)},
		{"validate", "POST", "/rules/validate", r1, 200, text, `{"sources":["demo","\"q\""],"valid":true}`},
		{"validate without streams", "POST", "/rules/validate", `{"id":"r"}`, 200, text, `{"sources":[],"valid":true}`},
		{"invalid", "POST", "/rules/validate", `{}`, 422, text, `invalid rule json: Missing rule id.`},
		{"invalid without its stream", "POST", "/rules/validate", `{"id":"r","sql":"nowhere"}`, 422, text, `fail to get stream nowhere, please check if stream is created`},
		{"validate while closing", "POST", "/rules/validate", `{"id":"closing"}`, 503, text, closing},
		{"a rule may be called validate", "PUT", "/rules/validate", `{"id":"validate"}`, 200, text, `Rule validate was updated successfully.`},
		{"and is described", "GET", "/rules/validate", "", 200, js, `{"id":"validate"}`},
		{"and deleted", "DELETE", "/rules/validate", "", 200, text, `Rule validate is dropped.`},
		{"status is a name too", "GET", "/rules/status/status", "", 404, text, ekuiper(1002, `get rule status error: Rule status is not found`)},
		{"delete", "DELETE", "/rules/r1", "", 200, text, `Rule r1 is dropped.`},
		{"delete unknown", "DELETE", "/rules/r1", "", 400, text, ekuiper(1000, `Delete rule error: rule r1 not found`)},
	} {
		t.Run(c.what, func(t *testing.T) {
			k := *k
			k.t = t
			k.do(c.method, c.path, c.body).want(t, c.status, c.kind, c.want)
		})
	}
}

// A name that cannot be one is refused everywhere before anything is asked.
func TestRuleNames(t *testing.T) {
	k := newKit(t, api.Options{Rules: newFakeRules()})
	for _, key := range api.RouteKeys() {
		method, path, _ := strings.Cut(key, " ")
		if !strings.Contains(path, "rules/{name}") {
			continue
		}
		k.do(method, strings.Replace(path, "{name}", "a%20b", 1), r1).want(t, 400, text, ekuiper(1000, badID))
	}
}

// A body beyond the limit, and one that breaks off, are refused before anything
// is created.
func TestRuleBodies(t *testing.T) {
	f := newFakeRules()
	k := newKit(t, api.Options{Rules: f, MaxBody: 1 << 10})
	long := strings.Replace(r1, "log", strings.Repeat("x", 2<<10), 1)
	for _, c := range [][]string{{"POST", "/rules"}, {"PUT", "/rules/r1"}, {"POST", "/rules/validate"}, {"POST", "/streams"}, {"PUT", "/streams/demo"}} {
		if r := k.do(c[0], c[1], long); r.status != 413 || r.header.Get("Content-Type") != text || !strings.Contains(r.body, `{"error":6010,`) {
			t.Errorf("%q: found %d %s", c, r.status, r.body)
		}
		w := k.dial().send("%s %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", c[0], c[1])
		if r := w.reply(); r.status != 400 || !strings.Contains(r.body, `{"error":6013,`) {
			t.Errorf("%q broken off: found %d %s", c, r.status, r.body)
		}
	}
	if len(f.rules)+len(f.streams) > 0 {
		t.Errorf("found %v %v", f.rules, f.streams)
	}
}

// Without rules and uploads their paths are like any other that is not known.
func TestWithoutRules(t *testing.T) {
	k := newKit(t, api.Options{})
	for _, path := range []string{"/rules", "/rules/r1", "/rules/validate", "/rules/status/all", "/rules/r1/status", "/v2/rules/r1/status", "/streams", "/streams/demo", "/config/uploads", "/config/uploads/x"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			k.do(method, path, "").want(t, 404, text, "404 page not found\n")
		}
	}
}

// A page of another origin changes nothing, and has no function called; every
// change leaves a line.
func TestRuleAudit(t *testing.T) {
	var log lines
	k := newKit(t, api.Options{Rules: newFakeRules(), Audit: true, Log: log.log(), Uploads: t.TempDir()})
	var changes []string
	for _, key := range api.RouteKeys() {
		method, path, _ := strings.Cut(key, " ")
		if !strings.Contains(path, "rules") && !strings.Contains(path, "streams") && !strings.Contains(path, "uploads") {
			continue
		}
		path = strings.Replace(path, "{name}", "x", 1)
		r := k.do(method, path, "{}", "Origin", "https://evil.example")
		if refused := r.status == http.StatusForbidden; refused != (method != "GET") {
			t.Errorf("%s: found %d %s", key, r.status, r.body)
		}
		if method != "GET" && path != "/rules/validate" {
			changes = append(changes, "method="+method+" path="+path+" status=403")
		}
	}
	for _, want := range changes {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no line %s", want)
		}
	}
	if found := strings.Count(log.String(), "msg=audit"); found != len(changes) {
		t.Errorf("found %d lines, expected %d", found, len(changes))
	}
}
