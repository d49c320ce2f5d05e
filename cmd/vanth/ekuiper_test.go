package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wireRequest is a request as it was on the wire.
type wireRequest struct {
	Line, Kind, Body string
	Size             int64
}

// wireServer is a server that gives one answer and keeps the last request.
type wireServer struct {
	*httptest.Server
	last wireRequest
}

func newWireServer(t *testing.T, status int, answer string) *wireServer {
	t.Helper()
	w := &wireServer{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.last = wireRequest{r.Method + " " + r.RequestURI, r.Header.Get("Content-Type"), string(b), r.ContentLength}
		rw.WriteHeader(status)
		io.WriteString(rw, answer)
	}))
	t.Cleanup(w.Close)
	return w
}

// writeFiles makes a folder with files in it.
func writeFiles(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ekuiperFiles makes the folder that DIR is in the cases below. Their arguments
// are split at "|".
func ekuiperFiles(t *testing.T) string {
	return writeFiles(t, map[string]string{
		"p.json": `{"file":"http://x/p.zip","shellParas":["a"]}`,
		"f.json": `{"functions":["f","g"]}`,
		"p.zip":  "PK\x03\x04",
		"empty":  "",
	})
}

func jsonBody(line, body string) wireRequest {
	return wireRequest{line, "application/json", body, int64(len(body))}
}

func TestEKuiperCommands(t *testing.T) {
	dir := ekuiperFiles(t)
	const archive = "PK\x03\x04"
	for _, c := range []struct {
		name, args string
		status     int
		answer     string
		want       wireRequest
		out        string
	}{
		{
			"create", `create|plugin|source|random|{"file":"http://x/r.zip","shellParas":["a b"]}`, 201, "sources plugin random is created",
			jsonBody("POST /plugins/sources", `{"file":"http://x/r.zip","name":"random","shellParas":["a b"]}`),
			"Plugin random is created.\n",
		},
		{
			"the name argument wins", `create|plugin|sink|file|{"NAME":"b","name":"a","File":"http://x/r.zip"}`, 201, "",
			jsonBody("POST /plugins/sinks", `{"File":"http://x/r.zip","name":"file"}`),
			"Plugin file is created.\n",
		},
		{
			"unknown keys are passed on", `create|plugin|function|echo|{"file":"http://x/r.zip","functions":["f"],"z":12345678901234567890}`, 201, "",
			jsonBody("POST /plugins/functions", `{"file":"http://x/r.zip","functions":["f"],"name":"echo","z":12345678901234567890}`),
			"Plugin echo is created.\n",
		},
		{
			"create from a file", `create|plugin|portable|p|-f|DIR/p.json`, 201, "",
			jsonBody("POST /plugins/portables", `{"file":"http://x/p.zip","name":"p","shellParas":["a"]}`),
			"Creating a new plugin from file DIR/p.json.\nPlugin p is created.\n",
		},
		{
			"create from a file, long flag", `create|plugin|wasm|p|--file=DIR/p.json`, 201, "",
			jsonBody("POST /plugins/wasm", `{"file":"http://x/p.zip","name":"p","shellParas":["a"]}`),
			"Creating a new plugin from file DIR/p.json.\nPlugin p is created.\n",
		},
		{
			"create from a file as JSON", `create|plugin|wasm|p|-f|DIR/p.json|-o|json`, 201, "",
			jsonBody("POST /plugins/wasm", `{"file":"http://x/p.zip","name":"p","shellParas":["a"]}`),
			"\"Plugin p is created.\"\n",
		},
		{
			"-zf", `create|plugin|wasm|p|-zf|DIR/p.zip`, 201, "",
			wireRequest{"POST /plugins/wasm?name=p", "application/zip", archive, 4},
			"Plugin p is created.\n",
		},
		{
			"-zf before the arguments", `create|plugin|-zf|DIR/p.zip|source|p`, 201, "",
			wireRequest{"POST /plugins/sources?name=p", "application/zip", archive, 4},
			"Plugin p is created.\n",
		},
		{
			"-zf with =", `create|plugin|source|p|-zf=DIR/p.zip`, 201, "",
			wireRequest{"POST /plugins/sources?name=p", "application/zip", archive, 4},
			"Plugin p is created.\n",
		},
		{
			"--zipfile", `create|plugin|function|p|--zipfile|DIR/p.zip`, 201, "",
			wireRequest{"POST /plugins/functions?name=p", "application/zip", archive, 4},
			"Plugin p is created.\n",
		},
		{"show names", `show|plugins|source`, 200, `["random","file"]`, wireRequest{Line: "GET /plugins/sources"}, "file\nrandom\n"},
		{"show names as JSON", `show|plugins|sink|-o|json`, 200, `["b","a"]`, wireRequest{Line: "GET /plugins/sinks"}, "[\n  \"a\",\n  \"b\"\n]\n"},
		{"show none", `show|plugins|function`, 200, `[]`, wireRequest{Line: "GET /plugins/functions"}, "No plugin is found.\n"},
		{"show none as JSON", `show|plugins|function|-o|json`, 200, `null`, wireRequest{Line: "GET /plugins/functions"}, "[]\n"},
		{
			"names do not steer the terminal", `show|plugins|function`, 200, `["a\u001b[2J\nb"]`,
			wireRequest{Line: "GET /plugins/functions"},
			"a?[2J?b\n",
		},
		{
			"show portables", `show|plugins|portable`, 200, `[{"name":"b","sources":null},{"name":"a"}]`,
			wireRequest{Line: "GET /plugins/portables"},
			`[{"name":"b","sources":null},{"name":"a"}]` + "\n",
		},
		{"show no wasm", `show|plugins|wasm`, 200, "[]", wireRequest{Line: "GET /plugins/wasm"}, "[]\n"},
		{"show wasm as JSON", `show|plugins|wasm|-o|json`, 200, `[{"b":1}]`, wireRequest{Line: "GET /plugins/wasm"}, "[\n  {\n    \"b\": 1\n  }\n]\n"},
		{
			"describe", `describe|plugin|function|echo`, 200, `{"functions":["f"],"name":"echo","version":"1.0.0"}`,
			wireRequest{Line: "GET /plugins/functions/echo"},
			"{\n  \"functions\": [\n    \"f\"\n  ],\n  \"name\": \"echo\",\n  \"version\": \"1.0.0\"\n}\n",
		},
		{"describe as JSON", `describe|plugin|wasm|geo|-o|json`, 200, `{"b":"<","a":2}`, wireRequest{Line: "GET /plugins/wasm/geo"}, "{\n  \"b\": \"<\",\n  \"a\": 2\n}\n"},
		{
			"drop", `drop|plugin|source|random`, 200, "sources plugin random is deleted and so on",
			wireRequest{Line: "DELETE /plugins/sources/random"},
			"Plugin random is dropped and Kuiper must restart for the change to take effect.\n",
		},
		{
			"drop -s false", `drop|plugin|sink|file|-s|false`, 200, "",
			wireRequest{Line: "DELETE /plugins/sinks/file"},
			"Plugin file is dropped and Kuiper must restart for the change to take effect.\n",
		},
		{
			"drop -s true", `drop|plugin|function|echo|-s|true`, 200, "",
			wireRequest{Line: "DELETE /plugins/functions/echo?stop=1"},
			"Plugin echo is dropped and Kuiper will be stopped.\n",
		},
		{"drop portable", `drop|plugin|portable|p`, 200, "", wireRequest{Line: "DELETE /plugins/portables/p"}, "Plugin p is dropped .\n"},
		{"drop wasm, which stops nothing", `drop|plugin|wasm|p|--stop=true`, 200, "", wireRequest{Line: "DELETE /plugins/wasm/p"}, "Plugin p is dropped .\n"},
		{
			"register", `register|plugin|function|m|{"functions":["f","g"],"name":"x"}`, 200, "function plugin m function list is registered",
			jsonBody("POST /plugins/functions/m/register", `{"functions":["f","g"]}`), "Plugin m is created.\n",
		},
		{
			"register from a file", `register|plugin|function|m|-f|DIR/f.json`, 200, "",
			jsonBody("POST /plugins/functions/m/register", `{"functions":["f","g"]}`),
			"Creating a new plugin from file DIR/f.json.\nPlugin m is created.\n",
		},
		{"show udfs", `show|udfs`, 200, `["g","f"]`, wireRequest{Line: "GET /plugins/udfs"}, "f\ng\n"},
		{"show no udfs", `show|udfs`, 200, `[]`, wireRequest{Line: "GET /plugins/udfs"}, "No udf is found.\n"},
		{
			"describe udf", `describe|udf|f`, 200, `{"name":"f","plugin":"m"}`,
			wireRequest{Line: "GET /plugins/udfs/f"},
			"{\n  \"name\": \"f\",\n  \"plugin\": \"m\"\n}\n",
		},
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

// TestEKuiperRefusals holds what a server's refusal becomes: eKuiper's line and
// our exit code.
func TestEKuiperRefusals(t *testing.T) {
	const create = `create|plugin|source|r|{"file":"http://x/r.zip"}`
	const register = `register|plugin|function|m|{"functions":["f"]}`
	for _, c := range []struct {
		name, args string
		status     int
		answer     string
		code       int
		line       string
	}{
		{"duplicate", create, 400, `{"error":1000,"message":"sources plugins create command error: invalid name r: duplicate"}`, exitFailed, "Create plugin error: invalid name r: duplicate"},
		{"bad portable", `create|plugin|portable|p|{"file":"ftp://x"}`, 400, `{"error":1000,"message":"portable plugin create command error: invalid uri ftp://x"}`, exitFailed, "Create plugin error: invalid uri ftp://x"},
		{"bad name", create, 400, `{"error":1000,"message":"id 'r' is bad"}`, exitFailed, "Create plugin error: id 'r' is bad"},
		{"an error within is kept whole", create, 400, `{"error":1000,"message":"plugin: unpack error: a error: b"}`, exitFailed, "Create plugin error: plugin: unpack error: a error: b"},
		{"no token", create, 401, "validate token error: expired\n", exitFailed, "Create plugin error: validate token error: expired: set --token or VANTH_TOKEN"},
		{"no such class", `show|plugins|source`, 404, "404 page not found\n", exitFailed, "Show plugin error: the server has no /plugins/sources: it is no Vanth server, or its build has no such class of plugins"},
		{"strange names", `show|plugins|source`, 200, `[1]`, exitFailed, "Show plugin error: the server's answer is not understood: \"[1]\": is it a Vanth server of this version?"},
		{"strange objects", `show|plugins|wasm`, 200, `{}`, exitFailed, "Show plugin error: the server's answer is not understood: \"{}\": is it a Vanth server of this version?"},
		{"strange object", `describe|plugin|wasm|a`, 200, `[]`, exitFailed, "Describe plugin error: the server's answer is not understood: \"[]\": is it a Vanth server of this version?"},
		{"describe unknown", `describe|plugin|sink|a`, 404, `{"error":1002,"message":"describe sinks plugin a error: not found"}`, exitNotFound, "Describe plugin error: not found"},
		{"describe unknown wasm", `describe|plugin|wasm|a`, 404, `{"error":1002,"message":"describe wasm plugin a error: not found"}`, exitNotFound, "Describe plugin error: not found"},
		{"drop unknown", `drop|plugin|sink|a`, 404, `{"error":1002,"message":"delete sinks plugin a error: invalid name a: not exist"}`, exitNotFound, "Drop plugin error: invalid name a: not exist"},
		{"drop unknown portable", `drop|plugin|portable|a`, 400, `{"error":1000,"message":"delete portable plugin a error: portable plugin a is not found"}`, exitNotFound, "Drop plugin error: portable plugin a is not found"},
		{"register unknown", register, 404, `{"error":1002,"message":"register functions plugin m error: not found"}`, exitNotFound, "Register plugin functions error: not found"},
		{"register clash", register, 400, `{"error":1000,"message":"function plugins m regiser functions error: function name f already exists"}`, exitFailed, "Register plugin functions error: function name f already exists"},
		{"udfs", `show|udfs`, 500, "broken", exitFailed, "Show UDFs error: broken"},
		{"udf unknown", `describe|udf|f`, 404, `{"error":1002,"message":"describe function f error: not found"}`, exitNotFound, "Describe udf error: not found"},
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

// TestEKuiperUsage holds what is refused before a server is asked.
func TestEKuiperUsage(t *testing.T) {
	dir := ekuiperFiles(t)
	const oneOf = "needs exactly one of JSON, -f FILE and -zf ZIP"
	for _, c := range []struct {
		name, args string
		code       int
		says       string
	}{
		{"no file", `create|plugin|source|r|{}`, exitUsage, "vanth: Create plugin error: Missing plugin file url.\n"},
		{"no text", `create|plugin|source|r|`, exitUsage, "vanth: Create plugin error: Missing plugin file url.\n"},
		{"null", `create|plugin|source|r|null`, exitUsage, "vanth: Create plugin error: Missing plugin file url.\n"},
		{"empty file", `create|plugin|source|r|-f|DIR/empty`, exitUsage, "vanth: Create plugin error: Missing plugin file url.\n"},
		{"no JSON", `create|plugin|source|r|x`, exitUsage, "vanth: Create plugin error: Parse plugin x error : invalid character 'x' looking for beginning of value.\n"},
		{"no object", `create|plugin|source|r|[]`, exitUsage, "vanth: Create plugin error: Parse plugin [] error : "},
		{"JSON that steers the terminal", "create|plugin|source|r|\x1b[2J", exitUsage, "Parse plugin ?[2J error"},
		{"bad type", `create|plugin|sources|r|{}`, exitUsage, `vanth: Invalid plugin type sources, should be "source", "sink", "function" or "portable" or "wasm".` + "\n"},
		{"bad name", `create|plugin|wasm|a/b|{}`, exitUsage, "vanth: Create plugin error: id 'a/b' contains invalid characters"},
		{"no name", `create|plugin|wasm`, exitUsage, "takes TYPE, NAME and JSON, found 1 arguments"},
		{"too much", `create|plugin|wasm|a|{}|b`, exitUsage, "found 4 arguments"},
		{"no origin", `create|plugin|wasm|a`, exitUsage, oneOf},
		{"JSON and -f", `create|plugin|wasm|a|{}|-f|DIR/p.json`, exitUsage, oneOf},
		{"-f and -zf", `create|plugin|wasm|a|-f|DIR/p.json|-zf|DIR/p.zip`, exitUsage, oneOf},
		{"-zf and -f", `create|plugin|wasm|a|-zf|DIR/p.zip|-f|DIR/p.json`, exitUsage, oneOf},
		{"-f and --zipfile", `create|plugin|wasm|a|-f|DIR/p.json|--zipfile|DIR/p.zip`, exitUsage, oneOf},
		{"-z alone", `create|plugin|wasm|a|{}|-z`, exitUsage, oneOf},
		{"-z and --zipfile", `create|plugin|wasm|a|-z|--zipfile|DIR/p.zip`, exitUsage, oneOf},
		{"-zf without a file", `create|plugin|wasm|a|-zf`, exitUsage, "flag needs an argument: 'f' in -f"},
		{"an archive behind -f", `create|plugin|wasm|a|-f|DIR/p.zip`, exitUsage, "DIR/p.zip is an archive: send it with --zipfile"},
		{"folder as archive", `create|plugin|wasm|a|-zf|DIR`, exitUsage, "--zipfile: DIR is no file"},
		{"no such definition", `create|plugin|wasm|a|-f|DIR/none`, exitFailed, "vanth: Create plugin error: --file: open DIR/none: "},
		{"no such archive", `create|plugin|wasm|a|-zf|DIR/none`, exitFailed, "vanth: Create plugin error: --zipfile: open DIR/none: "},
		{"empty archive name", `create|plugin|wasm|a|-zf|`, exitFailed, "--zipfile: open : "},
		{"empty long archive name", `create|plugin|wasm|a|--zipfile|`, exitFailed, "--zipfile: open : "},

		{"show without type", `show|plugins`, exitUsage, "takes TYPE, found 0 arguments"},
		{"show bad type", `show|plugins|x`, exitUsage, "Invalid plugin type x"},
		{"show udfs of a type", `show|udfs|x`, exitUsage, "unknown command"},
		{"describe bad name", `describe|plugin|wasm|`, exitUsage, "vanth: Describe plugin error: id cannot be empty\n"},
		{"describe bad udf", `describe|udf|a/b`, exitUsage, "vanth: Describe udf error: id 'a/b' contains"},
		{"describe without udf", `describe|udf`, exitUsage, "needs a name"},
		{"drop without name", `drop|plugin|wasm`, exitUsage, "takes TYPE and NAME, found 1 arguments"},
		{"drop bad stop", `drop|plugin|wasm|a|-s|perhaps`, exitUsage, "vanth: Expect s flag to be a boolean value.\n"},
		{"drop bad name", `drop|plugin|wasm|a b`, exitUsage, "vanth: Drop plugin error: id 'a b' contains"},
		{"register no list", `register|plugin|function|m|{}`, exitUsage, "vanth: Register plugin functions error: Missing function list.\n"},
		{"register empty list", `register|plugin|function|m|{"functions":[]}`, exitUsage, "vanth: Register plugin functions error: Missing function list.\n"},
		{"register no texts", `register|plugin|function|m|{"functions":"x"}`, exitUsage, `vanth: Register plugin functions error: Parse plugin {"functions":"x"} error : `},
		{"register bad name", `register|plugin|function|a/b|{"functions":["f"]}`, exitUsage, "vanth: Register plugin functions error: id 'a/b' contains"},
		{"register other type", `register|plugin|source|m|{}`, exitUsage, "vanth: Plugin type must be function.\n"},
		{"register no origin", `register|plugin|function|m`, exitUsage, "needs exactly one of JSON and -f FILE"},
		{"register an archive", `register|plugin|function|m|-zf|DIR/p.zip`, exitUsage, "unknown shorthand flag: 'z' in -zf"},
		{"group alone", `drop`, exitUsage, "vanth drop needs a command"},
		{"another word", `create|table|t`, exitUsage, `vanth create has no command "table"`},
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

func TestEKuiperUnreachable(t *testing.T) {
	gone := newWireServer(t, 200, "")
	gone.Close()
	for _, args := range []string{`show|udfs`, `drop|plugin|wasm|a`, `create|plugin|wasm|a|{"file":"http://x/a.zip"}`} {
		code, out, errs := vanth(t, nil, append([]string{"--server", gone.URL}, strings.Split(args, "|")...)...)
		if code != exitUnreachable || !strings.HasPrefix(errs, "vanth: cannot reach "+gone.URL) || out != "" {
			t.Errorf("%s: got %d %q %q", args, code, out, errs)
		}
	}
}

func TestEKuiperHelp(t *testing.T) {
	for _, args := range []string{
		"create plugin", "show plugins", "show udfs", "describe plugin", "describe udf", "drop plugin", "register plugin",
		"create rule", "create stream", "show rules", "show streams", "describe rule", "describe stream", "drop rule", "drop stream",
		"start rule", "stop rule", "restart rule", "validate rule", "getstatus rule", "gettopo rule",
	} {
		code, out, _ := vanth(t, nil, append(strings.Fields(args), "--help")...)
		if code != exitOK || !strings.Contains(out, exitHelp) {
			t.Errorf("%s: got %d %s", args, code, out)
		}
		if typed := strings.Contains(out, "TYPE is source, sink, function, portable, wasm."); typed != strings.Contains(out, args+" TYPE") {
			t.Errorf("%s: says what TYPE is: %t", args, typed)
		}
	}
}

func TestEKuiperCompletion(t *testing.T) {
	const types = "source\nsink\nfunction\nportable\nwasm\n:4\n"
	w := newWireServer(t, 200, `["b",{"name":"a"}]`)
	for _, c := range []struct{ args, line, want string }{
		{"create plugin ", "", types},
		{"create plugin wasm ", "", ":4\n"},
		{"show plugins ", "", types},
		{"show plugins wasm ", "", ":4\n"},
		{"show udfs ", "", ":4\n"},
		{"describe plugin ", "", types},
		{"describe plugin sink ", "GET /plugins/sinks", "b\na\n:4\n"},
		{"describe plugin x ", "", ":4\n"},
		{"describe udf ", "GET /plugins/udfs", "b\na\n:4\n"},
		{"drop plugin portable ", "GET /plugins/portables", "b\na\n:4\n"},
		{"drop plugin portable a ", "", ":4\n"},
		{"drop plugin portable a -s ", "", "true\nfalse\n:4\n"},
		{"register plugin ", "", "function\n:4\n"},
		{"register plugin function ", "GET /plugins/functions", "b\na\n:4\n"},
	} {
		w.last = wireRequest{}
		code, out, errs := vanth(t, nil, append([]string{"__complete", "--server", w.URL}, strings.Split(c.args, " ")...)...)
		if code != exitOK || out != c.want || w.last.Line != c.line {
			t.Errorf("%q: got %d %q, asked %q, %s", c.args, code, out, w.last.Line, errs)
		}
	}
}

// TestEKuiperAgainstServer walks a plugin's life through a running server.
func TestEKuiperAgainstServer(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts the binary")
	}
	dir := writeFiles(t, map[string]string{"echo.zip": string(versioned(t, "echo", 7))})
	p := startServe(t, filepath.Join(t.TempDir(), "home"))
	for _, c := range []struct {
		args string
		code int
		out  string // how it begins
		errs string
	}{
		{`show|plugins|wasm`, exitOK, "[]\n", ""},
		{`create|plugin|wasm|echo|-zf|DIR/echo.zip`, exitOK, "Plugin echo is created.\n", ""},
		{`create|plugin|wasm|echo|-zf|DIR/echo.zip`, exitFailed, "", "vanth: Create plugin error: invalid name echo: duplicate\n"},
		{`show|plugins|wasm`, exitOK, `[{"name":"echo","version":"7",`, ""},
		{`describe|plugin|wasm|echo`, exitOK, "{\n  \"name\": \"echo\",\n  \"version\": \"7\",\n", ""},
		{`drop|plugin|wasm|echo|-s|false`, exitOK, "Plugin echo is dropped .\n", ""},
		{`drop|plugin|wasm|echo`, exitNotFound, "", "vanth: Drop plugin error: wasm plugin echo is not found\n"},
		{`describe|plugin|wasm|echo`, exitNotFound, "", "vanth: Describe plugin error: not found\n"},
	} {
		args := strings.Split(strings.ReplaceAll(c.args, "DIR", dir), "|")
		code, out, errs := vanth(t, []string{"VANTH_SERVER=" + p.address}, args...)
		if code != c.code || errs != c.errs || !strings.HasPrefix(out, c.out) {
			t.Errorf("%s: got %d %q %q, want %d %q %q", c.args, code, out, errs, c.code, c.out, c.errs)
		}
	}
}
