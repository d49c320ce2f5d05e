package host

import (
	"errors"
	"strings"
	"testing"
)

func TestParseManifest(t *testing.T) {
	good := []string{
		`{"version":"v1.0.0","functions":["fib"],"wasmEngine":"wasmedge"}`,
		`{"name":"geo","version":"1","language":"wasm","abi":1,"functions":["a","b"],"sources":[],"sinks":[],
		  "symbols":{"a":{"args":["f64"],"returns":"f64"}},"requires":["state"],"http":["x:443"],
		  "limits":{"callMs":50,"fuel":9007199254740992,"memoryMiB":16,"stackKiB":256,"tableEntries":1000,"concurrency":4,"outputKiB":64,"cpuPercent":250},"config":{"type":"object"},"unknown":{"x":1}}`,
		`{"sources":["same"],"functions":["same"]}`,
	}
	for _, g := range good {
		if _, err := ParseManifest(ID{ClassWASM, "geo"}, []byte(g)); err != nil {
			t.Errorf("%s: %v", g, err)
		}
	}
	for in, want := range map[string]string{
		`{"name":"geo2","functions":["a"]}`:                      "invalid plugin, expect name 'geo' but got 'geo2'",
		`{"version":"1"}`:                                        "invalid plugin, must define at lease one source, sink or function",
		`{"functions":["a","a"]}`:                                "function a is listed twice",
		`{"functions":["a/b"]}`:                                  "id 'a/b' contains invalid characters",
		`{"functions":[""]}`:                                     "id cannot be empty",
		`{"functions":["a"],"symbols":{"b":{}}}`:                 "symbols.b describes what is in none of",
		`{"functions":["a"],"limits":{"memoryMB":1}}`:            `unknown field "memoryMB"`,
		`{"functions":["a"],"limits":{"callMs":-1}}`:             "limits.callMs: found -1",
		`{"functions":["a"],"limits":{"fuel":9007199254740993}}`: "limits.fuel: found 9007199254740993, expected 1 to 9007199254740992, or nothing",
		`{"functions":["a"],"limits":{"fuel":1.5}}`:              "number 1.5",
		`{"functions":["a"],"limits":{"stackKiB":65537}}`:        "limits.stackKiB: found 65537",
		`{"functions":["a"],"limits":{"tableEntries":-1}}`:       "limits.tableEntries: found -1",
		`{"functions":["a"],"limits":{"outputKiB":1048577}}`:     "limits.outputKiB: found 1048577, expected 1 to 1048576",
		`{"functions":["a"],"limits":{"cpuPercent":100001}}`:     "limits.cpuPercent: found 100001, expected 1 to 100000, or nothing",
		"{\n\"functions\":[\"a\"],\n}":                           "line 3",
		"{\n\n\"functions\":\"a\"}":                              "line 3",
		``:                                                       "unexpected end",
		`{"functions":["a"]} {}`:                                 "after top-level value",
		`{"version":"` + strings.Repeat("x", maxManifest) + `"}`: "at most",
	} {
		if _, err := ParseManifest(ID{ClassWASM, "geo"}, []byte(in)); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", in, err, want)
		}
	}
}

// FuzzManifest: whatever a bundle brings is an error or a manifest whose names
// are names.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"name":"geo","version":"1","functions":["a"],"symbols":{"a":{"args":["f64"],"null":"call"}},"limits":{"callMs":1}}`))
	f.Add([]byte(`{"sources":[null],"functions":[1]}`))
	f.Add([]byte("\xff{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(ID{ClassWASM, "geo"}, b)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%T %v", err, err)
			}
			return
		}
		for _, s := range m.List() {
			if CheckName(s.Name) != nil {
				t.Errorf("name %q", s.Name)
			}
		}
	})
}

func TestCheckName(t *testing.T) {
	for in, want := range map[string]string{
		"geo": "", "a_b-C9": "",
		"":                       "id cannot be empty",
		" a":                     "id ' a' contains leading or trailing whitespace",
		"a\n":                    "id 'a\n' contains leading or trailing whitespace",
		"a.b":                    "id 'a.b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed",
		"\u00e9":                 "id '\u00e9' contains invalid characters: only alphanumeric, hyphens and underscores are allowed",
		strings.Repeat("a", 129): "id 'aaaaaaaaaaaaaaaa...' is 129 characters long: at most 128 are allowed",
	} {
		got := ""
		if err := CheckName(in); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
