package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The plugins of TestPairs: in each runtime a source of numbered rows, a function
// that returns its argument, and a sink.
const (
	pairsNative = `package main

import (
	"encoding/json"
	"os"
	"sync"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

type numbers struct{ count int }

func (s *numbers) Provision(_ api.StreamContext, p map[string]any) error {
	switch n := p["count"].(type) {
	case float64:
		s.count = int(n)
	case int:
		s.count = n
	}
	return nil
}
func (s *numbers) Connect(_ api.StreamContext, sch api.StatusChangeHandler) error { sch(api.ConnectionConnected, ""); return nil }
func (s *numbers) Close(api.StreamContext) error { return nil }
func (s *numbers) Subscribe(ctx api.StreamContext, ingest api.TupleIngest, _ api.ErrorIngest) error {
	for n := 1; n <= s.count && ctx.Err() == nil; n++ {
		ingest(ctx, map[string]any{"n": n}, nil, time.Now())
	}
	return nil
}

type same struct{}

func (same) Validate([]any) error { return nil }
func (same) Exec(_ api.FunctionContext, a []any) (any, bool) { return a[0], true }
func (same) IsAggregate() bool { return false }

type tray struct {
	mu   sync.Mutex
	path string
	file *os.File
}

func (s *tray) Provision(_ api.StreamContext, p map[string]any) error { s.path, _ = p["path"].(string); return nil }
func (s *tray) Connect(_ api.StreamContext, sch api.StatusChangeHandler) (err error) {
	s.file, err = os.Create(s.path)
	sch(api.ConnectionConnected, "")
	return err
}
func (s *tray) Close(api.StreamContext) error { return s.file.Close() }
func (s *tray) Collect(_ api.StreamContext, t api.MessageTuple) error { return s.write(t.ToMap()) }
func (s *tray) CollectList(_ api.StreamContext, l api.MessageTupleList) error {
	for _, m := range l.ToMaps() {
		if err := s.write(m); err != nil {
			return err
		}
	}
	return nil
}
func (s *tray) write(m map[string]any) error {
	b, err := json.Marshal(m)
	if err == nil {
		_, err = s.file.Write(append(b, '\n'))
	}
	return err
}

func Numnative() api.Source { return &numbers{} }
func Samenative() api.Function { return same{} }
func Traynative() api.Sink { return &tray{} }

func main() {}
`
	pairsPortable = `package main

import (
	"os"

	"github.com/vanth-io/vanth/sdk/go/api"
	"github.com/vanth-io/vanth/sdk/go/runtime"
)

type numbers struct{ count int }

func (s *numbers) Configure(_ string, p map[string]interface{}) error { n, _ := p["count"].(float64); s.count = int(n); return nil }
func (s *numbers) Open(ctx api.StreamContext, out chan<- api.SourceTuple, _ chan<- error) {
	for n := 1; n <= s.count; n++ {
		select {
		case out <- api.NewDefaultSourceTuple(map[string]interface{}{"n": n}, nil):
		case <-ctx.Done():
			return
		}
	}
	<-ctx.Done()
}
func (s *numbers) Close(api.StreamContext) error { return nil }

type same struct{}

func (same) Validate([]interface{}) error { return nil }
func (same) IsAggregate() bool { return false }
func (same) Exec(a []interface{}, _ api.FunctionContext) (interface{}, bool) { return a[0], true }

type tray struct{ path string; file *os.File }

func (s *tray) Configure(p map[string]interface{}) error { s.path, _ = p["path"].(string); return nil }
func (s *tray) Open(api.StreamContext) (err error) { s.file, err = os.Create(s.path); return err }
func (s *tray) Close(api.StreamContext) error { return s.file.Close() }
func (s *tray) Collect(_ api.StreamContext, data interface{}) error { _, err := s.file.Write(append(data.([]byte), '\n')); return err }

func main() {
	runtime.Start(os.Args, &runtime.PluginConfig{
		Name: "pairs",
		Sources: map[string]runtime.NewSourceFunc{"numportable": func() api.Source { return new(numbers) }},
		Functions: map[string]runtime.NewFunctionFunc{"sameportable": func() api.Function { return same{} }},
		Sinks: map[string]runtime.NewSinkFunc{"trayportable": func() api.Sink { return new(tray) }},
	})
}
`
	pairsWASM = `package main

import "github.com/vanth-io/vanth/sdk/go"

func init() { vanth.Func1("samewasm", func(v any) any { return v }) }

func main() {}
`
)

// hook collects the rows that the wasm sink posts.
type hook struct {
	mu   sync.Mutex
	rows []float64
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var rows []struct{ N float64 }
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, &rows)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, row := range rows {
		h.rows = append(h.rows, row.N)
	}
}

func (h *hook) take() []float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rows
}

// guestZip builds a guest in Go and packs it with its manifest; dir is a folder
// with its source, below a module that knows the SDK.
func guestZip(t *testing.T, dir, pkg, name string, manifest []byte) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), name+".wasm")
	cmd := exec.Command("go", "-C", dir, "build", "-buildmode=c-shared", "-trimpath", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return zipOf(t, name+".wasm", string(code), name+".json", string(manifest))
}

// TestPairs carries numbered rows from a source of each runtime through a function
// of each into a sink of each: all of them, in order, each once. VANTH_ROWS is how
// many.
func TestPairs(t *testing.T) {
	nativeBinary(t)
	rows := number("VANTH_ROWS", 10_000)
	posted := &hook{}
	server := httptest.NewServer(posted)
	defer server.Close()
	t.Setenv("KUIPER__PORTABLE__TMP", "shared") // its sink writes where this test reads
	t.Setenv("KUIPER__WASM__GRANTS", "[state, clock, random, http]")
	t.Setenv("KUIPER__WASM__HTTP", "['"+strings.TrimPrefix(server.URL, "http://")+"']")
	t.Setenv("KUIPER__WASM__MEMORYMIB", "64")
	home := t.TempDir()
	p, c := startNative(t, home)
	send := func(method, path string, body []byte, status int) string {
		t.Helper()
		got, text, err := c.do(method, path, body)
		if err != nil || got != status {
			t.Fatalf("%s %s: %d %s %v\n%s", method, path, got, text, err, p.log)
		}
		return text
	}
	for class, name := range map[string]string{"sources": "Numnative", "functions": "Samenative", "sinks": "Traynative"} {
		file := filepath.Join(t.TempDir(), name+".so")
		buildSo(t, file, "example.org/pairs/"+class, pairsNative, "-trimpath")
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files := []string{name + ".so", string(code)}
		if class == "sources" {
			files = append(files, "numnative.yaml", "default: {}\n")
		}
		send("POST", "/plugins/"+class+"?name="+strings.ToLower(name), zipOf(t, files...), 201)
	}
	program, err := buildProgram("pairs", pairsPortable)
	if err != nil {
		t.Fatal(err)
	}
	send("POST", "/plugins/portables?name=pairs", zipOf(t, "pairs", string(program), "sources/numportable.yaml", "default: {}\n",
		"pairs.json", `{"name":"pairs","version":"1","language":"go","executable":"pairs","sources":["numportable"],"functions":["sameportable"],"sinks":["trayportable"]}`), 201)
	if _, err := buildProgram("same", "package main\n\nimport _ \"github.com/vanth-io/vanth/sdk/go\"\n\nfunc main() {}\n"); err != nil {
		t.Fatal(err)
	}
	guest := filepath.Join(built, "program-same")
	if err := os.WriteFile(filepath.Join(guest, "main.go"), []byte(pairsWASM), 0o644); err != nil {
		t.Fatal(err)
	}
	send("POST", "/plugins/wasm?name=same", guestZip(t, guest, ".", "same", []byte(`{"version":"1","abi":1,"functions":["samewasm"]}`)), 201)
	for _, name := range []string{"ticker", "alert"} {
		manifest, err := os.ReadFile(filepath.Join("../../plugins/wasm", name, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		send("POST", "/plugins/wasm?name="+name, guestZip(t, "../../plugins", "./wasm/"+name, name, manifest), 201)
	}

	runtimes := []string{"native", "portable", "wasm"}
	sources := map[string]string{"native": "numnative", "portable": "numportable", "wasm": "ticker"}
	for _, from := range runtimes {
		extra := fmt.Sprintf(`{\\\"count\\\":%d,\\\"interval\\\":0}`, rows)
		send("POST", "/streams", fmt.Appendf(nil, `{"sql":"CREATE STREAM from_%s () WITH (TYPE=\"%s\", EXTRA=\"%s\")"}`, from, sources[from], extra), 201)
		for _, through := range runtimes {
			for _, to := range runtimes {
				t.Run(from+"-"+through+"-"+to, func(t *testing.T) {
					out := filepath.Join(t.TempDir(), "out.ndjson")
					before := len(posted.take())
					sink := fmt.Sprintf(`{"tray%s":{"path":%q,"sendSingle":true}}`, to, out)
					if to == "wasm" {
						sink = fmt.Sprintf(`{"webhook":{"url":%q,"batch":500,"sendSingle":true}}`, server.URL)
					}
					send("POST", "/rules", fmt.Appendf(nil, `{"id":"r","sql":"SELECT same%s(n) AS n FROM from_%s","actions":[%s]}`, through, from, sink), 201)
					defer send("DELETE", "/rules/r", nil, 200)
					var odd string
					read := func() (list []float64) {
						if to == "wasm" {
							return posted.take()[before:]
						}
						b, _ := os.ReadFile(out)
						for line := range bytes.Lines(b) {
							var row struct{ N float64 }
							if json.Unmarshal(line, &row) == nil {
								list = append(list, row.N)
							}
							if row.N == 0 {
								odd = string(line)
							}
						}
						return list
					}
					var got []float64
					for end := time.Now().Add(60 * time.Second); len(got) < rows; time.Sleep(20 * time.Millisecond) {
						if got = read(); time.Now().After(end) {
							t.Fatalf("%d of %d rows came: %s\n%s", len(got), rows, send("GET", "/v2/rules/r/status", nil, 200), p.log)
						}
					}
					for i, n := range got {
						if n != float64(i+1) {
							t.Fatalf("row %d is number %v: %s\n%s", i+1, n, odd, p.log)
						}
					}
				})
			}
		}
	}
}
