package api_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/host"
)

const restart = " and eKuiper must restart for the change to take effect."

// so makes a package of a native plugin; its content decides what happens.
func so(t testing.TB, name, content string) []byte {
	t.Helper()
	plugin, _, _ := strings.Cut(name, "@")
	return pack(t, map[string]string{name + ".so": content, strings.ToLower(plugin[:1]) + plugin[1:] + ".yaml": "default: {}\n"})
}

// step is a request with its answer.
type step struct {
	what, method, path, body string
	status                   int
	kind, want               string
}

func (k *kit) steps(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		t.Run(s.what, func(t *testing.T) {
			k.do(s.method, s.path, s.body, "Content-Type", "image/png").want(t, s.status, s.kind, s.want)
		})
	}
}

// Each row is one of eKuiper's contract, sections 1.2 and 1.3, for each of the
// three collections and in an order in which one leads to the next.
func TestNativeContract(t *testing.T) {
	for _, class := range []string{"sources", "sinks", "functions"} {
		t.Run(class, func(t *testing.T) { nativeContract(t, class) })
	}
}

func nativeContract(t *testing.T, class string) {
	k := newKit(t, api.Options{})
	site := packages(t, map[string][]byte{
		"ok.zip":      so(t, "Random@v1.2.0", "ok"),
		"new.zip":     so(t, "random@2.0.0", "ok"),
		"late.zip":    so(t, "Random@v3", "restart"),
		"bad.zip":     so(t, "random", "bad"),
		"no.zip":      []byte("not a zip"),
		"plain.zip":   so(t, "plain", "ok"),
		"none.zip":    pack(t, map[string]string{"other.so": "ok", "random.yaml": "x"}),
		"prefab.zip":  so(t, "prebuild", "ok"),
		"wasm.zip":    pack(t, map[string]string{"guest.wasm": "ok", "guest.json": `{"version":"v0.1","` + class + `":["list"]}`}),
		"foreign.zip": pack(t, map[string]string{"alien.wasm": "ok", "alien.json": `{"version":"1","sources":["a"],"sinks":["b"],"functions":["c"]}`}),
	})
	all := "/plugins/" + class
	one := all + "/random"
	file := func(name, f string) string { return fmt.Sprintf(`{"name":%q,"file":"%s/%s"}`, name, site, f) }
	cannot := class + " plugins create command error: "
	decoding := "Invalid body: Error decoding the " + class + " plugin json: "
	deleted := class + " plugin random is deleted" + restart
	const chars = ` contains invalid characters: only alphanumeric, hyphens and underscores are allowed`
	field := "IOPlugin.name" // as the JSON package of the toolchain has it, where types are embedded
	if class == "functions" {
		field = "FuncPlugin.IOPlugin.name"
	}
	k.steps(t, []step{
		{"empty list", "GET", all, "", 200, js, `[]`},
		{"describe unknown", "GET", one, "", 404, text, ekuiper(1002, `describe `+class+` plugin random error: not found`)},
		{"delete unknown", "DELETE", one, "", 404, text, ekuiper(1002, `delete `+class+` plugin random error: invalid name random: not exist`)},
		{"delete unknown and stop", "DELETE", one + "?stop=1", "", 404, text, ekuiper(1002, `delete `+class+` plugin random error: invalid name random: not exist`)},
		{"update unknown", "PUT", one, file("random", "ok.zip"), 404, text, ekuiper(1002, `update `+class+` plugin random error, cannot delete old version: invalid name random: not exist`)},

		{"no JSON", "POST", all, `{`, 400, text, ekuiper(1000, decoding+`unexpected EOF`)},
		{"no body", "POST", all, ``, 400, text, ekuiper(1000, decoding+`EOF`)},
		{"wrong type", "POST", all, `{"name":1}`, 400, text, ekuiper(1000, decoding+`json: cannot unmarshal number into Go struct field `+field+` of type string`)},
		{"no JSON to update with", "PUT", one, `x`, 400, text, ekuiper(1000, decoding+`invalid character 'x' looking for beginning of value`)},

		{"no name", "POST", all, `{"file":"http://x/y.zip"}`, 400, text, ekuiper(1000, `id cannot be empty`)},
		{"white space", "POST", all, `{"name":" random"}`, 400, text, ekuiper(1000, `id ' random' contains leading or trailing whitespace`)},
		{"bad name", "POST", all, `{"name":"../x"}`, 400, text, ekuiper(1000, `id '../x'`+chars)},
		{"bad name in GET", "GET", all + "/a%20b", "", 400, text, ekuiper(1000, `id 'a b'`+chars)},
		{"white space in GET", "GET", all + "/a%20", "", 400, text, ekuiper(1000, `id 'a ' contains leading or trailing whitespace`)},
		{"bad name in PUT", "PUT", all + "/a%20b", `{}`, 400, text, ekuiper(1000, `id 'a b'`+chars)},
		{"bad name in DELETE", "DELETE", all + "/a%20b", "", 400, text, ekuiper(1000, `id 'a b'`+chars)},

		{"no uri", "POST", all, `{"name":"random","file":"nowhere"}`, 400, text, ekuiper(1000, cannot+`invalid uri nowhere`)},
		{"no file", "POST", all, `{"name":"random"}`, 400, text, ekuiper(1000, cannot+`invalid uri `)},
		{"query in the uri", "POST", all, `{"name":"random","file":"http://x/y.zip?z"}`, 400, text, ekuiper(1000, cannot+`invalid uri http://x/y.zip?z`)},
		{"download", "POST", all, file("random", "gone.zip"), 400, text, ekuiper(1000, cannot+`fail to download file `+site+`/gone.zip: cannot download the file with status: 404 Not Found`)},
		{"no zip", "POST", all, file("random", "no.zip"), 400, text, ekuiper(1000, cannot+`fail to install plugin: zip: not a valid zip file: no end of directory record`)},
		{"does not open", "POST", all, file("random", "bad.zip"), 400, text, ekuiper(1000, cannot+`fail to install plugin: cannot open random.so: found \"bad\"`)},
		{"no script", "POST", all, `{"name":"random","file":"` + site + `/ok.zip","shellParas":["a","b"]}`, 400, text, ekuiper(1000, cannot+`fail to install plugin: have shell parameters : [a b] but no install.sh file`)},
		{"nothing is left", "GET", all, "", 200, js, `[]`},

		{"create", "POST", all, file("random", "ok.zip"), 201, text, class + ` plugin random is created`},
		{"duplicate", "POST", all, file("random", "ok.zip"), 400, text, ekuiper(1000, cannot+`invalid name random: duplicate`)},
		{"one v cut off", "GET", one, "", 200, js, `{"name":"random","version":"1.2.0"}`},
		{"another", "POST", all, file("plain", "plain.zip"), 201, text, class + ` plugin plain is created`},
		{"no version", "GET", all + "/plain", "", 200, js, `{"name":"plain","version":""}`},
		{"list in order", "GET", all, "", 200, js, `["plain","random"]`},

		{"update", "PUT", one, file("random", "new.zip"), 200, text, `plugin random is updated` + restart},
		{"update without a name", "PUT", one, `{"file":"` + site + `/new.zip"}`, 200, text, `plugin random is updated` + restart},
		{"updated", "GET", one, "", 200, js, `{"name":"random","version":"2.0.0"}`},
		{"update of another name", "PUT", one, file("plain", "plain.zip"), 400, text, ekuiper(1000, cannot+`invalid name plain: expected random, the name in the path, or none`)},
		{"update that fails", "PUT", one, file("random", "bad.zip"), 400, text, ekuiper(1000, cannot+`fail to install plugin: cannot open random.so: found \"bad\"`)},
		{"leaves the old one", "GET", one, "", 200, js, `{"name":"random","version":"2.0.0"}`},
		{"update for the next start", "PUT", one, file("random", "late.zip"), 200, text, `plugin random is updated` + restart},
		{"waits", "GET", one, "", 200, js, `{"name":"random","version":"3","errMsg":"Random@v3.so: takes effect at the next start","status":"waiting"}`},

		{"delete", "DELETE", one, "", 200, text, deleted},
		{"delete again", "DELETE", one, "", 200, text, deleted},
		{"other values than 1", "DELETE", one + "?stop=true&restart=01", "", 200, text, deleted},
		{"deleted is not listed", "GET", all, "", 200, js, `["plain"]`},
		{"deleted is not described", "GET", one, "", 404, text, ekuiper(1002, `describe `+class+` plugin random error: not found`)},
		{"update what was deleted", "PUT", one, file("random", "ok.zip"), 200, text, `plugin random is updated` + restart},
		{"delete what came back", "DELETE", one, "", 200, text, deleted},
		{"create what was deleted", "POST", all, file("random", "ok.zip"), 201, text, class + ` plugin random is created`},

		{"wasm", "POST", all, file("guest", "wasm.zip"), 201, text, class + ` plugin guest is created`},
		{"listed with the others", "GET", all, "", 200, js, `["guest","plain","random"]`},
		{"wrong method", "PATCH", one, "", 405, "", ""},

		{"called prebuild", "POST", all, file("prebuild", "prefab.zip"), 201, text, class + ` plugin prebuild is created`},
		{"updated all the same", "PUT", all + "/prebuild", file("prebuild", "prefab.zip"), 200, text, `plugin prebuild is updated` + restart},
		{"deleted all the same", "DELETE", all + "/prebuild", "", 200, text, class + ` plugin prebuild is deleted` + restart},
	})
	for name, reason := range map[string]string{"none": "invalid zip file: expectFiles: ", "foreign": "manifest alien.json: "} {
		plugin := map[string]string{"none": "lone", "foreign": "alien"}[name]
		r := k.do("POST", all, file(plugin, name+".zip"))
		if r.status != 400 || !strings.HasPrefix(r.body, `{"error":1000,"message":"`+cannot+`fail to install plugin: `+reason) {
			t.Errorf("%s: found %d %s", name, r.status, r.body)
		}
	}
	if r := k.do("HEAD", all+"/prebuild", nil); r.status != 405 || r.header.Get("Allow") != "GET, PUT, DELETE" {
		t.Errorf("prebuild: found %d %q", r.status, r.header.Get("Allow"))
	}
}

// Why a package is not fetched, where it is the operator's policy.
func TestNativeFetchPolicy(t *testing.T) {
	home := t.TempDir()
	k := newKitUnder(t, home, host.InstallPolicy{}, api.Options{})
	uploads := filepath.Join(home, "data", "uploads")
	folder := filepath.Join(uploads, "folder.zip")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, reason := range map[string]string{
		packages(t, nil) + "/x.zip":   "ip 127.0.0.1 is in internal network",
		"file:///etc/x.zip":           "file access denied: path must be under " + uploads,
		"file://" + folder:            folder + " is not a regular file",
		"file://" + folder + "/x.zip": "no such file",
	} {
		r := k.do("POST", "/plugins/sinks", fmt.Sprintf(`{"name":"x","file":%q}`, file))
		if r.status != 400 || !strings.HasPrefix(r.body, `{"error":1000,"message":"sinks plugins create command error: fail to download file `+file+`: `) ||
			!strings.Contains(r.body, reason) {
			t.Errorf("%s: found %d %s", file, r.status, r.body)
		}
	}
	z := filepath.Join(uploads, "x.zip")
	if err := os.WriteFile(z, so(t, "x", "ok"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.do("POST", "/plugins/sinks", fmt.Sprintf(`{"name":"x","file":"file://%s"}`, z)).want(t, 201, text, "sinks plugin x is created")
}

// What is said of function lists, contract 1.3.
func TestNativeFunctions(t *testing.T) {
	k := newKit(t, api.Options{})
	k.install("geo", "size")
	site := packages(t, map[string][]byte{
		"echo.zip": so(t, "echo@v1", "ok"), "many.zip": so(t, "many", "ok"), "thief.zip": so(t, "thief", "ok"),
		"guest.zip": pack(t, map[string]string{"guest.wasm": "ok", "guest.json": `{"version":"1","functions":["add"]}`}),
	})
	const all = "/plugins/functions"
	file := func(name, list string) string {
		return fmt.Sprintf(`{"name":%q,"file":"%s/%s.zip","functions":%s}`, name, site, name, list)
	}
	const exists = `functions plugins create command error: function name `
	const cannot = `function plugins many regiser functions error: `
	const decoding = `Invalid body: Error decoding the function list json: `
	k.steps(t, []step{
		{"no functions", "GET", "/plugins/udfs", "", 200, js, `[]`},
		{"bad list", "POST", all, file("many", `"x"`), 400, text, ekuiper(1000, `Invalid body: Error decoding the functions plugin json: json: cannot unmarshal string into Go struct field FuncPlugin.functions of type []string`)},
		{"without a list", "POST", all, file("echo", `[]`), 201, text, `functions plugin echo is created`},
		{"shows none", "GET", all + "/echo", "", 200, js, `{"name":"echo","version":"1"}`},
		{"with a list", "POST", all, file("many", `["m2","m1"]`), 201, text, `functions plugin many is created`},
		{"shows it", "GET", all + "/many", "", 200, js, `{"functions":["m2","m1"],"name":"many","version":""}`},
		{"manifest's list", "POST", all, file("guest", `null`), 201, text, `functions plugin guest is created`},
		{"shows that", "GET", all + "/guest", "", 200, js, `{"functions":["add"],"name":"guest","version":"1"}`},
		{"udfs", "GET", "/plugins/udfs", "", 200, js, `["add","echo","m1","m2"]`},
		{"udf", "GET", "/plugins/udfs/m2", "", 200, js, `{"name":"m2","plugin":"many"}`},
		{"udf unknown", "GET", "/plugins/udfs/m3", "", 404, text, ekuiper(1002, `describe function m3 error: not found`)},
		{"udf of another collection", "GET", "/plugins/udfs/size", "", 404, text, ekuiper(1002, `describe function size error: not found`)},
		{"udf of a bad name", "GET", "/plugins/udfs/a%20b", "", 400, text, ekuiper(1000, `id 'a b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed`)},
		{"it is called", "POST", "/functions/m2/call", `{"args":[7]}`, 200, js, `{"result":7}`},

		{"clash with the list", "POST", all, file("thief", `["t","m1"]`), 400, text, ekuiper(1000, exists+`m1 already exists`)},
		{"clash with another collection", "POST", all, file("thief", `["size"]`), 400, text, ekuiper(1000, exists+`size already exists`)},
		{"clash in an update", "PUT", all + "/echo", file("echo", `["m1"]`), 400, text, ekuiper(1000, exists+`m1 already exists`)},
		{"nothing is left", "GET", "/plugins/udfs", "", 200, js, `["add","echo","m1","m2"]`},

		{"register", "POST", all + "/many/register", `{"functions":["m1","m4"]}`, 200, text, `function plugin many function list is registered`},
		{"registered", "GET", all + "/many", "", 200, js, `{"functions":["m1","m4"],"name":"many","version":""}`},
		{"replaced", "GET", "/plugins/udfs", "", 200, js, `["add","echo","m1","m4"]`},
		{"called no more", "POST", "/functions/m2/call", `{"args":[7]}`, 404, js, ours(6002, `function m2: not found; nearest: m1, m4; GET /functions lists what there is`)},
		{"called now", "POST", "/functions/m4/call", `{"args":[7]}`, 200, js, `{"result":7}`},
		{"register: bad name", "POST", all + "/a%20b/register", `{"functions":["x"]}`, 400, text, ekuiper(1000, `id 'a b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed`)},
		{"register: unknown", "POST", all + "/none/register", `{"functions":["x"]}`, 404, text, ekuiper(1002, `register functions plugin none error: not found`)},
		{"register: unknown before bad JSON", "POST", all + "/none/register", `{`, 404, text, ekuiper(1002, `register functions plugin none error: not found`)},
		{"register: no JSON", "POST", all + "/many/register", `{`, 400, text, ekuiper(1000, decoding+`unexpected EOF`)},
		{"register: no list", "POST", all + "/many/register", `{"functions":"x"}`, 400, text, ekuiper(1000, decoding+`json: cannot unmarshal string into Go struct field functionList.functions of type []string`)},
		{"register: empty", "POST", all + "/many/register", `{"functions":[]}`, 400, text, ekuiper(1000, cannot+`property 'functions' must not be empty`)},
		{"register: missing", "POST", all + "/many/register", `{}`, 400, text, ekuiper(1000, cannot+`property 'functions' must not be empty`)},
		{"register: clash", "POST", all + "/many/register", `{"functions":["m5","echo"]}`, 400, text, ekuiper(1000, cannot+`function name echo already exists`)},
		{"register: manifest", "POST", all + "/guest/register", `{"functions":["x"]}`, 400, text, ekuiper(1000, `function plugins guest regiser functions error: functions/guest: its functions are those of its manifest`)},
		{"the old list holds", "GET", "/plugins/udfs", "", 200, js, `["add","echo","m1","m4"]`},

		{"deleted with its functions", "DELETE", all + "/many", "", 200, text, `functions plugin many is deleted` + restart},
		{"they are free", "GET", "/plugins/udfs", "", 200, js, `["add","echo"]`},
		{"register what was deleted", "POST", all + "/many/register", `{"functions":["x"]}`, 404, text, ekuiper(1002, `register functions plugin many error: not found`)},
	})
	if r := k.do("GET", "/metrics", nil); !strings.Contains(r.body, `vanth_plugins{class="functions",status="running"} 2`) {
		t.Errorf("found %s", r.body)
	}
}

// A list comes with a zip and in a form, too, but to function plugins only.
func TestNativeUpload(t *testing.T) {
	k := newKit(t, api.Options{})
	k.do("POST", "/plugins/functions?name=f&functions=a&functions=b", so(t, "f", "ok"), "Content-Type", zipT).
		want(t, 201, text, "functions plugin f is created")
	b, kind := form(t, "functions", "c", "functions", "d", "name", "g", "file", string(so(t, "g", "ok")))
	k.do("POST", "/plugins/functions", b, "Content-Type", kind).want(t, 201, text, "functions plugin g is created")
	k.do("GET", "/plugins/udfs", nil).want(t, 200, js, `["a","b","c","d"]`)
	k.do("POST", "/plugins/sinks", b, "Content-Type", kind).want(t, 400, text, ours(6013, `form: found field \"functions\", expected name, sha256, shellParas and then file`))
	k.do("PUT", "/plugins/functions/g", so(t, "g", "bad"), "Content-Type", zipT).want(t, 400, text,
		ekuiper(1000, `functions plugins create command error: fail to install plugin: cannot open g.so: found \"bad\"`))
	k.do("POST", "/plugins/sources?name=s&functions=x", so(t, "S@v1", "ok"), "Content-Type", zipT).
		want(t, 201, text, "sources plugin s is created")
	k.do("GET", "/plugins/sources/s", nil).want(t, 200, js, `{"name":"s","version":"1"}`)
}

// Plugins that cannot run are listed, described with their reason, and can be
// installed anew; a .so file that has gone is reported as eKuiper does.
func TestNativeOnDisk(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "plugins", "functions")
	drop := func(file, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	drop("Broken@v1.so", "bad")
	drop("Good@v1.0.so", "ok")
	k := newKitIn(t, home, api.Options{})
	const all = "/plugins/functions"
	k.do("GET", all, nil).want(t, 200, js, `["broken","good"]`)
	k.do("GET", all+"/good", nil).want(t, 200, js, `{"name":"good","version":"1.0"}`)
	k.do("GET", all+"/broken", nil).want(t, 200, js,
		`{"name":"broken","version":"1","errMsg":"cannot open Broken@v1.so: found \"bad\"","status":"error"}`)
	missing := func(name string) string {
		return ekuiper(1002, "delete functions plugin "+name+" error: cannot find .so file for plugin "+name)
	}
	if err := os.Remove(filepath.Join(dir, "Good@v1.0.so")); err != nil {
		t.Fatal(err)
	}
	k.do("DELETE", all+"/good?stop=1", nil).want(t, 404, text, missing("good"))
	k.do("POST", all+"?name=broken", so(t, "broken", "ok"), "Content-Type", zipT).want(t, 201, text, "functions plugin broken is created")
	k.do("GET", all+"/broken", nil).want(t, 200, js, `{"name":"broken","version":""}`)
	installed, err := filepath.Glob(filepath.Join(home, "data/bundles/functions/broken/*/broken.so"))
	if err != nil || len(installed) != 1 {
		t.Fatalf("found %q, %v", installed, err)
	}
	if err := os.Remove(installed[0]); err != nil {
		t.Fatal(err)
	}
	k.do("DELETE", all+"/broken", nil).want(t, 404, text, missing("broken"))
	k.do("PUT", all+"/broken", so(t, "broken", "ok"), "Content-Type", zipT).want(t, 200, text, "plugin broken is updated"+restart)
	k.do("DELETE", all+"/broken", nil).want(t, 200, text, "functions plugin broken is deleted"+restart)
}

// A deletion can end the process, with status 100, once it was answered.
func TestNativeStop(t *testing.T) {
	for _, query := range []string{"stop=1", "restart=1"} {
		t.Run(query, func(t *testing.T) {
			codes := make(chan int, 8)
			var k *kit
			k = newKit(t, api.Options{StopDelay: 50 * time.Millisecond, Stop: func(code int) {
				_ = k.srv.Close(context.Background())
				codes <- code
			}})
			for _, path := range []string{"/plugins/sinks?name=s", "/plugins/sinks?name=other"} {
				name := path[len("/plugins/sinks?name="):]
				k.do("POST", path, so(t, name, "ok"), "Content-Type", zipT)
			}
			k.do("DELETE", "/plugins/sinks/other?stop=0", nil).want(t, 200, text, "sinks plugin other is deleted"+restart)
			select {
			case code := <-codes:
				t.Fatalf("stopped with %d", code)
			case <-time.After(150 * time.Millisecond):
			}
			const stopped = "sinks plugin s is deleted and eKuiper will be stopped"
			k.do("DELETE", "/plugins/sinks/s?"+query, nil).want(t, 200, text, stopped)
			k.do("DELETE", "/plugins/sinks/s?"+query, nil).want(t, 200, text, stopped)
			if code := <-codes; code != 100 {
				t.Errorf("stopped with %d", code)
			}
			if n := len(codes); n != 0 {
				t.Errorf("stopped %d times more", n)
			}
		})
	}
}

func TestPrebuild(t *testing.T) {
	url := func(host, class, system, name string) string {
		return `"` + name + `":"` + host + `/kuiper-plugins/2.4.0/` + system + `/` + class + `/` + name + `_` + runtime.GOARCH + `.zip"`
	}
	release, _ := os.ReadFile("/etc/os-release")
	system := api.Distribution(string(release))
	for hosts, host := range map[string]string{
		"": "https://packages.emqx.io", " https://a.example/ , https://b.example/ ": "https://b.example",
	} {
		k := newKit(t, api.Options{Version: "2.4.0", PluginHosts: hosts})
		for class, names := range map[string][]string{
			"sources":   {"kafka", "random", "sql", "video", "zmq"},
			"sinks":     {"image", "influx", "influx2", "kafka", "sql", "zmq"},
			"functions": {"accumulateWordCount", "countPlusOne", "echo", "geohash", "image", "labelImage", "tfLite"},
		} {
			var want []string
			for _, n := range names {
				want = append(want, url(host, class, system, n))
			}
			k.do("GET", "/plugins/"+class+"/prebuild", nil).want(t, 200, js, "{"+strings.Join(want, ",")+"}")
		}
	}
	k := newKit(t, api.Options{PluginHosts: " , "})
	k.do("GET", "/plugins/sinks/prebuild", nil).want(t, http.StatusBadRequest, text,
		ekuiper(1000, "invalid configuration for plugin host in kuiper.yaml"))
	for release, want := range map[string]string{
		"": "debian",
		"NAME=x\nPRETTY_NAME=\"Alpine Linux 3\"\n": "alpine",
		"PRETTY_NAME=ALPINE":                       "alpine",
		"NAME=Alpine\nPRETTY_NAME=\"Debian\"":      "debian",
	} {
		if got := api.Distribution(release); got != want {
			t.Errorf("%q: found %s", release, got)
		}
	}
}

// A list that names nothing but the plugin is shown as any other: eKuiper shows what
// was registered, contract 1.3 and 2.5.
func TestNativeListOfItsOwnName(t *testing.T) {
	k := newKit(t, api.Options{})
	site := packages(t, map[string][]byte{"solo.zip": so(t, "solo", "ok")})
	const all, one = "/plugins/functions", "/plugins/functions/solo"
	file := `"file":"` + site + `/solo.zip"`
	bare, listed := `{"name":"solo","version":""}`, `{"functions":["solo"],"name":"solo","version":""}`
	k.steps(t, []step{
		{"without a list", "POST", all, `{"name":"solo",` + file + `}`, 201, text, `functions plugin solo is created`},
		{"shows none", "GET", one, "", 200, js, bare},
		{"register", "POST", one + "/register", `{"functions":["solo"]}`, 200, text, `function plugin solo function list is registered`},
		{"shows it", "GET", one, "", 200, js, listed},
		{"update without", "PUT", one, `{` + file + `}`, 200, text, `plugin solo is updated` + restart},
		{"shows none again", "GET", one, "", 200, js, bare},
		{"update with", "PUT", one, `{"functions":["solo"],` + file + `}`, 200, text, `plugin solo is updated` + restart},
		{"shows it again", "GET", one, "", 200, js, listed},
	})
}
