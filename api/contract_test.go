package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/api"
)

// packages serves zips over HTTP, as a download site would.
func packages(t *testing.T, files map[string][]byte) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(b)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func ekuiper(code int, message string) string {
	return fmt.Sprintf("{\"error\":%d,\"message\":\"%s\"}\n", code, message)
}

// Each row is one of eKuiper's contract, sections 1.1, 1.2, 1.4 and 1.5, in an
// order in which one leads to the next.
func TestContract(t *testing.T) {
	k := newKit(t, api.Options{Version: "9.9"})
	site := packages(t, map[string][]byte{
		"echo.zip":  bundle(t, "echo", "v1.0.0", "echo"),
		"echo2.zip": bundle(t, "echo", "v2.0.0", "echo"),
		"add.zip":   bundle(t, "add", "v1.0.0", "add"),
		"thief.zip": bundle(t, "thief", "v1.0.0", "echo"),
		"bad.zip":   []byte("not a zip"),
		"none.zip":  pack(t, map[string]string{"x.wasm": "ok"}),
	})
	file := func(name, f string) string { return fmt.Sprintf(`{"name":%q,"file":"%s/%s"}`, name, site, f) }
	const cannot = `wasm plugin create command error: `
	steps := []struct {
		what, method, path, body string
		status                   int
		kind, want               string
	}{
		{"empty list", "GET", "/plugins/wasm", "", 200, js, `[]`},
		{"describe unknown", "GET", "/plugins/wasm/echo", "", 404, text, ekuiper(1002, `describe wasm plugin echo error: not found`)},
		{"delete unknown", "DELETE", "/plugins/wasm/echo", "", 400, text, ekuiper(1000, `delete wasm plugin echo error: wasm plugin echo is not found`)},
		{"no JSON", "POST", "/plugins/wasm", `{`, 400, text, ekuiper(1000, `Invalid body: Error decoding the wasm plugin json: unexpected EOF`)},
		{"no body", "POST", "/plugins/wasm", ``, 400, text, ekuiper(1000, `Invalid body: Error decoding the wasm plugin json: EOF`)},
		{"wrong type", "POST", "/plugins/wasm", `{"name":1}`, 400, text, ekuiper(1000, `Invalid body: Error decoding the wasm plugin json: json: cannot unmarshal number into Go struct field IOPlugin.name of type string`)},
		{"empty name", "POST", "/plugins/wasm", `{"file":"http://x/y.zip"}`, 400, text, ekuiper(1000, cannot+`invalid name : should not be empty`)},
		{"blank name", "POST", "/plugins/wasm", `{"name":"  "}`, 400, text, ekuiper(1000, cannot+`invalid name : should not be empty`)},
		{"bad name", "POST", "/plugins/wasm", `{"name":"../x"}`, 400, text, ekuiper(1000, `id '../x' contains invalid characters: only alphanumeric, hyphens and underscores are allowed`)},
		{"white space", "POST", "/plugins/wasm", `{"name":"x\t"}`, 400, text, ekuiper(1000, `id 'x\t' contains leading or trailing whitespace`)},
		{"bad name in the path", "GET", "/plugins/wasm/a%20b", "", 400, text, ekuiper(1000, `id 'a b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed`)},
		{"no uri", "POST", "/plugins/wasm", `{"name":"echo","file":"nowhere"}`, 400, text, ekuiper(1000, cannot+`invalid uri nowhere`)},
		{"no zip", "POST", "/plugins/wasm", `{"name":"echo","file":"http://x/y.tar"}`, 400, text, ekuiper(1000, cannot+`invalid uri http://x/y.tar`)},
		{"download", "POST", "/plugins/wasm", file("echo", "gone.zip"), 400, text, ekuiper(1000, cannot+`fail to download file `+site+`/gone.zip: cannot download the file with status: 404 Not Found`)},
		{"create", "POST", "/plugins/wasm", file("echo", "echo.zip"), 201, text, `wasm plugin echo is created`},
		{"exists", "POST", "/plugins/wasm", file("echo", "echo.zip"), 400, text, ekuiper(1000, cannot+`invalid name echo: duplicate`)},
		{
			"names trimmed, keys in any case, first value only", "POST", "/plugins/wasm",
			`{"NAME":" add ","File":"` + site + `/add.zip","other":1} trailing`, 201, text, `wasm plugin add is created`,
		},
		{"update unknown is create", "PUT", "/plugins/wasm/bad", file("bad", "bad.zip"), 400, text, ""},
		{"update", "PUT", "/plugins/wasm/echo", file("echo", "echo2.zip"), 200, text, `wasm plugin echo is updated`},
		{"update without a name", "PUT", "/plugins/wasm/echo", `{"file":"` + site + `/echo2.zip"}`, 200, text, `wasm plugin echo is updated`},
		{
			"update of another name", "PUT", "/plugins/wasm/echo", file("add", "add.zip"), 400, text,
			ekuiper(1000, `wasm plugin update command error: invalid name add: expected echo, the name in the path, or none`),
		},
		{
			"failed update", "PUT", "/plugins/wasm/echo", file("echo", "gone.zip"), 400, text,
			ekuiper(1000, `wasm plugin update command error: fail to download file `+site+`/gone.zip: cannot download the file with status: 404 Not Found`),
		},
		{"install", "POST", "/plugins/wasm", file("none", "none.zip"), 400, text, ""},
		{
			"name of a function taken", "POST", "/plugins/wasm", file("thief", "thief.zip"), 400, text,
			ekuiper(1000, cannot+`fail to install plugin: function name echo already exists: plugin wasm/echo exports it`),
		},
		{"delete", "DELETE", "/plugins/wasm/echo", "", 200, text, `wasm plugin echo is deleted`},
		{"upsert", "PUT", "/plugins/wasm/echo", file("echo", "echo.zip"), 200, text, `wasm plugin echo is updated`},
	}
	for _, s := range steps {
		t.Run(s.what, func(t *testing.T) {
			got := k.do(s.method, s.path, s.body, "Content-Type", "image/png") // it is not looked at
			if s.want == "" {
				if verb := map[string]string{"POST": "create", "PUT": "update"}[s.method]; got.status != s.status ||
					!strings.HasPrefix(got.body, `{"error":1000,"message":"wasm plugin `+verb+` command error: fail to install plugin: `) {
					t.Errorf("found %d %s", got.status, got.body)
				}
				return
			}
			got.want(t, s.status, s.kind, s.want)
		})
	}
	t.Run("object", func(t *testing.T) {
		p := k.do("GET", "/plugins/wasm/echo", nil)
		dir := k.home + "/data/bundles/wasm/echo/"
		wasmFile := dir + strings.Split(strings.Split(p.body, dir)[1], "/")[0] + "/echo.wasm"
		prefix := `{"name":"echo","version":"v1.0.0","wasmFile":"` + wasmFile + `","wasmEngine":"wasmedge","functions":["echo"],"status":"running","runtime":"wasm","sha256":"`
		if !strings.HasPrefix(p.body, prefix) || !strings.HasSuffix(p.body, `","source":"`+site+`/echo.zip"}`) {
			t.Errorf("found %s", p.body)
		}
		list := k.do("GET", "/plugins/wasm", nil)
		add := k.do("GET", "/plugins/wasm/add", nil)
		list.want(t, 200, js, "["+add.body+","+p.body+"]")
	})
}

func TestSystem(t *testing.T) {
	k := newKit(t, api.Options{Version: "9.9"})
	for _, method := range []string{"GET", "POST"} {
		r := k.do(method, "/", nil)
		if r.status != 200 || r.header.Get("Content-Type") != text ||
			!strings.HasPrefix(r.body, `{"version":"9.9","os":"linux","arch":`) || !strings.Contains(r.body, `"memoryTotal":"`) {
			t.Errorf("found %+v", r)
		}
	}
	r := k.do("GET", "/ping", nil)
	r.want(t, 200, "", "")
	if r.header.Get("Connection") == "close" {
		t.Error("keep-alive is off")
	}
}

func TestOnlyCanonicalPaths(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("echo", "echo")
	for _, path := range []string{
		"/nothing", "/ping/", "/./ping", "/x/../ping", "/Ping", "/pin%67", "/plugins/wasm/", "/plugins//wasm",
		"/plugins/wasm/echo/", "/plugins/wasm/echo/logs", "/plugins/wasm/a%2Fb", "/plugins/wasm/%2e%2e", "/plugins/wasm/..",
		"/plugins/wasm/.", "/plugins/wasm/a%00", "/plugins/wasm/a%", "/plugins/wasm/a%zz", "/plugins/wasm/%ff", "/plugins/wasm/a%5cb",
		"/functions//call", "/functions/echo/call/", "/plugins/native", "/plugins/wasm;x",
	} {
		r := k.do("GET", path, nil)
		r.want(t, 404, text, "404 page not found\n")
	}
	k.dial().send("GET //ping HTTP/1.1\r\nHost: x\r\n\r\n").reply().want(t, 404, text, "404 page not found\n")
	r := k.do("GET", "/plugins/wasm/ech%6F?x=/../y", nil)
	if r.status != 200 {
		t.Errorf("an encoded letter: found %d %s", r.status, r.body)
	}
}

func TestWrongMethod(t *testing.T) {
	k := newKit(t, api.Options{})
	for _, c := range []struct{ method, path, allow string }{
		{"DELETE", "/plugins/wasm", "GET, POST"},
		{"POST", "/plugins/wasm/x", "GET, PUT, DELETE"},
		{"HEAD", "/ping", "GET"},
		{"OPTIONS", "/", "GET, POST"},
		{"GET", "/functions/x/call", "POST"},
		{"BREW", "/ping", "GET"},
	} {
		r := k.do(c.method, c.path, nil)
		r.want(t, 405, "", "")
		if r.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: Allow %q", c.method, c.path, r.header.Get("Allow"))
		}
	}
}

// What stands in the drop-in folder and does not run is listed with its reason.
func TestBrokenPlugin(t *testing.T) {
	home := t.TempDir()
	for name, content := range map[string]string{
		"bad/bad.json": `{"version":"1","functions":["lost"]}`, "bad/bad.wasm": "no",
		"a b/a b.json":   `{"version":"1","functions":["found"]}`,
		"good/good.json": `{"version":"1","functions":["echo"],"sinks":["s"]}`, "good/good.wasm": "ok",
	} {
		path := filepath.Join(home, "plugins", "wasm", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	k := newKitIn(t, home, api.Options{})
	dir := home + "/plugins/wasm/"
	const reason = `bad.wasm: found \"no\", expected a module`
	bad := `{"name":"bad","version":"1","wasmFile":"` + dir + `bad/bad.wasm","functions":["lost"],"status":"error","errMsg":"` + reason + `","dropIn":true}`
	good := `{"name":"good","version":"1","wasmFile":"` + dir + `good/good.wasm","functions":["echo"],"sinks":["s"],"status":"running","runtime":"wasm","dropIn":true}`
	spaced := `{"name":"a b","version":"1","wasmFile":"` + dir + `a b/a b.wasm","functions":["found"],"status":"error","errMsg":"id 'a b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed","dropIn":true}`
	k.do("GET", "/plugins/wasm", nil).want(t, 200, js, "["+spaced+","+bad+","+good+"]")
	k.do("POST", "/functions/lost/call", `{"args":[]}`).want(t, 503, js, ours(6008,
		"function lost: plugin wasm/bad does not run: "+reason+"; GET /functions shows what is wrong; install a version that works"))
	if r := k.do("GET", "/functions/lost", nil); !strings.Contains(r.body, `"args":null,"variadic":true`) || !strings.Contains(r.body, `"status":"error","errMsg":"`+reason) {
		t.Errorf("found %s", r.body)
	}
	if r := k.do("GET", "/metrics", nil); !strings.Contains(r.body, `vanth_plugins{class="wasm",status="error"} 2`) {
		t.Errorf("found %s", r.body)
	}
	k.do("PUT", "/plugins/wasm/bad", bundle(t, "bad", "2", "add"), "Content-Type", zipT).want(t, 200, text, "wasm plugin bad is updated")
}
