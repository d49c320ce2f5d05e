//go:build linux

package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The contract_*_test.go files hold the running daemon, built with cgo, to
// ekuiper-contract.md, row by row, with real .so files. The number in front of a
// row's name is the section. Rows that eKuiper's authors marked as bugs say what
// is right instead; "pains" stands for users-pains.md, and "ours" for what the
// contract is silent about.

const (
	jsonKind = "application/json"
	textKind = "text/plain; charset=utf-8"
	plainRow = " and eKuiper must restart for the change to take effect."
	badChars = " contains invalid characters: only alphanumeric, hyphens and underscores are allowed"
)

// nativeClasses are the collections of native plugins, eKuiper's {T}.
func nativeClasses() []string { return []string{"sources", "sinks", "functions"} }

// answer is what a row is about. In its body {home} and {site} stand for this
// run's, and {sum} for a digest.
type answer struct {
	status     int
	kind, body string
}

// row is one line of the contract: a request with its answer. The request FILES
// DIR is answered by the names and contents of the files below that folder of the
// home, and by what is not there: nothing.
type row struct {
	name, request, send string
	answer
	deviates string // what the host does otherwise; "" when it keeps the contract
	now      answer // the answer for as long as it deviates
}

func is(name, request, send string, status int, kind, body string) row {
	return row{name: name, request: request, send: send, answer: answer{status, kind, body}}
}

// files is a row of what stands in a folder of the home.
func files(name, dir string, want ...string) row {
	return is(name, "FILES "+dir, "", 0, "", strings.Join(want, "\n"))
}

// but marks a row that the host does not keep, and how it answers instead. The
// row fails as soon as the host does anything else, the right thing included.
func (r row) but(why string, status int, kind, body string) row {
	r.deviates, r.now = why, answer{status, kind, body}
	return r
}

// bad is the body of an error. more is what the host says after the contract's
// sentence.
func bad(code int, sentence string, more ...string) string {
	text := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "\n", `\n`, "\a", `\u0007`).Replace(sentence + strings.Join(more, ""))
	return fmt.Sprintf("{\"error\":%d,\"message\":\"%s\"}\n", code, text)
}

// daemon is a running host with a download site beside it.
type daemon struct {
	*process
	peer *peer
	home string
	site string
}

// startDaemon starts the host with cgo under a configuration, and a site with
// the zips named.
func startDaemon(t *testing.T, home, config string, zips map[string][]byte) *daemon {
	t.Helper()
	nativeBinary(t)
	d := &daemon{home: home}
	if err := errors.Join(os.MkdirAll(filepath.Join(home, "etc"), 0o755), os.MkdirAll(filepath.Join(home, "data", "uploads"), 0o755),
		os.WriteFile(filepath.Join(home, "etc", "kuiper.yaml"), []byte(config), 0o644)); err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		var code int
		if n, _ := fmt.Sscanf(name, "status/%d", &code); n == 1 {
			w.WriteHeader(code)
			return
		}
		if name == "moved.zip" {
			http.Redirect(w, r, "/ok.zip", http.StatusFound)
			return
		}
		b, ok := zips[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(b)
	}))
	t.Cleanup(site.Close)
	d.site = site.URL
	d.process, d.peer = startNative(t, home)
	return d
}

// rows asks row after row, in an order in which one leads to the next.
func (d *daemon) rows(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			r.hold(t, d.ask(t, r.request, r.send, "application/x-www-form-urlencoded"))
		})
	}
	t.Logf("%d rows", len(rows))
}

// hold compares an answer with its row.
func (r row) hold(t *testing.T, got answer) {
	t.Helper()
	failed, noted := r.judge(got)
	if noted != "" {
		t.Log(noted)
	}
	if failed != "" {
		t.Error(failed)
	}
}

// judge says what is wrong with an answer, and how one that is not deviates.
func (r row) judge(got answer) (failed, noted string) {
	say := func(what string, a answer) string {
		return fmt.Sprintf("\n%-8s %d %q\n         %q", what, a.status, a.kind, a.body)
	}
	ask := r.request + " " + r.send
	switch {
	case r.deviates == "" && got == r.answer:
		return "", ""
	case r.deviates == "":
		return ask + say("contract", r.answer) + say("got", got), ""
	case got == r.answer:
		return fmt.Sprintf("%s keeps the contract now: take the mark %q away", ask, r.deviates), ""
	case got != r.now:
		return fmt.Sprintf("%s deviates, and not by %q", ask, r.deviates) + say("contract", r.answer) + say("marked", r.now) + say("got", got), ""
	}
	return "", "DEVIATES: " + r.deviates + "\n" + ask + say("contract", r.answer) + say("got", got)
}

// TestContractCanFail holds that rows notice every difference, and that a mark
// does not outlive what it marks.
func TestContractCanFail(t *testing.T) {
	r := is("x", "GET /", "", 200, textKind, "right")
	marked := r.but("why", 400, textKind, "wrong")
	for _, c := range []struct {
		row    row
		got    answer
		failed string
		noted  bool
	}{
		{r, r.answer, "", false},
		{r, answer{201, textKind, "right"}, "contract 200", false},
		{r, answer{200, jsonKind, "right"}, jsonKind, false},
		{r, answer{200, textKind, "right\n"}, `"right\n"`, false},
		{marked, marked.now, "", true},
		{marked, r.answer, "take the mark", false},
		{marked, answer{400, textKind, "other"}, "deviates, and not by", false},
	} {
		failed, noted := c.row.judge(c.got)
		if (failed == "") != (c.failed == "") || !strings.Contains(failed, c.failed) || (noted != "") != c.noted {
			t.Errorf("%+v: %q, %q; want %q, %t", c.got, failed, noted, c.failed, c.noted)
		}
	}
}

var digest = regexp.MustCompile(`[0-9a-f]{16}-`)

// ask sends a request, with a content type unless it is empty.
func (d *daemon) ask(t *testing.T, request, send, kind string) answer {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	if method == "FILES" {
		return answer{body: d.anonymous(tree(t, filepath.Join(d.home, path)))}
	}
	here := strings.NewReplacer("{site}", d.site, "{home}", d.home)
	req, err := http.NewRequest(method, d.address+path, strings.NewReader(here.Replace(send)))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := d.peer.http.Do(req)
	if err != nil {
		t.Fatalf("%v\n%s", err, d.log)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if plain := resp.Header.Get("X-Content-Type-Options"); resp.StatusCode/100 == 4 && len(b) > 0 && plain != "nosniff" {
		t.Errorf("1.1 error shape: X-Content-Type-Options is %q", plain)
	}
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), d.anonymous(string(b))}
}

// anonymous takes what differs from run to run out of a text.
func (d *daemon) anonymous(text string) string {
	return digest.ReplaceAllString(strings.NewReplacer(d.site, "{site}", d.home, "{home}").Replace(text), "{sum}-")
}

// tree lists the files below a folder, one a line, with the contents of those
// that are short.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		if len(b) < 300 {
			rel += "=" + string(b)
		}
		lines = append(lines, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// contractSymbols are what the plugin of these tests exports. Each is a source, a
// sink and a function at once, so that one file serves every collection.
func contractSymbols() []string {
	return []string{
		"Random", "Plain", "Box", "Many", "Prebuild", "ABC", "Broken",
		"Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta", "Eta", "Theta", "Iota", "Kappa", "Lambda", "Mu",
	}
}

// contractSource is the plugin: a function answers the name of its symbol and
// what tests wrote over "stamp...".
const contractSource = `package main

import "github.com/lf-edge/ekuiper/contract/v2/api"

var stamp = "stamp=00000000"

type all struct{ name string }

func (*all) Provision(api.StreamContext, map[string]any) error                          { return nil }
func (*all) Connect(api.StreamContext, api.StatusChangeHandler) error                   { return nil }
func (*all) Close(api.StreamContext) error                                              { return nil }
func (*all) Subscribe(api.StreamContext, api.TupleIngest, api.ErrorIngest) error        { return nil }
func (*all) Collect(api.StreamContext, api.MessageTuple) error                          { return nil }
func (*all) CollectList(api.StreamContext, api.MessageTupleList) error                  { return nil }
func (*all) Validate([]any) error                                                       { return nil }
func (a *all) Exec(api.FunctionContext, []any) (any, bool)                              { return a.name + " " + stamp[6:], true }
func (*all) IsAggregate() bool                                                          { return false }

func Wrong() any { return nil }

func main() {}

`

// contractSo returns the plugin, built once in a run, with a stamp on it.
func contractSo(t *testing.T, stamp int) []byte {
	t.Helper()
	nativeBinary(t)
	file := filepath.Join(built, "contract.so")
	if _, err := os.Stat(file); err != nil {
		source := contractSource
		for _, s := range contractSymbols() {
			source += fmt.Sprintf("var %s = all{%q}\n", s, s)
		}
		buildSo(t, file, "example.org/contract", source, "-trimpath")
	}
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stamped := bytes.Replace(code, []byte("stamp=00000000"), fmt.Appendf(nil, "stamp=%08d", stamp), 1)
	if stamp != 0 && bytes.Equal(stamped, code) {
		t.Fatal("no stamp to write over")
	}
	return stamped
}

// zipOf packs files given as name, content, name, content, in this order. Entries
// are stored; those under bin/ are executable.
func zipOf(t *testing.T, content ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(content); i += 2 {
		h := &zip.FileHeader{Name: content[i], Method: zip.Store}
		if strings.HasPrefix(content[i], "bin/") {
			h.SetMode(0o755)
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(w, content[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// formOf makes a form of fields given as name, value; the field file is a file.
func formOf(t *testing.T, fields ...string) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	f := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		create := f.CreateFormField
		if fields[i] == "file" {
			create = func(name string) (io.Writer, error) { return f.CreateFormFile(name, "x.zip") }
		}
		w, err := create(fields[i])
		if err == nil {
			_, err = io.WriteString(w, fields[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), f.FormDataContentType()
}

// at is the JSON that installs a zip of the site; rest goes on with more fields.
func at(name, zipName string, rest ...string) string {
	return fmt.Sprintf(`{"name":%q,"file":"{site}/%s"%s}`, name, zipName, strings.Join(rest, ""))
}
