package rule_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule"
)

const numbersOf = `CREATE STREAM s () WITH (TYPE="numbers", EXTRA="%s")`

// numbersStream creates the stream s of so many rows.
func (k *kit) numbersStream(extra string) {
	k.t.Helper()
	k.stream(fmt.Sprintf(numbersOf, strings.ReplaceAll(extra, `"`, `\"`)))
}

func TestSQL(t *testing.T) {
	k := newKit(t)
	k.functions()
	k.numbersStream(`{"count":5}`)
	k.create(`{"id":"r","sql":"SELECT n, echo(n + 1) AS m, meta(topic) AS t FROM s WHERE n > 1",
		"actions":[{"shelf":{"to":"list"}},{"shelf":{"to":"single","sendSingle":true,"fields":["m"]}}]}`)
	s := k.awaitState("r", rule.Stopped)
	want := []string{`[{"m":3,"n":2,"t":"t"}]`, `[{"m":4,"n":3,"t":"t"}]`, `[{"m":5,"n":4,"t":"t"}]`}
	if got := k.shelf.await(t, "list", 3); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := k.shelf.await(t, "single", 3); !slices.Equal(got, []string{`{"m":3}`, `{"m":4}`, `{"m":5}`}) {
		t.Errorf("%q", got)
	}
	if !strings.HasPrefix(s.Message, "done") {
		t.Errorf("message %q", s.Message)
	}
	if n := node(s, "source_s"); n.Records != 5 || n.Emitted != 5 || n.Faults != 0 || n.Connection == nil {
		t.Errorf("source: %+v", n)
	}
	if n := node(s, "op_2_project"); n.Records != 5 || n.Emitted != 3 {
		t.Errorf("project: %+v", n)
	}
	if n := node(s, "sink_shelf_1"); n.Records != 3 || n.Emitted != 3 {
		t.Errorf("sink: %+v", n)
	}
}

// TestFaults: a poisoned row is counted and named, and the next one flows.
func TestFaults(t *testing.T) {
	k := newKit(t)
	k.functions()
	k.numbersStream(`{"count":4,"bad":1,"bytes":true}`)
	k.create(`{"id":"r","sql":"SELECT CASE WHEN n = 2 THEN fail(n) ELSE n END AS x FROM s","actions":[{"shelf":{"to":"a","sendSingle":true}}]}`)
	s := k.awaitState("r", rule.Stopped)
	got := k.shelf.await(t, "a", 4)
	if len(got) != 4 || got[0] != `{"x":0}` || got[3] != `{"x":3}` || !strings.Contains(got[1], "bad message") || !strings.Contains(got[2], "unreachable") {
		t.Errorf("%q", got)
	}
	if n := node(s, "source_s"); n.Faults != 1 || n.Fault != "a bad message" {
		t.Errorf("source: %+v", n)
	}
	if n := node(s, "op_2_project"); n.Faults != 1 || !strings.Contains(n.Fault, "wasm/fn") || !strings.Contains(n.Fault, "fail") {
		t.Errorf("project: %+v", n)
	}
	// Without sendError only good rows come.
	k.create(`{"id":"q","sql":"SELECT CASE WHEN n = 2 THEN fail(n) ELSE n END AS x FROM s","actions":[{"shelf":{"to":"b"}}],"options":{"sendError":false}}`)
	k.awaitState("q", rule.Stopped)
	if got := k.shelf.await(t, "b", 2); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

func TestGraph(t *testing.T) {
	k := newKit(t)
	k.functions()
	k.create(`{"id":"g","graph":{"nodes":{
		"src":{"type":"source","nodeType":"numbers","props":{"extra":"{\"count\":6}"}},
		"flt":{"type":"operator","nodeType":"filter","props":{"expr":"n > 0"}},
		"fn":{"type":"operator","nodeType":"function","props":{"expr":"echo(n) as e"}},
		"pck":{"type":"operator","nodeType":"pick","props":{"fields":["e"]}},
		"sw":{"type":"operator","nodeType":"Switch","props":{"cases":["e > 4","e > 2"],"stopAtFirstMatch":true}},
		"all":{"type":"sink","nodeType":"shelf","props":{"to":"all","sendSingle":true}},
		"top":{"type":"sink","nodeType":"shelf","props":{"to":"top","sendSingle":true}},
		"mid":{"type":"sink","nodeType":"shelf","props":{"to":"mid","sendSingle":true}}},
	  "topo":{"sources":["src"],"edges":{"src":["flt"],"flt":["fn"],"fn":["pck","all"],"pck":["sw"],"sw":[["top"],["mid"]]}}}}`)
	s := k.awaitState("g", rule.Stopped)
	if got := k.shelf.await(t, "all", 5); len(got) != 5 || got[0] != `{"e":1,"n":1,"v":""}` {
		t.Errorf("all: %q", got)
	}
	if got := k.shelf.await(t, "top", 1); !slices.Equal(got, []string{`{"e":5}`}) {
		t.Errorf("top: %q", got)
	}
	if got := k.shelf.await(t, "mid", 2); !slices.Equal(got, []string{`{"e":3}`, `{"e":4}`}) {
		t.Errorf("mid: %q", got)
	}
	if n := node(s, "op_flt"); n.Records != 6 || n.Emitted != 5 {
		t.Errorf("filter: %+v", n)
	}
	b, err := k.rules.TopoJSON("g")
	if err != nil || !strings.Contains(string(b), `"source_src":["op_flt"]`) || !strings.Contains(string(b), `"op_sw":["sink_top","sink_mid"]`) {
		t.Errorf("%s %v", b, err)
	}
}

// TestRefused: what cannot be is said before anything is stored.
func TestRefused(t *testing.T) {
	k := newKit(t)
	k.functions()
	k.numbersStream(`{"count":1}`)
	k.create(`{"id":"taken","sql":"SELECT * FROM s","actions":[{"shelf":{}}],"triggered":false}`)
	nodes := func(more string) string {
		return `{"id":"x","graph":{"nodes":{"src":{"type":"source","nodeType":"numbers","props":{}},"out":{"type":"sink","nodeType":"shelf","props":{}}` + more
	}
	for _, c := range []struct {
		text string
		is   error
		want string
	}{
		{`{`, host.ErrInvalid, "invalid rule json: "},
		{`{"sql":"x"}`, host.ErrInvalid, "Missing rule id."},
		{`{"id":"a b","sql":"x"}`, host.ErrInvalid, "id 'a b' contains invalid characters"},
		{`{"id":"x","sql":"x","graph":{}}`, host.ErrInvalid, "Rule x has both sql and graph."},
		{`{"id":"x"}`, host.ErrInvalid, "Rule x has neither sql nor graph."},
		{`{"id":"x","sql":"SELECT * FROM s"}`, host.ErrInvalid, "Missing rule actions."},
		{`{"id":"taken","sql":"SELECT * FROM s","actions":[{"shelf":{}}]}`, host.ErrExists, "rule taken already exists"},
		{`{"id":"x","sql":"SELECT * FROM none","actions":[{"shelf":{}}]}`, host.ErrNotFound, "fail to get stream none"},
		{`{"id":"x","sql":"SELECT nope(n) FROM s","actions":[{"shelf":{}}]}`, host.ErrNotFound, "nope"},
		{`{"id":"x","sql":"SELECT * FROM s","actions":[{"nope":{}}]}`, host.ErrNotFound, "sink nope is not defined"},
		{`{"id":"x","sql":"SELECT * FROM s","actions":[{"shelf":{"dataTemplate":"{{.}}"}}]}`, host.ErrUnsupported, "dataTemplate"},
		{`{"id":"x","sql":"SELECT count(*) FROM s GROUP BY TUMBLINGWINDOW(ss, 10)","actions":[{"shelf":{}}]}`, host.ErrInvalid, ""},
		{`{"id":"x","sql":"SELECT * FROM s","actions":[{"shelf":{}}],"options":{"qos":2}}`, host.ErrInvalid, "options.qos: found 2, expected 0 to 1"},
		{`{"id":"x","sql":"SELECT * FROM s","actions":[{"shelf":{}}],"options":{"isEventTime":true}}`, host.ErrUnsupported, "isEventTime"},
		{nodes(`},"topo":{"sources":["nope"],"edges":{}}}}`), host.ErrInvalid, "source node nope not defined"},
		{nodes(`},"topo":{"sources":["src"],"edges":{}}}}`), host.ErrInvalid, "no edge defined for source node src"},
		{nodes(`},"topo":{"sources":["src"],"edges":{"src":["out"],"out":["src"]}}}}`), host.ErrInvalid, "sink out has edge"},
		{nodes(`},"topo":{"sources":["src"],"edges":{"src":["nope"]}}}}`), host.ErrInvalid, "node nope is not defined"},
		{nodes(`,"w":{"type":"operator","nodeType":"window"}},"topo":{"sources":["src"],"edges":{"src":["w"],"w":["out"]}}}}`), host.ErrUnsupported, "operator w of type window"},
		{nodes(`,"w":{"type":"operator","nodeType":"frob"}},"topo":{"sources":["src"],"edges":{"src":["w"],"w":["out"]}}}}`), host.ErrInvalid, "unknown operator type frob"},
		{nodes(`,"w":{"type":"what"}},"topo":{"sources":["src"],"edges":{"src":["w"],"w":["out"]}}}}`), host.ErrInvalid, "unknown node type what"},
		{nodes(`,"f":{"type":"operator","nodeType":"filter","props":{"expr":"n >"}}},"topo":{"sources":["src"],"edges":{"src":["f"],"f":["out"]}}}}`), host.ErrInvalid, "parse filter f"},
		{nodes(`,"f":{"type":"operator","nodeType":"filter","props":{"expr":"n > 1"}}},"topo":{"sources":["src"],"edges":{"src":["out"],"f":["out"]}}}}`), host.ErrInvalid, "has no input"},
		{nodes(`,"f":{"type":"operator","nodeType":"filter","props":{"expr":"n > 1"}},"h":{"type":"operator","nodeType":"filter","props":{"expr":"n > 1"}}},"topo":{"sources":["src"],"edges":{"src":["f"],"f":["h"],"h":["f"]}}}}`), host.ErrInvalid, "leads back to itself"},
	} {
		_, err := k.rules.Create([]byte(c.text))
		if !errors.Is(err, c.is) && c.want != "" || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n%v, expected %v %q", c.text, err, c.is, c.want)
		}
	}
	if l := k.rules.List(); len(l) != 1 || l[0].ID != "taken" || l[0].State != rule.Stopped {
		t.Errorf("%+v", l)
	}
}

// TestPluginComesAndGoes: a rule follows the plugin of its source and its sink
// through updates, waits while it is missing, and can be stopped meanwhile.
func TestPluginComesAndGoes(t *testing.T) {
	k := newKit(t)
	k.stream(`CREATE STREAM t () WITH (TYPE="ticks", EXTRA="{\"pause\":1}")`)
	if _, err := k.rules.Create([]byte(`{"id":"r","sql":"SELECT v FROM t","actions":[{"tray":{"to":"a","sendSingle":true}}]}`)); !errors.Is(err, host.ErrNotFound) {
		t.Fatalf("without the plugin: %v", err)
	}
	k.program("1")
	k.create(`{"id":"r","sql":"SELECT v FROM t","actions":[{"tray":{"to":"a","sendSingle":true}}]}`)
	k.shelf.await(t, "a", 3)
	k.program("2")
	for n := k.shelf.len("a"); ; n++ {
		if rows := k.shelf.await(t, "a", n+1); rows[n] == `{"v":"2"}` {
			break
		}
	}
	id := host.ID{Class: host.ClassPortables, Name: "prog"}
	if err := k.host.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		s, _ := k.rules.Status("r")
		if s.State == rule.Running && strings.Contains(s.Message, "waiting for") {
			if n := node(s, "source_t"); n.Connection.Status == 0 && strings.Contains(n.Connection.Message, "not found") {
				break
			}
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", s)
		}
	}
	k.program("3")
	for n := k.shelf.len("a"); ; n++ {
		if rows := k.shelf.await(t, "a", n+1); rows[n] == `{"v":"3"}` {
			break
		}
	}
	if err := k.host.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := k.rules.Stop("r"); err != nil || time.Since(began) > time.Second {
		t.Errorf("stop: %v after %v", err, time.Since(began))
	}
	// One that was stored starts when its plugin is there.
	if err := k.rules.Start("r"); err != nil {
		t.Fatal(err)
	}
	k.stop()
	k.start()
	if s := k.awaitState("r", rule.Running); !strings.Contains(s.Message, "waiting") {
		s = k.awaitState("r", rule.Running)
		t.Logf("%+v", s)
	}
	k.program("4")
	for n := k.shelf.len("a"); ; n++ {
		if rows := k.shelf.await(t, "a", n+1); rows[n] == `{"v":"4"}` {
			break
		}
	}
}

// TestBackPressure: a slow sink slows its source, and what is between them is
// bounded.
func TestBackPressure(t *testing.T) {
	k := newKit(t)
	k.numbersStream(`{"count":1000000}`)
	k.create(`{"id":"r","sql":"SELECT * FROM s","actions":[{"shelf":{"to":"a","pause":5}}],"options":{"bufferLength":10}}`)
	k.shelf.await(t, "a", 20)
	if read, written := k.read.Load(), k.shelf.len("a"); read > written+13 {
		t.Errorf("%d rows were read and %d written, with a queue of 10", read, written)
	}
	s, _ := k.rules.Status("r")
	if n := node(s, "sink_shelf_0"); n.Queue < 8 {
		t.Errorf("the queue holds %d", n.Queue)
	}
	if b, _ := k.rules.StatusJSON("r"); !strings.Contains(string(b), `"slowest_node":"sink_shelf_0"`) {
		t.Errorf("%s", b)
	}
	// Each row counts as an invocation, though few are timed.
	mark := time.Now()
	k.shelf.await(t, "a", k.shelf.len("a")+20)
	s, _ = k.rules.Status("r")
	for _, key := range []string{"source_s", "op_2_project", "sink_shelf_0"} {
		if n := node(s, key); n.Invoked.Before(mark.Add(-50 * time.Millisecond)) {
			t.Errorf("%s was last invoked %v before rows came", key, mark.Sub(n.Invoked))
		}
	}
}

// TestConcurrency: rows that are worked on side by side arrive in their order.
func TestConcurrency(t *testing.T) {
	k := newKit(t)
	k.functions()
	k.numbersStream(`{"count":2000}`)
	k.create(`{"id":"r","sql":"SELECT echo(n) AS n FROM s","actions":[{"shelf":{"to":"a","sendSingle":true}}],"options":{"concurrency":4}}`)
	k.awaitState("r", rule.Stopped)
	for i, row := range k.shelf.await(t, "a", 2000) {
		if row != fmt.Sprintf(`{"n":%d}`, i) {
			t.Fatalf("row %d is %s", i, row)
		}
	}
}

// TestQoS: with qos 1 the next run goes on where the last one was.
func TestQoS(t *testing.T) {
	k := newKit(t)
	k.numbersStream(`{"count":100,"pause":1}`)
	const text = `{"id":"r","sql":"SELECT n FROM s","actions":[{"shelf":{"to":"a","sendSingle":true}}],"options":{"qos":1,"checkpointInterval":5}}`
	k.create(text)
	k.shelf.await(t, "a", 20)
	k.stop()
	k.start()
	k.awaitState("r", rule.Stopped)
	rows := k.shelf.await(t, "a", 100)
	for i, row := range rows {
		if row != fmt.Sprintf(`{"n":%d}`, i) {
			t.Fatalf("row %d is %s: stopped in good order, none comes twice", i, row)
		}
	}
	// Its offset goes with it.
	if err := k.rules.Delete("r"); err != nil {
		t.Fatal(err)
	}
	for d := range k.store.Documents("offset") {
		t.Errorf("left: %v", d)
	}
}

func TestRestartStrategy(t *testing.T) {
	k := newKit(t)
	k.numbersStream(`{"openError":"no line"}`)
	k.create(`{"id":"r","sql":"SELECT * FROM s","actions":[{"shelf":{}}]}`)
	if s := k.awaitState("r", rule.StoppedByError); s.Message != "source s: no line" {
		t.Errorf("message %q", s.Message)
	}
	k.create(`{"id":"q","sql":"SELECT * FROM s","actions":[{"shelf":{}}],"options":{"restartStrategy":{"attempts":3,"delay":1}}}`)
	k.awaitState("q", rule.StoppedByError)
}

func TestLife(t *testing.T) {
	k := newKit(t)
	k.numbersStream(`{"count":3,"wait":true}`)
	k.create(`{"id":"r","name":"a rule","sql":"SELECT * FROM s","actions":[{"shelf":{"to":"a"}}],"triggered":false,"version":"1"}`)
	if s, _ := k.rules.Status("r"); s.State != rule.Stopped || k.shelf.len("a") != 0 {
		t.Errorf("%+v", s)
	}
	if err := k.rules.Start("r"); err != nil {
		t.Fatal(err)
	}
	k.shelf.await(t, "a", 3)
	if err := k.rules.DropStream("s", false); !errors.Is(err, host.ErrInUse) {
		t.Errorf("drop of a stream in use: %v", err)
	}
	if text, err := k.rules.Text("r"); err != nil || !strings.Contains(string(text), `"triggered":true`) {
		t.Errorf("%s %v", text, err)
	}
	if err := k.rules.Restart("r"); err != nil {
		t.Fatal(err)
	}
	k.shelf.await(t, "a", 6)
	if err := k.rules.Update("r", []byte(`{"id":"r","sql":"SELECT nope(1) FROM s","actions":[{"shelf":{}}],"version":"2"}`)); err == nil {
		t.Error("a bad update was taken")
	}
	k.awaitState("r", rule.Running)
	if err := k.rules.Update("r", []byte(`{"id":"r","sql":"SELECT n + 100 AS n FROM s","actions":[{"shelf":{"to":"b","sendSingle":true}}],"version":"2"}`)); err != nil {
		t.Fatal(err)
	}
	if rows := k.shelf.await(t, "b", 3); rows[0] != `{"n":100}` {
		t.Errorf("%q", rows)
	}
	if err := k.rules.Update("r", []byte(`{"id":"r","sql":"SELECT n FROM s","actions":[{"shelf":{}}],"version":"1"}`)); err == nil || err.Error() != "rule r already exists with version (2), new version (1) is lower" {
		t.Errorf("a lower version: %v", err)
	}
	if err := k.rules.Stop("r"); err != nil {
		t.Fatal(err)
	}
	if s, _ := k.rules.Status("r"); s.State != rule.Stopped || s.Message != "canceled manually" {
		t.Errorf("%+v", s)
	}
	k.stop()
	k.start()
	if s, _ := k.rules.Status("r"); s.State != rule.Stopped {
		t.Errorf("a stopped rule after a restart: %+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := k.rules.Wait(ctx, "r"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(k.rules.Delete("r"), k.rules.DropStream("s", false)); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"start": k.rules.Start("r"), "stop": k.rules.Stop("r"), "delete": k.rules.Delete("r"), "drop": k.rules.DropStream("s", true),
	} {
		if !errors.Is(err, host.ErrNotFound) {
			t.Errorf("%s of what is not there: %v", what, err)
		}
	}
}
