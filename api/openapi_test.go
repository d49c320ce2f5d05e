package api_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/vanth-io/vanth/api"
	"github.com/vanth-io/vanth/host/frame"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// The table and the document name the same routes, in the same words.
func TestDocumentAndTableAgree(t *testing.T) {
	var documented []string
	for path, item := range document(t).Paths.Map() {
		for method, op := range item.Operations() {
			key := method + " " + path
			documented = append(documented, key)
			if doc := api.RouteDoc(key); doc != op.Summary {
				t.Errorf("%s: the table says %q, the document %q", key, doc, op.Summary)
			}
			if exempt := op.Security != nil && len(*op.Security) == 0; exempt != (path == "/" || path == "/ping") {
				t.Errorf("%s: exempt from tokens: %t", key, exempt)
			}
		}
	}
	table := api.RouteKeys()
	slices.Sort(table)
	slices.Sort(documented)
	if !slices.Equal(table, documented) {
		t.Errorf("the table has %q\nthe document %q", table, documented)
	}
}

// Real answers of every route and of every kind of error fit the document.
func TestAnswersFitDocument(t *testing.T) {
	doc := document(t)
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, ct := range []string{nd, "application/yaml"} {
		openapi3filter.RegisterBodyDecoder(ct, openapi3filter.FileBodyDecoder)
	}
	openapi3filter.RegisterBodyDecoder(mp, decodeBinary)
	k := newKit(t, api.Options{
		CallTimeout: 30 * time.Millisecond, MaxBody: 4 << 10, StopDelay: time.Hour, Rules: newFakeRules(), Uploads: t.TempDir(),
	})
	k.install("kit", all()...)
	z := string(bundle(t, "second", "v1", "other"))
	seen := map[string]bool{}
	for _, c := range []struct {
		method, path, body, kind, accept string
		status                           int
	}{
		{"GET", "/", "", "", "", 200},
		{"POST", "/", "", "", "", 200},
		{"GET", "/ping", "", "", "", 200},
		{"GET", "/stop", "", "", "", 200},
		{"POST", "/stop", "", "", "", 200},
		{"GET", "/plugins/wasm", "", "", "", 200},
		{"GET", "/plugins/wasm/kit", "", "", "", 200},
		{"POST", "/plugins/wasm?name=tight", string(pack(t, map[string]string{
			"tight.json": `{"version":"1","sources":["tight"],"requires":["state"],"limits":{"callMs":50}}`, "tight.wasm": "ok",
		})), zipT, "", 201},
		{"GET", "/plugins/wasm/tight", "", "", "", 200},
		{"POST", "/functions/echo/call?fuel=1", `{"args":[1]}`, js, "", 200},
		{"POST", "/functions/fuel/call", `{"args":[]}`, js, "", 504},
		{"GET", "/plugins/wasm/none", "", "", "", 404},
		{"GET", "/plugins/wasm/a%20b", "", "", "", 400},
		{"POST", "/plugins/wasm", "{", js, "", 400},
		{"POST", "/plugins/wasm", strings.Repeat(" ", 5000), js, "", 413},
		{"POST", "/plugins/wasm?name=second", z, zipT, "", 400},
		{"PUT", "/plugins/wasm/kit", z, zipT, "", 400},
		{"PUT", "/plugins/wasm/kit", string(bundle(t, "kit", "v2", all()...)), zipT, "", 200},
		{"DELETE", "/plugins/wasm/none", "", "", "", 400},
		{"GET", "/functions", "", "", "", 200},
		{"GET", "/functions/add", "", "", "", 200},
		{"GET", "/functions/none", "", "", "", 404},
		{"POST", "/functions/echo/call", `{"args":[null]}`, js, "", 200},
		{"POST", "/functions/none/call", "", js, "", 404},
		{"POST", "/functions/echo/call", `{`, js, "", 400},
		{"POST", "/functions/add/call", `{"args":[]}`, js, "", 422},
		{"POST", "/functions/echo/call", strings.Repeat(" ", 5000), js, "", 413},
		{"POST", "/functions/busy/call", `{"args":[]}`, js, "", 429},
		{"POST", "/functions/fail/call", `{"args":[]}`, js, "", 500},
		{"POST", "/functions/panics/call", `{"args":[]}`, js, "", 500},
		{"POST", "/functions/trap/call", `{"args":[]}`, js, "", 502},
		{"POST", "/functions/broken/call", `{"args":[]}`, js, "", 503},
		{"POST", "/functions/slow/call", `{"args":[9999]}`, js, "", 504},
		{"POST", "/functions/odd/call", `{"args":[]}`, js, "", 500},
		{"POST", "/functions/add/batch", "[[1,2],[3]]", js, "", 200},
		{"POST", "/functions/add/batch", "[[1,2],[3]]", js, js, 200},
		{"POST", "/functions/add/batch", "x", js, "", 400},
		{"POST", "/functions/none/batch", "x", js, "", 404},
		{"POST", "/functions/add/batch", strings.Repeat(" ", 5000), js, "", 413},
		{"POST", "/functions/echo/call", packed(t, items{"x"}), mp, "", 200},
		{"POST", "/functions/echo/call", `{"args":[1]}`, js, mp, 200},
		{"POST", "/functions/echo/call", packed(t, items{1.5}), mp, js, 200},
		{"POST", "/functions/echo/call", "x", mp, "", 400},
		{"POST", "/functions/none/call", "x", mp, "", 404},
		{"POST", "/functions/echo/call", strings.Repeat(" ", 5000), mp, "", 413},
		{"POST", "/functions/add/call", packed(t, items{}), mp, "", 422},
		{"POST", "/functions/busy/call", packed(t, items{}), mp, "", 429},
		{"POST", "/functions/fail/call", packed(t, items{}), mp, "", 500},
		{"POST", "/functions/trap/call", packed(t, items{}), mp, "", 502},
		{"POST", "/functions/broken/call", packed(t, items{}), mp, "", 503},
		{"POST", "/functions/slow/call", packed(t, items{int64(9999)}), mp, "", 504},
		{"POST", "/functions/add/batch", packed(t, items{items{int64(1), int64(2)}, items{}}), mp, "", 200},
		{"POST", "/functions/add/batch", packed(t, items{items{int64(1), int64(2)}, items{}}), mp, js, 200},
		{"POST", "/functions/add/batch", packed(t, items{items{int64(1), int64(2)}, items{}}), mp, nd, 200},
		{"POST", "/functions/add/batch", "[[1,2],[3]]", js, mp, 200},
		{"POST", "/functions/add/batch", "x", mp, "", 400},
		{"GET", "/metrics", "", "", "", 200},
		{"GET", "/openapi.yaml", "", "", "", 200},
		{"POST", "/plugins/wasm?name=kit2", string(pack(t, map[string]string{"kit2.json": `{"version":"1","sources":["s"]}`, "kit2.wasm": "ok"})), zipT, "", 201},
		{"GET", "/plugins/wasm", "", "", "", 200},
		{"POST", "/plugins/portables?name=mirror", string(program(t, "mirror", "ok", mirror)), zipT, "", 201},
		{"GET", "/plugins/portables", "", "", "", 200},
		{"GET", "/plugins/portables/mirror", "", "", "", 200},
		{"PUT", "/plugins/portables/mirror", string(program(t, "mirror", "ok", mirror)), zipT, "", 200},
		{"GET", "/plugins/portables/mirror/status", "", "", "", 200},
		{"GET", "/plugins/portables/none/status", "", "", "", 404},
		{"POST", "/plugins/portables/mirror/restart", "", "", "", 200},
		{"GET", "/plugins/portables/mirror/logs?tail=1", "", "", "", 200},
		{"GET", "/plugins/portables/mirror/logs?tail=x", "", "", "", 400},
		{"DELETE", "/plugins/portables/mirror", "", "", "", 200},
		{"GET", "/plugins/wasm/kit/status", "", "", "", 200},
		{"GET", "/plugins/wasm/none/status", "", "", "", 404},
		{"POST", "/plugins/wasm/none/restart", "", "", "", 404},
		{"DELETE", "/plugins/wasm/kit", "", "", "", 200},
		{"GET", "/plugins/udfs", "", "", "", 200},
		{"GET", "/plugins/udfs/none", "", "", "", 404},
		{"GET", "/plugins/udfs/a%20b", "", "", "", 400},
		{"POST", "/plugins/functions?name=fun&functions=fun1", string(pack(t, map[string]string{"fun@v1.so": "ok"})), zipT, "", 201},
		{"GET", "/plugins/functions/fun", "", "", "", 200},
		{"POST", "/plugins/functions/fun/register", `{"functions":["fun2"]}`, js, "", 200},
		{"POST", "/plugins/functions/fun/register", `{}`, js, "", 400},
		{"POST", "/plugins/functions/none/register", `{}`, js, "", 404},
		{"GET", "/plugins/udfs/fun2", "", "", "", 200},
		{"PUT", "/plugins/functions/fun", string(pack(t, map[string]string{"fun.so": "restart"})), zipT, "", 200},
		{"GET", "/plugins/functions/fun", "", "", "", 200},
		{"GET", "/plugins/functions", "", "", "", 200},
		{"GET", "/plugins/functions/prebuild", "", "", "", 200},
		{"DELETE", "/plugins/functions/fun", "", "", "", 200},
		{"POST", "/plugins/sinks?name=snk", string(pack(t, map[string]string{"snk.so": "ok"})), zipT, "", 201},
		{"GET", "/plugins/sinks", "", "", "", 200},
		{"GET", "/plugins/sinks/snk", "", "", "", 200},
		{"GET", "/plugins/sinks/prebuild", "", "", "", 200},
		{"PUT", "/plugins/sinks/none", "{}", js, "", 404},
		{"DELETE", "/plugins/sinks/snk?stop=1", "", "", "", 200},
		{"POST", "/plugins/sources", "{}", js, "", 400},
		{"GET", "/plugins/sources", "", "", "", 200},
		{"GET", "/plugins/sources/none", "", "", "", 404},
		{"GET", "/plugins/sources/prebuild", "", "", "", 200},
		{"PUT", "/plugins/sources/a%20b", "{}", js, "", 400},
		{"DELETE", "/plugins/sources/none", "", "", "", 404},
		{"POST", "/streams", demoSQL, js, "", 201},
		{"POST", "/streams", demoSQL, js, "", 400},
		{"GET", "/streams", "", "", "", 200},
		{"GET", "/streams/demo", "", "", "", 200},
		{"GET", "/streams/none", "", "", "", 400},
		{"PUT", "/streams/demo", demoSQL, js, "", 200},
		{"PUT", "/streams/none", demoSQL, js, "", 400},
		{"POST", "/rules", r1, js, "", 201},
		{"POST", "/rules", r1, js, "", 400},
		{"GET", "/rules", "", "", "", 200},
		{"POST", "/rules/validate", r1, js, "", 200},
		{"POST", "/rules/validate", "{}", js, "", 422},
		{"GET", "/rules/status/all", "", "", "", 200},
		{"GET", "/rules/r1", "", "", "", 200},
		{"GET", "/rules/none", "", "", "", 404},
		{"PUT", "/rules/r1", r1, js, "", 200},
		{"PUT", "/rules/r1", "{}", js, "", 400},
		{"POST", "/rules/r1/start", "", "", "", 200},
		{"POST", "/rules/none/start", "", "", "", 404},
		{"POST", "/rules/r1/stop", "", "", "", 200},
		{"POST", "/rules/none/stop", "", "", "", 404},
		{"POST", "/rules/r1/restart", "", "", "", 200},
		{"POST", "/rules/none/restart", "", "", "", 404},
		{"GET", "/rules/r1/status", "", "", "", 200},
		{"GET", "/rules/none/status", "", "", "", 404},
		{"GET", "/v2/rules/r1/status", "", "", "", 200},
		{"GET", "/v2/rules/none/status", "", "", "", 404},
		{"GET", "/rules/r1/topo", "", "", "", 200},
		{"GET", "/rules/none/topo", "", "", "", 404},
		{"GET", "/rules/r1/explain", "", "", "", 200},
		{"GET", "/rules/none/explain", "", "", "", 404},
		{"DELETE", "/rules/r1", "", "", "", 200},
		{"DELETE", "/rules/r1", "", "", "", 400},
		{"DELETE", "/streams/demo", "", "", "", 200},
		{"DELETE", "/streams/demo", "", "", "", 404},
		{"POST", "/config/uploads", `{"name":"a","content":"b"}`, js, "", 201},
		{"POST", "/config/uploads", `{}`, js, "", 400},
		{"POST", "/config/uploads", strings.Repeat(" ", 5000), js, "", 413},
		{"GET", "/config/uploads", "", "", "", 200},
		{"DELETE", "/config/uploads/a", "", "", "", 200},
		{"DELETE", "/config/uploads/a", "", "", "", 400},
	} {
		req, err := http.NewRequest(c.method, "http://"+k.addr+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", c.kind)
		req.Header.Set("Accept", c.accept)
		route, params, err := router.FindRoute(&http.Request{Method: c.method, URL: req.URL})
		if err != nil {
			t.Fatalf("%s %s: %v", c.method, c.path, err)
		}
		seen[c.method+" "+route.Path] = true
		resp, err := k.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := fits(t, req, resp, route, params); got.status != c.status {
			t.Errorf("%s %s: found %d %s, expected %d", c.method, c.path, got.status, got.body, c.status)
		}
	}
	for _, key := range api.RouteKeys() {
		if !seen[key] {
			t.Errorf("no answer of %s was compared", key)
		}
	}
}

// decodeBinary has MessagePack compared as JSON is.
func decodeBinary(body io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	v, err := frame.Decode(b)
	return plain(v), err
}

// plain is a value in the types of encoding/json.
func plain(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case *frame.Error:
		return map[string]any{"msg": v.Msg, "class": v.Class}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

func fits(t *testing.T, req *http.Request, resp *http.Response, route *routers.Route, params map[string]string) reply {
	t.Helper()
	got := read(t, resp)
	if err := compare(t, req, got, route, params); err != nil {
		t.Errorf("%s %s: %d %q: %v", req.Method, req.URL.Path, got.status, got.body, err)
	}
	return got
}

func compare(t *testing.T, req *http.Request, got reply, route *routers.Route, params map[string]string) error {
	t.Helper()
	return openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader([]byte(got.body))),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
}

// The comparison can fail: each of these answers is wrong in one way.
func TestComparisonCatches(t *testing.T) {
	openapi3filter.RegisterBodyDecoder(mp, decodeBinary)
	router, err := legacy.NewRouter(document(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []struct {
		method, path, kind, body string
		status                   int
	}{
		{"POST", "/functions/x/call", js, `{"result":1,"more":2}`, 200},
		{"POST", "/functions/x/call", js, `{"error":"6001","message":"x"}`, 400},
		{"POST", "/functions/x/call", "text/html", `{"result":1}`, 200},
		{"POST", "/functions/x/call", js, `{"error":6007,"message":"no Retry-After"}`, 429},
		{"POST", "/functions/x/call", mp, packed(t, map[string]any{"results": int64(1)}), 200},
		{"POST", "/functions/x/call", mp, packed(t, map[string]any{"error": "6001", "message": "x"}), 400},
		{"POST", "/functions/x/batch", mp, packed(t, map[string]any{}), 200},
		{"GET", "/plugins/wasm", js, `[{"name":"x"}]`, 200},
		{"GET", "/functions/x", js, `{}`, 200},
		{"GET", "/plugins/wasm/x", js, `{"name":"x","version":"1","wasmFile":"","functions":[],"status":"running","grant":{"callMs":1}}`, 200},
		{"GET", "/plugins/sinks", js, `[{"name":"x"}]`, 200},
		{"GET", "/plugins/sinks/x", js, `{"name":"x","version":"1","functions":["f"]}`, 200},
		{"GET", "/plugins/functions/x", js, `{"name":"x","version":"1","status":"running"}`, 200},
		{"GET", "/plugins/sources/prebuild", js, `["x"]`, 200},
		{"GET", "/rules", js, `[{"id":"r1"}]`, 200},
		{"GET", "/rules/x/status", js, `{"status":"lost","message":"","lastStartTimestamp":0,"lastStopTimestamp":0,"nextStartTimestamp":0}`, 200},
		{"GET", "/rules/x/topo", js, `{"sources":["a"],"edges":{"a":"b"}}`, 200},
		{"GET", "/v2/rules/x/status", js, `{}`, 200},
	} {
		req, err := http.NewRequest(wrong.method, "http://x"+wrong.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		route, params, err := router.FindRoute(req)
		if err != nil {
			t.Fatal(err)
		}
		got := reply{wrong.status, http.Header{"Content-Type": {wrong.kind}}, wrong.body}
		if compare(t, req, got, route, params) == nil {
			t.Errorf("%s %s: %d %s passed", wrong.method, wrong.path, wrong.status, wrong.body)
		}
	}
}
