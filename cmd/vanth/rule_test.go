package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// flowSource is a portable plugin with a source of numbered rows, a function that
// doubles, and a sink that prints.
const flowSource = `package main

import (
	"fmt"
	"os"
	"time"

	"github.com/vanth-io/vanth/sdk/go/api"
	"github.com/vanth-io/vanth/sdk/go/runtime"
)

type numbers struct{ pause time.Duration }

func (s *numbers) Configure(_ string, p map[string]interface{}) error {
	ms, _ := p["pause"].(float64)
	s.pause = time.Duration(ms) * time.Millisecond
	return nil
}

func (s *numbers) Open(ctx api.StreamContext, out chan<- api.SourceTuple, _ chan<- error) {
	for n := 0; ; n++ {
		select {
		case out <- api.NewDefaultSourceTuple(map[string]interface{}{"n": n}, nil):
		case <-ctx.Done():
			return
		}
		time.Sleep(s.pause)
	}
}

func (s *numbers) Close(api.StreamContext) error { return nil }

type double struct{}

func (double) Validate(args []interface{}) error { if len(args) != 1 { return fmt.Errorf("expected one argument") }; return nil }
func (double) IsAggregate() bool { return false }
func (double) Exec(args []interface{}, _ api.FunctionContext) (interface{}, bool) {
	n, ok := args[0].(float64)
	if !ok { return fmt.Errorf("not a number: %v", args[0]), false }
	return 2 * n, true
}

type printer struct{}

func (printer) Configure(map[string]interface{}) error { return nil }
func (printer) Open(api.StreamContext) error { return nil }
func (printer) Close(api.StreamContext) error { return nil }
func (printer) Collect(_ api.StreamContext, data interface{}) error { fmt.Printf("row %s\n", data); return nil }

func main() {
	runtime.Start(os.Args, &runtime.PluginConfig{
		Name: "flow",
		Sources: map[string]runtime.NewSourceFunc{"numbers": func() api.Source { return new(numbers) }},
		Functions: map[string]runtime.NewFunctionFunc{"double": func() api.Function { return double{} }},
		Sinks: map[string]runtime.NewSinkFunc{"printer": func() api.Sink { return printer{} }},
	})
}
`

var flowProgram = sync.OnceValues(func() ([]byte, error) { return buildProgram("flow", flowSource) })

// buildProgram builds a portable plugin against the SDK of this tree.
func buildProgram(name, source string) ([]byte, error) {
	dir := filepath.Join(built, "program-"+name)
	sdk, err := filepath.Abs("../../sdk/go")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	module := "module program\n\ngo 1.26.0\n\nrequire github.com/vanth-io/vanth/sdk/go v0.0.0\n\nreplace github.com/vanth-io/vanth/sdk/go => " + sdk + "\n"
	for file, content := range map[string]string{"main.go": source, "go.mod": module} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("go", "-C", dir, "build", "-trimpath", "-ldflags=-s -w", "-o", "program", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	return os.ReadFile(filepath.Join(dir, "program"))
}

// flowZip makes the archive of the plugin flow.
func flowZip(t *testing.T, version string) []byte {
	t.Helper()
	code, err := flowProgram()
	if err != nil {
		t.Fatal(err)
	}
	return zipOf(t, "flow", string(code), "sources/numbers.yaml", "default:\n  pause: 2\next:\n  pause: 1\n",
		"flow.json", fmt.Sprintf(`{"name":"flow","version":%q,"language":"go","executable":"flow","sources":["numbers"],"functions":["double"],"sinks":["printer"]}`, version))
}

// TestRuleOfPortables is what eKuiper's own black-box test of portable plugins
// does, over HTTP, on either wire.
func TestRuleOfPortables(t *testing.T) {
	for _, lane := range []string{"auto", "ekuiper"} {
		t.Run(lane, func(t *testing.T) {
			p := startPortable(t, t.TempDir(), lane)
			c := newPeer(p.address)
			defer c.close()
			step := func(method, path, body string, status int, prefix string) string {
				t.Helper()
				got, text, err := c.do(method, path, []byte(body))
				if err != nil || got != status || !strings.HasPrefix(text, prefix) {
					t.Fatalf("%s %s: %d %s %v, expected %d %s", method, path, got, text, err, status, prefix)
				}
				return text
			}
			rows := func(more int64) {
				t.Helper()
				from := int64(-1)
				for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
					var s struct {
						In  int64  `json:"source_demo_0_records_in_total"`
						Op  int64  `json:"op_2_project_0_records_out_total"`
						Out int64  `json:"sink_printer_0_0_records_out_total"`
						Bad int64  `json:"op_2_project_0_exceptions_total"`
						Is  string `json:"status"`
					}
					if err := json.Unmarshal([]byte(step("GET", "/rules/rule1/status", "", 200, "{\n  \"status\": \"")), &s); err != nil {
						t.Fatal(err)
					}
					if from < 0 {
						from = s.Out
					}
					if s.Out >= from+more && s.Op > 0 && s.In > 0 && s.Is == "running" && s.Bad == 0 {
						return
					}
					if time.Now().After(end) {
						t.Fatalf("no more rows: %+v\n%s", s, p.log)
					}
				}
			}
			const rule = `{"id":"rule1","sql":"SELECT double(n) AS d, n FROM demo","actions":[{"printer":{"sendSingle":true}}]}`
			step("POST", "/streams", `{"sql":"CREATE STREAM demo () WITH (TYPE=\"numbers\", FORMAT=\"json\", DATASOURCE=\"t\", CONF_KEY=\"ext\")"}`, 201, "Stream demo is created.")
			step("POST", "/rules", rule, 400, `{"error":`)
			step("POST", "/plugins/portables?name=flow", string(flowZip(t, "v1")), 201, "portable plugin flow is created")
			step("POST", "/rules", rule, 201, "Rule rule1 was created successfully.")
			rows(20)
			step("GET", "/plugins/portables/flow/status", "", 200, `{"refCount":{"rule1":2},"status":"running","errMsg":""`)
			step("PUT", "/plugins/portables/flow", string(flowZip(t, "v2")), 200, "portable plugin flow is updated")
			rows(20)
			step("GET", "/plugins/portables/flow/status", "", 200, `{"refCount":{"rule1":2},"status":"running","errMsg":""`)
			step("POST", "/rules/rule1/restart", "", 200, "Rule rule1 was restarted")
			rows(20)
			logs := step("GET", "/plugins/portables/flow/logs?tail=1", "", 200, "row {")
			var row struct{ D, N float64 }
			if err := json.Unmarshal([]byte(strings.TrimPrefix(logs, "row ")), &row); err != nil || row.D != 2*row.N {
				t.Errorf("printed %s %v", logs, err)
			}
			step("POST", "/rules/rule1/stop", "", 200, "Rule rule1 was stopped.")
			step("GET", "/plugins/portables/flow/status", "", 200, `{"refCount":{},"status":"running","errMsg":""`)
			step("POST", "/rules/rule1/start", "", 200, "Rule rule1 was started")
			rows(5)
			step("DELETE", "/plugins/portables/flow", "", 200, "portable plugin flow is deleted")
			began := time.Now()
			step("DELETE", "/rules/rule1", "", 200, "Rule rule1 is dropped.")
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("deleting a rule whose plugin is gone took %v", took)
			}
			step("DELETE", "/streams/demo", "", 200, "Stream demo is dropped.")
		})
	}
}

// TestKillRule kills the host while a rule with qos 1 copies a file, many times:
// no row is lost, and the order within a run holds.
func TestKillRule(t *testing.T) {
	home := t.TempDir()
	const rows = 100_000
	data := filepath.Join(home, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	var in bytes.Buffer
	for n := range rows {
		fmt.Fprintf(&in, "{\"n\":%d}\n", n)
	}
	if err := os.WriteFile(filepath.Join(data, "in.ndjson"), in.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	p := startServe(t, home)
	c := newPeer(p.address)
	for path, body := range map[string]string{
		"/streams": `{"sql":"CREATE STREAM lines () WITH (TYPE=\"file\", DATASOURCE=\"in.ndjson\", EXTRA=\"{\\\"fileType\\\":\\\"lines\\\"}\")"}`,
	} {
		if status, text, err := c.do("POST", path, []byte(body)); err != nil || status != 201 {
			t.Fatal(status, text, err)
		}
	}
	const rule = `{"id":"copy","sql":"SELECT n FROM lines","actions":[{"file":{"path":"out.ndjson","fileType":"lines","sendSingle":true}}],"options":{"qos":1,"checkpointInterval":5,"bufferLength":64}}`
	if status, text, err := c.do("POST", "/rules", []byte(rule)); err != nil || status != 201 {
		t.Fatal(status, text, err)
	}
	c.close()
	kills := 0
	done := false
	for most := number("VANTH_KILLS", 20); kills < most && !done; kills++ {
		time.Sleep(time.Duration(10+kills%7*5) * time.Millisecond)
		_ = p.cmd.Process.Kill()
		<-p.ended
		p = startServe(t, home)
	}
	c = newPeer(p.address)
	defer c.close()
	for end := time.Now().Add(60 * time.Second); !done; time.Sleep(20 * time.Millisecond) {
		_, text, err := c.do("GET", "/v2/rules/copy/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		done = strings.HasPrefix(text, `{"status":"stopped","message":"done`)
		if time.Now().After(end) {
			t.Fatalf("the rule does not end: %s\n%s", text, p.log)
		}
	}
	out, err := os.ReadFile(filepath.Join(data, "out.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]int, rows)
	twice, torn := 0, 0
	for line := range bytes.Lines(out) {
		var row struct{ N *int }
		if json.Unmarshal(line, &row) != nil || row.N == nil || *row.N < 0 || *row.N >= rows {
			torn++ // a kill in the middle of a write
			continue
		}
		if seen[*row.N]++; seen[*row.N] > 1 {
			twice++
		}
	}
	lost := 0
	for _, n := range seen {
		if n == 0 {
			lost++
		}
	}
	t.Logf("%d kills: %d of %d rows lost, %d came again, %d lines torn", kills, lost, rows, twice, torn)
	if lost > 0 || torn > kills {
		t.Errorf("%d rows are lost, %d lines are torn", lost, torn)
	}
}
