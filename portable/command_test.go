package portable_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable"
)

// commands counts the commands about symbols of a kind that a plugin got.
func commands(p *plugin, kind string) (n int) {
	for _, c := range notes(p.dir, "commands") {
		if strings.Contains(c, `"pluginType":"`+kind+`"`) {
			n++
		}
	}
	return n
}

// TestCommands: the inner object is the contract's, to the name of each field.
func TestCommands(t *testing.T) {
	p := startWith(t, "go", "echo")
	s, err := p.Source("rows", &host.Call{Rule: "rule1", Op: "demo", Instance: 0}, host.Props{"interval": 100, "datasource": "topic"})
	must(t, err)
	must(t, s.Open(t.Context()))
	must(t, s.Close(t.Context()))
	want := []string{
		`start {"symbolName":"echo","meta":{"ruleId":"","opId":"","instanceId":0},"pluginType":"func"}`,
		`start {"symbolName":"rows","meta":{"ruleId":"rule1","opId":"demo","instanceId":0},"pluginType":"source","dataSource":"topic","datasource":"topic","config":{"datasource":"topic","interval":100}}`,
	}
	want = append(want, "stop"+strings.TrimPrefix(want[1], "start"))
	got := notes(p.dir, "commands")
	for i, w := range want {
		if i >= len(got) || !sameCommand(got[i], w) {
			t.Errorf("command %d:\n%v\nwant\n%s", i, got, w)
		}
	}
}

func sameCommand(a, b string) bool {
	av, ao, _ := strings.Cut(a, " ")
	bv, bo, _ := strings.Cut(b, " ")
	var x, y any
	return av == bv && json.Unmarshal([]byte(ao), &x) == nil && json.Unmarshal([]byte(bo), &y) == nil && string(asJSON(x)) == string(asJSON(y))
}

// TestNoDuplicateStarts: Python's SDK starts a function as often as it is told.
func TestNoDuplicateStarts(t *testing.T) {
	p := startWith(t, "python", "echo", "started")
	for range 3 {
		p.want(t, 1.0, "echo", 1.0)
		_ = p.function(t, "echo").Validate([]any{nil})
	}
	p.want(t, 1.0, "started", "echo")
	p.want(t, 1.0, "started", "started")
}

// TestEKuiperOnly: the lane is not offered to those who are not to have it.
func TestEKuiperOnly(t *testing.T) {
	o := testOptions(t)
	o.EKuiperOnly = true
	rt := newRuntime(t, o)
	load(t, rt, newRole("go")).want(t, 1.0, "echo", 1.0)
	if _, err := rt.Load(t.Context(), bundle(t, newRole("socket"))); err == nil || !strings.Contains(err.Error(), "no lane is offered") {
		t.Error(err)
	}
}

func TestLanguages(t *testing.T) {
	rt := portable.New(portable.Options{})
	for language, want := range map[string]bool{"go": true, "python": true, "executable": true, "wasm": false, "": false, "native": false} {
		if got := rt.Accepts(host.Bundle{Plugin: host.Plugin{Manifest: host.Manifest{Language: language, Executable: "plugin"}}}); got != want {
			t.Errorf("%q: %t", language, got)
		}
	}
	must(t, rt.Close(t.Context()))
	o := testOptions(t)
	o.Python = program // which says nothing about itself
	if _, err := newRuntime(t, o).Load(t.Context(), bundle(t, newRole("python"), func(m *host.Manifest) {
		m.Language, m.VirtualEnvType, m.Env = "python", "venv", "nowhere"
	})); err == nil || !strings.Contains(err.Error(), "nowhere/bin/python") {
		t.Error("a venv that is not there: ", err)
	}
}
