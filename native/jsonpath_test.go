package native

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
)

func TestParseJsonPath(t *testing.T) {
	ctx := newKit(t, guestOptions{}).context(nil)
	data := map[string]any{
		"a":     map[string]any{"b": []any{map[string]any{"c": 1}, map[string]any{"c": 2}, map[string]any{"d": 3}}},
		"a b":   "space",
		"q'\"]": "quotes",
		"rows":  []map[string]any{{"x": 1}, {"x": 2}},
		"s":     []string{"u", "v", "w"},
		"m":     map[string]int{"z": 1, "y": 2},
		"n":     nil,
	}
	for path, want := range map[string]any{
		"$":                  data,
		"$.a.b[0].c":         1,
		"a.b[1].c":           2,
		"@.n":                nil,
		"$['a b']":           "space",
		`$["a"]["b"][ 0 ].c`: 1,
		`$['q\'"]']`:         "quotes",
		"['a b']":            "space",
		"$.a.b[-1].d":        3,
		"$.a.b[*].c":         []any{1, 2},
		"$.a.*[0]":           []any{map[string]any{"c": 1}},
		"$.a.b[0:2].c":       []any{1, 2},
		"$.a.b[:1].c":        []any{1},
		"$.a.b[-2:].c":       []any{2},
		"$.a.b[2:1]":         []any{},
		"$.a.b[5:]":          []any{},
		"$.rows[1].x":        2,
		"rows[*].x":          []any{1, 2},
		"$.s[1]":             "v",
		"$.s[1:]":            []any{"v", "w"},
		"$.m.*":              []any{2, 1},
		"$.m.z":              1,
		"$.a.b[*].nobody":    []any{},
	} {
		if got, err := ctx.ParseJsonPath(path, data); !reflect.DeepEqual(got, want) || err != nil {
			t.Errorf("%s: got %#v, %v, want %#v", path, got, err, want)
		}
	}
	for path, text := range map[string]string{
		"":                                  "found nothing",
		"$x":                                "expected . or [",
		"$..a":                              "recursive descent",
		"$.":                                "no name",
		"$.a[?(@.b>1)]":                     "filters",
		"$.a[(@.length)]":                   "scripts",
		"$.a[0,1]":                          "unions",
		"$['a','b']":                        "unions",
		"$.a[0:2:1]":                        "step",
		"$.a[x]":                            "found [x]",
		"$.a[1:x]":                          "index of a slice",
		"$.a[":                              "no ]",
		"$['a'":                             "no ]",
		"$['a":                              "no end",
		"$.a b":                             "expected a name",
		"$." + strings.Repeat("a", maxPath): "at most",
	} {
		if got, err := ctx.ParseJsonPath(path, data); !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("%.40s: got %v, %v", path, got, err)
		}
	}
	for path, text := range map[string]string{
		"$.nobody": "unknown key nobody", "$.a.b.c": "expected a map", "$.a[0]": "expected a list", "$.s[9]": "index 9 of a list of 3",
		"$.n.x": "found null, expected a map", "$.s[-4]": "index -4",
	} {
		if got, err := ctx.ParseJsonPath(path, data); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v, %v", path, got, err)
		}
	}
	wide := make([]any, 300)
	for i := range wide {
		wide[i] = wide
	}
	if _, err := ctx.ParseJsonPath("$"+strings.Repeat("[*]", 20), wide); !errors.Is(err, host.ErrInvalid) {
		t.Errorf("a list that holds itself: %v", err)
	}
}

func FuzzJSONPath(f *testing.F) {
	for _, s := range []string{"$.a[0]", "a.b", "$['x'][*]", "$[1:2]", "$.*", `$["\""]`, "$[", "@"} {
		f.Add(s)
	}
	data := map[string]any{"a": []any{map[string]any{"b": 1}, "x"}, "x": []map[string]any{{"y": 1}}}
	f.Fuzz(func(t *testing.T, path string) {
		p, err := parsePath(path)
		if err != nil {
			if !errors.Is(err, host.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		v, err := p.eval(data)
		if _, isList := v.([]any); err == nil && p.many && !isList {
			t.Errorf("%q: got %T", path, v)
		}
	})
}
