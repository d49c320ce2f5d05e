package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seen is a request as a fake server saw it.
type seen struct {
	Method, Path, Token, Kind string
	Query                     string
	JSON                      any
	Form                      map[string][]string
	Archive                   string
}

// fake is a server that gives one answer and keeps the last request.
type fake struct {
	*httptest.Server
	last seen
}

func newFake(t *testing.T, status int, answer string) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.last = see(t, r)
		w.WriteHeader(status)
		io.WriteString(w, answer)
	}))
	t.Cleanup(f.Close)
	return f
}

func see(t *testing.T, r *http.Request) seen {
	s := seen{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Token: r.Header.Get("Authorization"), Kind: r.Header.Get("Content-Type")}
	switch {
	case strings.HasPrefix(s.Kind, "multipart/"):
		s.Kind = "form"
		if r.ContentLength <= 0 {
			t.Error("an upload does not say how long it is")
		}
		form, err := r.MultipartReader()
		if err != nil {
			t.Error(err)
			return s
		}
		s.Form = map[string][]string{}
		for {
			p, err := form.NextPart()
			if err != nil {
				return s
			}
			if s.Archive != "" {
				t.Errorf("field %s stands behind the archive", p.FormName())
			}
			b, _ := io.ReadAll(p)
			if p.FormName() == "file" {
				s.Archive = string(b)
			} else {
				s.Form[p.FormName()] = append(s.Form[p.FormName()], string(b))
			}
		}
	case s.Kind != "":
		if err := json.NewDecoder(r.Body).Decode(&s.JSON); err != nil {
			t.Error(err)
		}
	}
	return s
}

// vanth runs a command line.
func vanth(t *testing.T, vars []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, env{in: strings.NewReader(""), out: &o, err: &e, vars: vars})
	return code, o.String(), e.String()
}

func TestCommands(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "geo.zip")
	if err := os.WriteFile(archive, []byte("PK"), 0o600); err != nil {
		t.Fatal(err)
	}
	const plugins = `[{"name":"geo","version":"1.0","functions":["a","b"],"status":"running"},` +
		`{"name":"bad","version":"2","functions":null,"status":"broken","errMsg":"no\nmemory \u001b[2J"}]`
	const functions = `[{"name":"a","plugin":"geo","version":"1.0","status":"running","signature":{"text":"(f64) -> f64"}}]`
	for _, c := range []struct {
		name   string
		args   string // ZIP is replaced
		status int
		answer string
		want   seen
		out    string
	}{
		{
			"list", "plugin list", 200, plugins,
			seen{Method: "GET", Path: "/plugins/wasm"},
			"NAME  VERSION  FUNCTIONS  STATUS   ERRMSG\n" +
				"geo   1.0      a,b        running  -\n" +
				"bad   2        -          broken   no memory ?[2J\n",
		},
		{
			"list of a class", "plugin list --class portables", 200, "[]",
			seen{Method: "GET", Path: "/plugins/portables"},
			"NAME  VERSION  FUNCTIONS  STATUS  ERRMSG\n",
		},
		{
			"status", "plugin status mirror", 200, `{"refCount":{"r":1},"status":"running","errMsg":"","pid":7}`,
			seen{Method: "GET", Path: "/plugins/portables/mirror/status"},
			"refCount:  {\"r\":1}\nstatus:    running\nerrMsg:    -\npid:       7\n",
		},
		{
			"restart", "plugin restart mirror", 200, `portable plugin mirror is restarted`,
			seen{Method: "POST", Path: "/plugins/portables/mirror/restart"},
			"portable plugin mirror is restarted\n",
		},
		{
			"logs", "plugin logs mirror --tail 2", 200, "one\ntwo \x1b[2J\n",
			seen{Method: "GET", Path: "/plugins/portables/mirror/logs", Query: "tail=2"},
			"one\ntwo ?[2J\n",
		},
		{
			"logs as they come", "plugin logs mirror -f", 200, "one\ntwo\n",
			seen{Method: "GET", Path: "/plugins/portables/mirror/logs", Query: "follow=1&tail=100"},
			"one\ntwo\n",
		},
		{
			"list of names", "plugin list", 200, `["x"]`,
			seen{Method: "GET", Path: "/plugins/wasm"},
			"NAME  VERSION  FUNCTIONS  STATUS  ERRMSG\nx     -        -          -       -\n",
		},
		{
			"list as JSON", "plugin list -o json", 200, `[{"b":1,"a":"<"}]`,
			seen{Method: "GET", Path: "/plugins/wasm"},
			"[\n  {\n    \"b\": 1,\n    \"a\": \"<\"\n  }\n]\n",
		},
		{
			"describe", "plugin describe geo", 200, `{"name":"geo","z":1,"functions":["a"],"sig":{"b":[1, 2]}}`,
			seen{Method: "GET", Path: "/plugins/wasm/geo"},
			"name:       geo\nz:          1\nfunctions:  a\nsig:        {\"b\":[1,2]}\n",
		},
		{
			"delete", "plugin delete geo", 200, "wasm plugin geo is deleted",
			seen{Method: "DELETE", Path: "/plugins/wasm/geo"},
			"wasm plugin geo is deleted\n",
		},
		{"a name is escaped", "plugin delete ../a?b", 200, "done", seen{Method: "DELETE", Path: "/plugins/wasm/..%2Fa%3Fb"}, "done\n"},
		{"delete as JSON", "plugin delete geo -o json", 200, "done", seen{Method: "DELETE", Path: "/plugins/wasm/geo"}, "\"done\"\n"},
		{
			"create from a URL", "plugin create geo --url http://x/geo.zip --sha256 ab --shell-paras a,b --shell-paras c", 201, "created",
			seen{Method: "POST", Path: "/plugins/wasm", Kind: "application/json", JSON: map[string]any{
				"name": "geo", "file": "http://x/geo.zip", "sha256": "ab", "shellParas": []any{"a,b", "c"},
			}},
			"created\n",
		},
		{
			"create from a file", "plugin create geo --file ZIP --sha256 ab --shell-paras a --shell-paras b", 201, "created",
			seen{Method: "POST", Path: "/plugins/wasm", Kind: "form", Archive: "PK", Form: map[string][]string{
				"name": {"geo"}, "sha256": {"ab"}, "shellParas": {"a", "b"},
			}},
			"created\n",
		},
		{
			"update from a file", "plugin update geo --file ZIP", 200, "updated",
			seen{Method: "PUT", Path: "/plugins/wasm/geo", Kind: "form", Archive: "PK", Form: map[string][]string{"name": {"geo"}}},
			"updated\n",
		},
		{
			"functions", "function list", 200, functions,
			seen{Method: "GET", Path: "/functions"},
			"NAME  PLUGIN  VERSION  STATUS   SIGNATURE\na     geo     1.0      running  (f64) -> f64\n",
		},
		{"function", "function describe a", 200, `{"name":"a"}`, seen{Method: "GET", Path: "/functions/a"}, "name:  a\n"},
		{
			"call", `call a 1 -2.5 x "1" [1] null 12345678901234567890`, 200, `{"result":12345678901234567890}`,
			seen{Method: "POST", Path: "/functions/a/call", Kind: "application/json", JSON: map[string]any{
				"args": []any{1.0, -2.5, "x", "1", []any{1.0}, nil, 12345678901234567890.0},
			}},
			"12345678901234567890\n",
		},
		{
			"call without arguments", "call a", 200, `{"result":"te\"xt"}`,
			seen{Method: "POST", Path: "/functions/a/call", Kind: "application/json", JSON: map[string]any{"args": []any{}}},
			"te\"xt\n",
		},
		{
			"call as JSON", "-o json call a", 200, `{"result":{"b":1}}`,
			seen{Method: "POST", Path: "/functions/a/call", Kind: "application/json", JSON: map[string]any{"args": []any{}}},
			"{\n  \"b\": 1\n}\n",
		},
		{
			"call that returns null", "call a", 200, `{"result":null}`,
			seen{Method: "POST", Path: "/functions/a/call", Kind: "application/json", JSON: map[string]any{"args": []any{}}},
			"null\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, c.status, c.answer)
			args := strings.Fields(strings.ReplaceAll(c.args, "ZIP", archive))
			code, out, errs := vanth(t, []string{"VANTH_TOKEN=secret"}, append([]string{"--server", f.URL}, args...)...)
			if code != exitOK || errs != "" {
				t.Fatalf("exit code %d: %s", code, errs)
			}
			c.want.Token = "secret"
			if diff := cmp.Diff(c.want, f.last); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.out, out); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   string
		status int
		answer string
		code   int
		says   string
	}{
		{"good", "plugin list", 200, "[]", exitOK, ""},
		{"server error", "plugin create geo --url http://x/y.zip", 400, `{"error":1000,"message":"wasm plugin create command error: no"}`, exitFailed, "vanth: wasm plugin create command error: no\n"},
		{"server error in plain text", "plugin list", 500, "broken\n", exitFailed, "vanth: broken\n"},
		{"server error that steers the terminal", "plugin list", 500, "a\x1b[2Jb\n", exitFailed, "vanth: a?[2Jb\n"},
		{"server error without words", "plugin list", 502, "", exitFailed, "the server answered 502 Bad Gateway"},
		{"no token", "plugin list", 401, "missing_token\n", exitFailed, "missing_token: set --token or VANTH_TOKEN"},
		{"404", "function describe a", 404, `{"error":6002,"message":"function a: not found"}`, exitNotFound, "function a: not found"},
		{"no such route", "plugin list --class sinks", 404, "404 page not found\n", exitFailed, "the server has no /plugins/sinks"},
		{"eKuiper's code", "plugin describe a", 400, `{"error":1002,"message":"m"}`, exitNotFound, "m"},
		{"eKuiper's delete", "plugin delete a", 400, `{"error":1000,"message":"delete wasm plugin a error: wasm plugin a is not found"}`, exitNotFound, "is not found"},
		{"strange answer", "plugin list", 200, "<html>", exitFailed, "is not understood"},
		{"strange call", "call a", 200, "{}", exitFailed, "is not understood"},
		{"strange object", "plugin describe a", 200, "[]", exitFailed, "is not understood"},

		{"no command", "", 0, "", exitUsage, "vanth needs a command"},
		{"unknown command", "plugn", 0, "", exitUsage, `no command "plugn"; nearest: plugin`},
		{"unknown subcommand", "plugin creat", 0, "", exitUsage, `nearest: create`},
		{"group alone", "function", 0, "", exitUsage, "vanth function needs a command"},
		{"unknown flag", "plugin list --frob", 0, "", exitUsage, "unknown flag: --frob"},
		{"no name", "plugin describe", 0, "", exitUsage, "needs a name"},
		{"two names", "plugin describe a b", 0, "", exitUsage, "takes one name, found 2"},
		{"arguments for list", "plugin list a", 0, "", exitUsage, "unknown command"},
		{"no source", "plugin create a", 0, "", exitUsage, "either --file or --url"},
		{"both sources", "plugin create a --file a --url b", 0, "", exitUsage, "either --file or --url"},
		{"bad name", "plugin create a/b --url b", 0, "", exitUsage, "contains invalid characters"},
		{"no such file", "plugin create a --file /nowhere.zip", 0, "", exitFailed, "--file: open /nowhere.zip"},
		{"folder as file", "plugin create a --file /", 0, "", exitUsage, "vanth plugin pack"},
		{"bad output", "plugin list -o xml", 0, "", exitUsage, `--output: found "xml"`},
		{"bad output of version", "version -o xml", 0, "", exitUsage, `--output: found "xml"`},
		{"bad server", "plugin list --server ftp://x", 0, "", exitUsage, "expected http://host:port"},
		{"unparsable server", "plugin list --server http://[", 0, "", exitUsage, "--server"},
		{"bad timeout", "plugin list --timeout x", 0, "", exitUsage, "--timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, c.status, c.answer)
			code, _, errs := vanth(t, []string{"VANTH_SERVER=" + f.URL}, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("got %d %q, want %d with %q", code, errs, c.code, c.says)
			}
			if c.status == 0 && f.last.Method != "" {
				t.Error("the server was asked all the same")
			}
			if code == exitUsage && !strings.Contains(errs, "--help'") {
				t.Errorf("wrong usage without a pointer to the help: %q", errs)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	l.Close()
	for _, server := range []string{gone, "unix://" + filepath.Join(t.TempDir(), "none.sock")} {
		code, _, errs := vanth(t, nil, "--server", server, "plugin", "list")
		if code != exitUnreachable || !strings.Contains(errs, "cannot reach "+server) || !strings.Contains(errs, "vanth serve") {
			t.Errorf("%s: got %d %q", server, code, errs)
		}
	}
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	code, _, errs := vanth(t, nil, "--server", slow.URL, "--timeout", "50ms", "plugin", "list")
	if code != exitUnreachable || !strings.Contains(errs, "--timeout") {
		t.Errorf("slow server: got %d %q", code, errs)
	}
}

func TestUnixServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "[]")
	})}}
	s.Start()
	defer s.Close()
	if code, _, errs := vanth(t, nil, "--server", "unix://"+path, "plugin", "list"); code != exitOK {
		t.Errorf("got %d %q", code, errs)
	}
}

func TestCompletion(t *testing.T) {
	f := newFake(t, 200, `[{"name":"geo"},{"name":"wordcount"},{"name":"bad\nname"},{"x":1}]`)
	for _, c := range []struct{ args, path, want string }{
		{"plugin describe ", "/plugins/wasm", "geo\nwordcount\n:4\n"},
		{"plugin delete --class portables ", "/plugins/portables", "geo\nwordcount\n:4\n"},
		{"function describe ", "/functions", "geo\nwordcount\n:4\n"},
		{"call ", "/functions", "geo\nwordcount\n:4\n"},
		{"call geo ", "", ":4\n"},
		{"plugin list -o ", "", "table\njson\n:4\n"},
	} {
		f.last = seen{}
		args := append([]string{"__complete", "--server", f.URL}, strings.Split(c.args, " ")...)
		code, out, errs := vanth(t, nil, args...)
		if code != exitOK || out != c.want || f.last.Path != c.path {
			t.Errorf("%q: got %d %q, asked %q, %s", c.args, code, out, f.last.Path, errs)
		}
	}
	// Without a server there is nothing to propose, and nothing to complain of.
	if code, out, _ := vanth(t, []string{"VANTH_SERVER=http://127.0.0.1:1"}, "__complete", "call", ""); code != exitOK || out != ":4\n" {
		t.Errorf("no server: got %d %q", code, out)
	}
	if code, out, errs := vanth(t, nil, "completion", "bash"); code != exitOK || !strings.Contains(out, "__start_vanth") {
		t.Errorf("bash: got %d %s", code, errs)
	}
}

func TestHelpDocumentsExitCodes(t *testing.T) {
	code, out, _ := vanth(t, []string{"VANTH_TOKEN=secret"}, "--help")
	if code != exitOK || !strings.Contains(out, exitHelp) {
		t.Errorf("got %d %s", code, out)
	}
	if strings.Contains(out, "secret") {
		t.Error("help prints the token")
	}
}

func TestVersion(t *testing.T) {
	if code, out, _ := vanth(t, nil, "version"); code != exitOK || !strings.HasPrefix(out, "vanth "+thisBuild().Version+" go1.") || !strings.Contains(out, " cgo ") {
		t.Errorf("got %d %q", code, out)
	}
	var b build
	if code, out, _ := vanth(t, nil, "version", "-o", "json"); code != exitOK || json.Unmarshal([]byte(out), &b) != nil || b.OS == "" {
		t.Errorf("got %d %q", code, out)
	}
}
