package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/host"
)

// portableRuntime runs programs that say "ok"; they are as they are told to be.
type portableRuntime struct{}

func (portableRuntime) Name() string                { return "portable" }
func (portableRuntime) Accepts(b host.Bundle) bool  { return b.Plugin.Manifest.IsProgram() }
func (portableRuntime) Close(context.Context) error { return nil }

func (portableRuntime) Load(_ context.Context, b host.Bundle) (host.Module, error) {
	f, err := b.Open(b.Plugin.Manifest.Executable)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	code := make([]byte, 2)
	if _, err := f.Read(code); err != nil || string(code) != "ok" {
		return nil, host.Errorf(host.ErrInvalid, "plugin executable %s stops with error exit status 1", f.Name())
	}
	m := &testModule{&testRuntime{funcs: map[string]body{}}, b}
	for _, name := range b.Plugin.Manifest.Functions {
		m.rt.funcs[name] = func(_ context.Context, a []any) (any, error) { return a[0], nil }
	}
	return &supervised{testModule: m}, nil
}

type supervised struct {
	*testModule
	restarted int
}

func (s *supervised) Restart(context.Context) error { s.restarted++; return nil }
func (s *supervised) Output() host.Output           { return s }
func (s *supervised) Tail(n int) []string           { return []string{"one", "two", "three"}[3-min(n, 3):] }

func (s *supervised) Follow(ctx context.Context, n int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range s.Tail(n) {
			if !yield(line) {
				return
			}
		}
		for i := 0; ctx.Err() == nil; i++ {
			if !yield(fmt.Sprint("line ", i)) {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func (s *supervised) Status() host.Status {
	return host.Status{
		RefCount: map[string]int{"rule2": 1, "rule1": 2}, State: host.StateRunning, Restarts: s.restarted,
		LastExit: "signal: killed", LastExitAt: time.Unix(1, 0), Lane: "ekuiper", Sandbox: "process",
		Processes: []host.Process{{PID: 7, Started: time.Now(), RSS: 4096, CPU: time.Second}},
		Symbols: []host.SymbolStatus{
			{Symbol: host.Symbol{Kind: host.KindSink, Name: "print"}, Open: 1, Delivery: "at most once"},
			{Symbol: host.Symbol{Kind: host.KindFunction, Name: "revert"}, Err: host.Errorf(host.ErrUnavailable, "no luck")},
		},
	}
}

// program makes the package of a portable plugin.
func program(t testing.TB, name, code, manifest string) []byte {
	return pack(t, map[string]string{name + ".json": manifest, "run": code, "sources/src.yaml": "default: {}"})
}

const mirror = `{"name":"mirror","version":"v1.0.0","language":"go","executable":"run","sources":["src"],"functions":["revert"],"sinks":["print"]}`

// Each row is one of eKuiper's contract, sections 1.4 and 4.1, in an order in
// which one leads to the next.
func TestPortableContract(t *testing.T) {
	k := newKit(t, api.Options{})
	site := packages(t, map[string][]byte{
		"mirror.zip":  program(t, "mirror", "ok", mirror),
		"broken.zip":  program(t, "mirror", "no", mirror),
		"thief.zip":   program(t, "thief", "ok", `{"version":"1","language":"go","executable":"run","functions":["revert"]}`),
		"other.zip":   program(t, "other", "ok", mirror),
		"nolang.zip":  program(t, "other", "ok", `{"version":"1","executable":"run","functions":["f"]}`),
		"noexe.zip":   program(t, "other", "ok", `{"version":"1","language":"go","functions":["f"]}`),
		"escape.zip":  program(t, "other", "ok", `{"version":"1","language":"go","executable":"../run","functions":["f"]}`),
		"nosym.zip":   program(t, "other", "ok", `{"version":"1","language":"c","executable":"run"}`),
		"badlang.zip": program(t, "other", "ok", `{"version":"1","language":"c","executable":"run","functions":["f"]}`),
		"noenv.zip":   program(t, "other", "ok", `{"version":"1","language":"python","executable":"run","virtualEnvType":"conda","functions":["f"]}`),
		"badenv.zip":  program(t, "other", "ok", `{"version":"1","language":"python","executable":"run","virtualEnvType":"poetry","env":"x","functions":["f"]}`),
		"nofile.zip":  pack(t, map[string]string{"other.json": `{"version":"1","language":"go","executable":"run","functions":["f"]}`}),
		"noyaml.zip":  pack(t, map[string]string{"other.json": `{"version":"1","language":"go","executable":"run","sources":["s"]}`, "run": "ok"}),
		"wasm.zip":    pack(t, map[string]string{"other.json": `{"version":"1","language":"wasm","functions":["add"]}`, "other.wasm": "ok"}),
		"null.zip":    program(t, "bare", "ok", `{"version":"","language":"python","executable":"run","virtualEnvType":"venv","env":"/x","functions":["g"]}`),
	})
	file := func(name, f string) string { return fmt.Sprintf(`{"name":%q,"file":"%s/%s"}`, name, site, f) }
	const cannot, install = `portable plugin create command error: `, `portable plugin create command error: fail to install plugin: `
	object := func(n int) string {
		return fmt.Sprintf(`{"name":"mirror","version":"v1.0.0","language":"go","executable":"%s/data/bundles/portables/mirror/%d/run","sources":["src"],"sinks":["print"],"functions":["revert"]}`, k.home, n)
	}
	for _, c := range []struct {
		what, method, path, body string
		status                   int
		kind, want               string
	}{
		{"empty list", "GET", "", "", 200, js, `[]`},
		{"describe unknown", "GET", "/mirror", "", 404, text, ekuiper(1002, `describe portable plugin mirror error: not found`)},
		{"delete unknown", "DELETE", "/mirror", "", 400, text, ekuiper(1000, `delete portable plugin mirror error: portable plugin mirror is not found`)},
		{"status unknown", "GET", "/mirror/status", "", 404, text, ekuiper(1002, `portable plugin mirror not found: not found`)},
		{"logs unknown", "GET", "/mirror/logs", "", 404, text, ekuiper(1002, `portable plugin mirror not found: not found`)},
		{"restart unknown", "POST", "/mirror/restart", "", 404, text, ekuiper(1002, `restart portable plugin mirror error: not found`)},
		{"no JSON", "POST", "", `{`, 400, text, ekuiper(1000, `Invalid body: Error decoding the portable plugin json: unexpected EOF`)},
		{"empty name", "POST", "", `{"file":"http://x/y.zip"}`, 400, text, ekuiper(1000, cannot+`invalid name : should not be empty`)},
		{"bad name", "POST", "", `{"name":"../x"}`, 400, text, ekuiper(1000, `id '../x' contains invalid characters: only alphanumeric, hyphens and underscores are allowed`)},
		{"bad file", "POST", "", `{"name":"mirror","file":"x"}`, 400, text, ekuiper(1000, cannot+`invalid uri x`)},
		{"download", "POST", "", file("mirror", "gone.zip"), 400, text, ekuiper(1000, cannot+`fail to download file `+site+`/gone.zip: cannot download the file with status: 404 Not Found`)},
		{"wrong name", "POST", "", file("other", "other.zip"), 400, text, ""},
		{"no language", "POST", "", file("other", "nolang.zip"), 400, text, ekuiper(1000, install+`invalid plugin, missing language`)},
		{"no executable", "POST", "", file("other", "noexe.zip"), 400, text, ekuiper(1000, install+`invalid plugin, missing executable`)},
		{"executable outside", "POST", "", file("other", "escape.zip"), 400, text, ekuiper(1000, install+`invalid plugin, executable \"../run\": expected a path within the plugin's folder`)},
		{"no symbol, before the language", "POST", "", file("other", "nosym.zip"), 400, text, ekuiper(1000, install+`invalid plugin, must define at lease one source, sink or function`)},
		{"language", "POST", "", file("other", "badlang.zip"), 400, text, ekuiper(1000, install+`invalid plugin, language 'c' is not supported: expected go, python, executable or wasm`)},
		{"conda without a name", "POST", "", file("other", "noenv.zip"), 400, text, ekuiper(1000, install+`invalid plugin, missing env: the name of the conda environment, or the folder of the venv`)},
		{"environment", "POST", "", file("other", "badenv.zip"), 400, text, ekuiper(1000, install+`invalid plugin, virtualEnvType 'poetry' is not supported: expected conda or venv`)},
		{"executable missing", "POST", "", file("other", "nofile.zip"), 400, text, ekuiper(1000, install+`missing run: found other.json`)},
		{"yaml missing", "POST", "", file("other", "noyaml.zip"), 400, text, ekuiper(1000, install+`missing sources/s.yaml: found other.json, run`)},
		{"create", "POST", "", file(" mirror ", "mirror.zip"), 201, text, `portable plugin mirror is created`},
		{"exists", "POST", "", file("mirror", "mirror.zip"), 400, text, ekuiper(1000, cannot+`invalid name mirror: duplicate`)},
		{"list", "GET", "", "", 200, js, "[" + object(1) + "]"},
		{"describe", "GET", "/mirror", "", 200, js, object(1)},
		{"names are unique", "POST", "", file("thief", "thief.zip"), 400, text, ekuiper(1000, install+`function name revert already exists: plugin portables/mirror exports it`)},
		{"a bad update", "PUT", "/mirror", file("mirror", "broken.zip"), 400, text, ""},
		{"leaves the old one", "GET", "/mirror", "", 200, js, object(1)},
		{"update", "PUT", "/mirror", file("mirror", "mirror.zip"), 200, text, `portable plugin mirror is updated`},
		{"updated", "GET", "/mirror", "", 200, js, object(2)},
		{"update of what is not there", "PUT", "/bare", file("bare", "null.zip"), 200, text, `portable plugin bare is updated`},
		{
			"lists that the manifest lacks", "GET", "/bare", "", 200, js,
			`{"name":"bare","version":"","language":"python","executable":"` + k.home + `/data/bundles/portables/bare/1/run","virtualEnvType":"venv","env":"/x","sources":null,"sinks":null,"functions":["g"]}`,
		},
		{"wasm", "POST", "", file("other", "wasm.zip"), 201, text, `portable plugin other is created`},
		{"restart of what has no process", "POST", "/other/restart", "", 400, text, ekuiper(1000, `restart portable plugin other error: portables/other: it does not run in a process of its own`)},
		{"logs", "GET", "/mirror/logs?tail=2", "", 200, text, "two\nthree\n"},
		{"logs, bad tail", "GET", "/mirror/logs?tail=x", "", 400, text, ekuiper(1000, `logs of portable plugin mirror: tail: found \"x\", expected 0 to 100000`)},
		{"restart", "POST", "/mirror/restart", "", 200, text, `portable plugin mirror is restarted`},
		{"delete", "DELETE", "/mirror", "", 200, text, `portable plugin mirror is deleted`},
		{"deleted", "GET", "/mirror", "", 404, text, ""},
	} {
		got := k.do(c.method, "/plugins/portables"+c.path, c.body, "Content-Type", js)
		kind := got.header.Get("Content-Type")
		if got.status != c.status || kind != c.kind || (c.want != "" && got.body != c.want) {
			t.Errorf("%s: %s %s: found %d %s\n%s\nexpected %d %s\n%s", c.what, c.method, c.path, got.status, kind, got.body, c.status, c.kind, c.want)
		}
	}
}

// TestPortableStatus: eKuiper's keys come first, in its order.
func TestPortableStatus(t *testing.T) {
	k := newKit(t, api.Options{})
	k.do("POST", "/plugins/portables?name=mirror", string(program(t, "mirror", "ok", mirror)), "Content-Type", "application/zip")
	got := k.do("GET", "/plugins/portables/mirror/status", nil)
	const first = `{"refCount":{"rule1":2,"rule2":1},"status":"running","errMsg":"","pid":7,"restarts":0,"lastExit":"signal: killed","lastExitAt":"1970-01-01T00:00:01Z","lane":"ekuiper","sandbox":"process","symbols":[{"kind":"sink","name":"print","status":"running","open":1,"delivery":"at most once"},{"kind":"function","name":"revert","status":"error","errMsg":"no luck"}],"processes":[{"pid":7,"uptime":`
	if got.status != 200 || got.header.Get("Content-Type") != js || !strings.HasPrefix(got.body, first) || !json.Valid([]byte(got.body)) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestPortableFollow: the lines that come are sent as they come, until the client
// leaves or the server closes.
func TestPortableFollow(t *testing.T) {
	k := newKit(t, api.Options{})
	k.do("POST", "/plugins/portables?name=mirror", string(program(t, "mirror", "ok", mirror)), "Content-Type", "application/zip")
	resp, err := http.Get("http://" + k.addr + "/plugins/portables/mirror/logs?tail=1&follow=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for _, want := range []string{"three", "line 0", "line 1"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("found %q, expected %q", lines.Text(), want)
		}
	}
}
