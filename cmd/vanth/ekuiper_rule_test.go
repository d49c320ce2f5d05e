package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ruleFiles makes the folder that DIR is in the cases below.
func ruleFiles(t *testing.T) string {
	return writeFiles(t, map[string]string{
		"r.json":     `{"sql":"SELECT 1"}`,
		"s.sql":      "demo () WITH (TYPE=\"x\")\n",
		"whole.sql":  "create\n stream demo ()",
		"other.json": `{"id":"other"}`,
	})
}

const done = "Rule r1 was created successfully, please use 'vanth getstatus rule r1' command to get rule status."

func TestEKuiperRuleCommands(t *testing.T) {
	dir := ruleFiles(t)
	const valid = "The rule has been successfully validated and is confirmed to be correct.\n"
	const stream = `{"Name":"demo","StreamFields":[{"Name":"a","FieldType":"bigint"},{"Name":"b","FieldType":{"Type":2}}],` +
		`"Options":{"type":"simulator","datasource":"t\u001b","confKey":"k","extra":"{\"a\":1}","schemaId":"s.t","shared":"false","strictValidation":true,"key":""}}`
	for _, c := range []struct {
		name, args string
		status     int
		answer     string
		want       wireRequest
		out        string
	}{
		{
			"create", `create|rule|r1|{"sql":"SELECT 1","Options":{"n":12345678901234567890}}`, 201, "Rule r1 was created successfully.",
			jsonBody("POST /rules", `{"Options":{"n":12345678901234567890},"id":"r1","sql":"SELECT 1"}`), done + "\n",
		},
		{"create with an id", `create|rule|r1|{"z":1, "Id":"r1"}`, 201, "", jsonBody("POST /rules", `{"z":1, "Id":"r1"}`), done + "\n"},
		{"create with an empty id", `create|rule|r1|{"ID":""}`, 201, "", jsonBody("POST /rules", `{"id":"r1"}`), done + "\n"},
		{"create from nothing", `create|rule|r1|null`, 201, "", jsonBody("POST /rules", `{"id":"r1"}`), done + "\n"},
		{
			"create from a file", `create|rule|r1|-f|DIR/r.json`, 201, "", jsonBody("POST /rules", `{"id":"r1","sql":"SELECT 1"}`),
			"Creating a new rule from file DIR/r.json.\n" + done + "\n",
		},
		{"create from a file as JSON", `create|rule|-f|DIR/r.json|r1|-o|json`, 201, "", jsonBody("POST /rules", `{"id":"r1","sql":"SELECT 1"}`), `"` + done + "\"\n"},
		{"validate", `validate|rule|r1|{"sql":"SELECT 1"}`, 200, `{"sources":[],"valid":true}`, jsonBody("POST /rules/validate", `{"id":"r1","sql":"SELECT 1"}`), valid},
		{
			"validate a file", `validate|rule|r1|--file=DIR/r.json`, 200, "", jsonBody("POST /rules/validate", `{"id":"r1","sql":"SELECT 1"}`),
			"Creating a new rule from file DIR/r.json.\n" + valid,
		},
		{"describe", `describe|rule|r1`, 200, `{"id":"r1","a":"<"}`, wireRequest{Line: "GET /rules/r1"}, "{\n  \"id\": \"r1\",\n  \"a\": \"<\"\n}\n"},
		{"drop", `drop|rule|r1`, 200, "x", wireRequest{Line: "DELETE /rules/r1"}, "Rule r1 is dropped.\n"},
		{"start", `start|rule|r1`, 200, "x", wireRequest{Line: "POST /rules/r1/start"}, "Rule r1 was started\n"},
		{"stop", `stop|rule|r1`, 200, "x", wireRequest{Line: "POST /rules/r1/stop"}, "Rule r1 was stopped.\n"},
		{"restart", `restart|rule|r1`, 200, "x", wireRequest{Line: "POST /rules/r1/restart"}, "Rule r1 was restarted.\n"},
		{"restart as JSON", `restart|rule|r1|-o|json`, 200, "x", wireRequest{Line: "POST /rules/r1/restart"}, "\"Rule r1 was restarted.\"\n"},
		{"show", `show|rules`, 200, `[{"id":"r1","status":"running"}]`, wireRequest{Line: "GET /rules"}, "[\n  {\n    \"id\": \"r1\",\n    \"status\": \"running\"\n  }\n]\n"},
		{"show none", `show|rules`, 200, `[]`, wireRequest{Line: "GET /rules"}, "No rule definitions are found.\n"},
		{"show none as JSON", `show|rules|-o|json`, 200, `[]`, wireRequest{Line: "GET /rules"}, "[]\n"},
		{"getstatus", `getstatus|rule|r1`, 200, "{\n  \"status\": \"running\"\n}", wireRequest{Line: "GET /rules/r1/status"}, "{\n  \"status\": \"running\"\n}\n"},
		{"gettopo", `gettopo|rule|r1`, 200, `{"sources":["s"]}`, wireRequest{Line: "GET /rules/r1/topo"}, "{\n  \"sources\": [\n    \"s\"\n  ]\n}\n"},

		{
			"create a stream", `create|stream|demo|(a bigint)|WITH|(TYPE="x")`, 201, "Stream demo is created.",
			jsonBody("POST /streams", `{"sql":"CREATE STREAM demo (a bigint) WITH (TYPE=\"x\")"}`), "Stream demo is created.\n",
		},
		{
			"create a stream from a file", `create|stream|-f|DIR/s.sql`, 201, "Stream demo is created.",
			jsonBody("POST /streams", `{"sql":"CREATE STREAM demo () WITH (TYPE=\"x\")"}`), "Creating a new stream from file DIR/s.sql.\nStream demo is created.\n",
		},
		{
			"the name is that in the file", `create|stream|x|-f|DIR/whole.sql|-o|json`, 201, "Stream demo is created.",
			jsonBody("POST /streams", `{"sql":"create\n stream demo ()"}`), "\"Stream demo is created.\"\n",
		},
		{"show streams", `show|streams`, 200, `["b","a"]`, wireRequest{Line: "GET /streams"}, "a\nb\n"},
		{"show no streams", `show|streams`, 200, `[]`, wireRequest{Line: "GET /streams"}, "No stream definitions are found.\n"},
		{
			"describe a stream", `describe|stream|demo`, 200, stream,
			wireRequest{Line: "GET /streams/demo"},
			"Fields\n" + strings.Repeat("-", 80) + "\na\tbigint\nb\t{\"Type\":2}\n\n" +
				"CONF_KEY: k\nDATASOURCE: t?\nSCHEMAID: s.t\nSTRICT_VALIDATION: true\nTYPE: simulator\nEXTRA: {\"a\":1}\n",
		},
		{
			"describe a stream as JSON", `describe|stream|demo|-o|json`, 200, `{"Name":"demo","Options":{}}`,
			wireRequest{Line: "GET /streams/demo"},
			"{\n  \"Name\": \"demo\",\n  \"Options\": {}\n}\n",
		},
		{"drop a stream", `drop|stream|demo`, 200, "Stream demo is dropped.", wireRequest{Line: "DELETE /streams/demo"}, "Stream demo is dropped.\n"},
		{"drop by force", `drop|stream|demo|--force`, 200, "Stream demo is dropped.", wireRequest{Line: "DELETE /streams/demo?force=true"}, "Stream demo is dropped.\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWireServer(t, c.status, c.answer)
			args := strings.Split(strings.ReplaceAll(c.args, "DIR", dir), "|")
			code, out, errs := vanth(t, []string{"VANTH_SERVER=" + w.URL}, args...)
			if code != exitOK || errs != "" {
				t.Fatalf("exit code %d: %s", code, errs)
			}
			if diff := cmp.Diff(c.want, w.last); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(strings.ReplaceAll(c.out, "DIR", dir), out); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEKuiperRuleRefusals holds what a server's refusal becomes.
func TestEKuiperRuleRefusals(t *testing.T) {
	const strangeAnswer = `the server's answer is not understood: `
	const isVanth = `: is it a Vanth server of this version?`
	for _, c := range []struct {
		name, args string
		status     int
		answer     string
		code       int
		line       string
	}{
		{"duplicate", `create|rule|r1|{}`, 400, `{"error":1000,"message":"rule r1 already exists"}`, exitFailed, "Create rule r1 error : rule r1 already exists."},
		{"one full stop", `create|rule|r1|{}`, 400, `{"error":1000,"message":"invalid rule json: Missing rule actions."}`, exitFailed, "Create rule r1 error : invalid rule json: Missing rule actions."},
		{"a reason with a percent", `create|rule|r1|{}`, 400, `{"error":1000,"message":"%s %d"}`, exitFailed, "Create rule r1 error : %s %d."},
		{"no stream", `create|rule|r1|{}`, 400, `{"error":2201,"message":"fail to get stream demo, please check if stream is created"}`, exitFailed, "Create rule r1 error : fail to get stream demo, please check if stream is created."},
		{"no function", `create|rule|r1|{}`, 400, `{"error":2201,"message":"function f not found"}`, exitFailed, "Create rule r1 error : function f not found."},
		{"invalid", `validate|rule|r1|{}`, 422, `invalid rule json: Missing rule actions.`, exitFailed, "invalid rule json: Missing rule actions."},
		{"no token", `show|rules`, 401, "missing_token\n", exitFailed, "Show rule error : missing_token: set --token or VANTH_TOKEN."},
		{"strange rules", `show|rules`, 200, `{}`, exitFailed, `Show rule error : ` + strangeAnswer + `"{}"` + isVanth + "."},
		{"describe unknown", `describe|rule|r1`, 404, `{"error":1002,"message":"Describe rule error: Rule r1 is not found."}`, exitNotFound, "Desc rule error : Rule r1 is not found."},
		{"drop unknown", `drop|rule|r1`, 400, `{"error":1000,"message":"Delete rule error: rule r1 not found"}`, exitNotFound, "Drop rule error : rule r1 not found."},
		{"drop otherwise", `drop|rule|r1`, 400, `{"error":1000,"message":"Delete rule error: disk on fire"}`, exitFailed, "Drop rule error : disk on fire."},
		{"start unknown", `start|rule|r1`, 404, `{"error":1002,"message":"start rule error: Rule r1 is not found in registry, please check if it is created"}`, exitNotFound, "Rule r1 is not found in registry, please check if it is created"},
		{"stop otherwise", `stop|rule|r1`, 400, `{"error":1000,"message":"stop rule error: x"}`, exitFailed, "x"},
		{"restart unknown", `restart|rule|r1`, 404, `{"error":1002,"message":"restart rule error: x"}`, exitNotFound, "x"},
		{"status unknown", `getstatus|rule|r1`, 404, `{"error":1002,"message":"get rule status error: Rule r1 is not found"}`, exitNotFound, "Rule r1 is not found"},
		{"topo unknown", `gettopo|rule|r1`, 404, `{"error":1002,"message":"get rule topo error: Rule r1 is not found"}`, exitNotFound, "Rule r1 is not found"},
		{"strange topo", `gettopo|rule|r1`, 200, `[]`, exitFailed, strangeAnswer + `"[]"` + isVanth},

		{"stream exists", `create|stream|demo|()`, 400, `{"error":3000,"message":"Stream command error: Create stream fails: demo already exists"}`, exitFailed, "Stream command error: Create stream fails: demo already exists"},
		{"stream unknown", `describe|stream|demo`, 400, `{"error":3000,"message":"describe stream error: Describe stream fails, demo is not found."}`, exitNotFound, "Stream command error: Describe stream fails, demo is not found."},
		{"strange stream", `describe|stream|demo`, 200, `{}`, exitFailed, "Stream command error: " + strangeAnswer + `"{}"` + isVanth},
		{"strange streams", `show|streams`, 200, `{}`, exitFailed, "Stream command error: " + strangeAnswer + `"{}"` + isVanth},
		{"drop unknown stream", `drop|stream|demo`, 404, `{"error":1002,"message":"delete stream error: demo is not found"}`, exitNotFound, "Stream command error: Drop stream fails: demo is not found."},
		{"drop unknown stream, said twice", `drop|stream|demo`, 404, `{"error":1002,"message":"delete stream error: Drop stream fails: demo is not found."}`, exitNotFound, "Stream command error: Drop stream fails: demo is not found."},
		{"drop a stream in use", `drop|stream|demo`, 400, `{"error":1000,"message":"stream demo has been referenced by other rules"}`, exitFailed, "Stream command error: Drop stream fails: stream demo has been referenced by other rules."},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWireServer(t, c.status, c.answer)
			code, out, errs := vanth(t, []string{"VANTH_SERVER=" + w.URL}, strings.Split(c.args, "|")...)
			if diff := cmp.Diff("vanth: "+c.line+"\n", errs); diff != "" || code != c.code || out != "" {
				t.Errorf("exit code %d, want %d; output %q; errors (-want +got):\n%s", code, c.code, out, diff)
			}
		})
	}
}

// TestEKuiperRuleUsage holds what is refused before a server is asked.
func TestEKuiperRuleUsage(t *testing.T) {
	dir := ruleFiles(t)
	const bad = `id 'a/b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed`
	for _, c := range []struct {
		name, args string
		code       int
		says       string
	}{
		{"no JSON", `create|rule|r1|x`, exitUsage, "vanth: Create rule r1 error : invalid rule json: Parse rule x error : invalid character 'x' looking for beginning of value.\n"},
		{"no object", `validate|rule|r1|[]`, exitUsage, "vanth: invalid rule json: Parse rule [] error : "},
		{"another id", `create|rule|r1|{"id":"r2"}`, exitUsage, "vanth: Create rule r1 error : invalid rule json: RuleId is not consistent with rule id.\n"},
		{"an id in a file", `create|rule|r1|-f|DIR/other.json`, exitUsage, "RuleId is not consistent with rule id"},
		{"an id that is no text", `create|rule|r1|{"id":1}`, exitUsage, "RuleId is not consistent with rule id"},
		{"bad name", `create|rule|a/b|{}`, exitUsage, "vanth: Create rule a/b error : " + bad + ".\n"},
		{"no origin", `create|rule|r1`, exitUsage, "needs exactly one of JSON and -f FILE"},
		{"two origins", `create|rule|r1|{}|-f|DIR/r.json`, exitUsage, "needs exactly one of JSON and -f FILE"},
		{"no name", `create|rule`, exitUsage, "takes NAME and JSON, found 0 arguments"},
		{"no such file", `create|rule|r1|-f|DIR/none`, exitFailed, "vanth: Create rule r1 error : --file: open DIR/none: no such file or directory.\n"},
		{"validate bad name", `validate|rule|a/b|{}`, exitUsage, "vanth: " + bad + "\n"},
		{"describe bad name", `describe|rule|a/b`, exitUsage, "vanth: Desc rule error : " + bad + ".\n"},
		{"drop without name", `drop|rule`, exitUsage, "needs a name"},
		{"start two", `start|rule|a|b`, exitUsage, "takes one name, found 2"},
		{"stop bad name", `stop|rule|a/b`, exitUsage, "vanth: " + bad + "\n"},
		{"show rules of a name", `show|rules|x`, exitUsage, "unknown command"},
		{"getstatus of something else", `getstatus|import`, exitUsage, `vanth getstatus has no command "import"`},
		{"group alone", `gettopo`, exitUsage, "vanth gettopo needs a command"},

		{"no stream", `create|stream`, exitUsage, "needs exactly one of NAME with STATEMENT and -f FILE"},
		{"stream and file", `create|stream|demo|()|-f|DIR/s.sql`, exitUsage, "needs exactly one of NAME with STATEMENT and -f FILE"},
		{"two files", `create|stream|-f|DIR/s.sql|-f|DIR/s.sql`, exitUsage, "needs exactly one of NAME with STATEMENT and -f FILE"},
		{"no such stream file", `create|stream|-f|DIR/none`, exitFailed, "vanth: Stream command error: --file: open DIR/none: "},
		{"describe bad stream", `describe|stream|a/b`, exitUsage, "vanth: Stream command error: " + bad + "\n"},
		{"drop bad stream", `drop|stream|a/b`, exitUsage, "vanth: Stream command error: Drop stream fails: " + bad + ".\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWireServer(t, 500, "")
			args := strings.Split(strings.ReplaceAll(c.args, "DIR", dir), "|")
			code, _, errs := vanth(t, []string{"VANTH_SERVER=" + w.URL}, args...)
			if code != c.code || !strings.Contains(errs, strings.ReplaceAll(c.says, "DIR", dir)) {
				t.Errorf("got %d %q, want %d with %q", code, errs, c.code, c.says)
			}
			if w.last.Line != "" {
				t.Errorf("the server was asked all the same: %s", w.last.Line)
			}
		})
	}
}

func TestEKuiperRuleUnreachable(t *testing.T) {
	gone := newWireServer(t, 200, "")
	gone.Close()
	for _, args := range []string{`show|rules`, `start|rule|a`, `create|rule|a|{}`, `create|stream|a|()`, `show|streams`, `drop|stream|a`} {
		code, out, errs := vanth(t, nil, append([]string{"--server", gone.URL}, strings.Split(args, "|")...)...)
		if code != exitUnreachable || !strings.HasPrefix(errs, "vanth: cannot reach "+gone.URL) || out != "" {
			t.Errorf("%s: got %d %q %q", args, code, out, errs)
		}
	}
}

func TestEKuiperRuleCompletion(t *testing.T) {
	rules := newWireServer(t, 200, `[{"id":"r1","name":"a title"},{"id":"a b"},{"id":"r2","name":"r2"}]`)
	streams := newWireServer(t, 200, `["demo","users"]`)
	for _, args := range []string{"describe rule ", "drop rule ", "start rule ", "stop rule ", "restart rule ", "getstatus rule ", "gettopo rule "} {
		complete(t, rules, args, "GET /rules", "r1\nr2\n:4\n")
		complete(t, rules, args+"r1 ", "", ":4\n")
	}
	for _, args := range []string{"describe stream ", "drop stream "} {
		complete(t, streams, args, "GET /streams", "demo\nusers\n:4\n")
	}
	for _, args := range []string{"create rule ", "validate rule ", "create stream ", "show rules ", "show streams "} {
		complete(t, rules, args, "", ":4\n")
	}
}

// complete asks for proposals and compares what was asked of the server for them.
func complete(t *testing.T, w *wireServer, args, line, want string) {
	t.Helper()
	w.last = wireRequest{}
	code, out, errs := vanth(t, nil, append([]string{"__complete", "--server", w.URL}, strings.Split(args, " ")...)...)
	if code != exitOK || out != want || w.last.Line != line {
		t.Errorf("%q: got %d %q, asked %q, %s", args, code, out, w.last.Line, errs)
	}
}

// TestEKuiperRulesAgainstServer walks a stream's and a rule's life through a
// running server.
func TestEKuiperRulesAgainstServer(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts the binary")
	}
	dir := writeFiles(t, map[string]string{"demo.sql": `demo () WITH (TYPE="simulator", FORMAT="json")`})
	p := startServe(t, t.TempDir())
	for _, c := range []struct {
		args string
		code int
		out  string // how it begins
		errs string
	}{
		{`show|streams`, exitOK, "No stream definitions are found.\n", ""},
		{`create|stream|-f|DIR/demo.sql`, exitOK, "Creating a new stream from file DIR/demo.sql.\nStream demo is created.\n", ""},
		{`show|streams`, exitOK, "demo\n", ""},
		{`describe|stream|demo`, exitOK, "Fields\n" + strings.Repeat("-", 80) + "\n\nFORMAT: json\nTYPE: simulator\n", ""},
		{`describe|stream|none`, exitNotFound, "", "vanth: Stream command error: Describe stream fails, none is not found.\n"},
		{`show|rules`, exitOK, "No rule definitions are found.\n", ""},
		{`validate|rule|r1|{"sql":"SELECT * FROM demo","actions":[{"log":{}}]}`, exitOK, "The rule has been successfully validated", ""},
		{`create|rule|r1|{"sql":"SELECT * FROM demo","actions":[{"log":{}}],"triggered":false}`, exitOK, done + "\n", ""},
		{`create|rule|r1|{"sql":"SELECT * FROM demo","actions":[{"log":{}}]}`, exitFailed, "", "vanth: Create rule r1 error : rule r1 already exists.\n"},
		{`describe|rule|r1`, exitOK, "{\n  \"actions\": [\n", ""},
		{`getstatus|rule|r1`, exitOK, "{\n  \"status\": \"stopped\",\n", ""},
		{`gettopo|rule|r1`, exitOK, "{\n  \"sources\": [\n    \"source_demo\"\n  ],\n", ""},
		{`start|rule|r1`, exitOK, "Rule r1 was started\n", ""},
		{`show|rules`, exitOK, "[\n  {\n    \"id\": \"r1\",\n", ""},
		{`drop|stream|demo`, exitFailed, "", "vanth: Stream command error: Drop stream fails: stream demo has been referenced by other rules.\n"},
		{`restart|rule|r1`, exitOK, "Rule r1 was restarted.\n", ""},
		{`stop|rule|r1`, exitOK, "Rule r1 was stopped.\n", ""},
		{`drop|rule|r1`, exitOK, "Rule r1 is dropped.\n", ""},
		{`drop|rule|r1`, exitNotFound, "", "vanth: Drop rule error : rule r1 not found.\n"},
		{`start|rule|r1`, exitNotFound, "", "vanth: Rule r1 is not found in registry, please check if it is created\n"},
		{`drop|stream|demo`, exitOK, "Stream demo is dropped.\n", ""},
	} {
		args := strings.Split(strings.ReplaceAll(c.args, "DIR", dir), "|")
		code, out, errs := vanth(t, []string{"VANTH_SERVER=" + p.address}, args...)
		if code != c.code || errs != c.errs || !strings.HasPrefix(out, strings.ReplaceAll(c.out, "DIR", dir)) {
			t.Errorf("%s: got %d %q %q, want %d %q %q", c.args, code, out, errs, c.code, c.out, c.errs)
		}
	}
}
