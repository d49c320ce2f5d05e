package native

import (
	"errors"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/host"
)

func TestParseTemplate(t *testing.T) {
	ctx := newKit(t, guestOptions{}).context(nil)
	data := map[string]any{
		"a": 123, "f": 1e6, "m": map[string]any{"b": "x", "list": []any{1, "two"}}, "s": "text", "n": nil,
		"typed": map[string]int{"k": 1}, "quote": `"<`,
	}
	for in, want := range map[string]string{
		"":                          "",
		"plain":                     "plain",
		"one { brace } and }}":      "one { brace } and }}",
		"no end {{.a":               "no end {{.a",
		"devices/{{.a}}":            "devices/123",
		"{{ .a }}{{.s}}":            "123text",
		"{{.f}}":                    "1e+06",
		"{{.m.b}}":                  "x",
		"{{.m}}":                    "map[b:x list:[1 two]]",
		"{{.absent}}/{{.n}}":        "<no value>/<no value>",
		"{{.typed.k}}":              "1",
		`{{index . "a"}}`:           "123",
		`{{index .m "list" 1}}`:     "two",
		`{{index .m.list 0}}`:       "1",
		`{{index . "a}}b"}}`:        "<no value>",
		"{{index . `a`}}":           "123",
		"{{json .m}}":               `{"b":"x","list":[1,"two"]}`,
		"{{toJson .s}} {{json .n}}": `"text" null`,
		`{"x":{{json .quote}}}`:     `{"x":"\"\u003c"}`,
		"a \n {{- .a -}} \n b":      "a123b",
		"{{.a}} \n {{- .s}}":        "123text",
	} {
		if got, err := ctx.ParseTemplate(in, data); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", in, got, err, want)
		}
	}
	if got, err := ctx.ParseTemplate("{{.}}", 5); got != "5" || err != nil {
		t.Error(got, err)
	}
	for _, in := range []string{
		"{{}}", "{{ }}", "{{a}}", "{{.a | json}}", "{{range .a}}x{{end}}", "{{if .a}}x{{end}}", "{{.a.}}", "{{..a}}", "{{.a.b c}}",
		"{{$x}}", "{{index .a x}}", "{{json}}", "{{printf \"%d\" .a}}", "{{.a-b}}", "{{/* c */}}", "{{len .a}}", "{{.a}} {{.b",
		"{{index}}", "{{index \"a\"}}", "{{upper .a}}",
	} {
		_, err := ctx.ParseTemplate(in, data)
		if !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), supported) || !strings.HasPrefix(err.Error(), "Template Invalid: ") {
			t.Errorf("%s: got %v", in, err)
		}
	}
	for _, in := range []string{"{{.s.x}}", "{{.absent.x}}", `{{index .s "x"}}`, "{{index .m.list 9}}", "{{index .m.list -1}}", "{{index .m 0}}"} {
		if got, err := ctx.ParseTemplate(in, data); err == nil {
			t.Errorf("%s: got %q", in, got)
		}
	}
	if _, err := ctx.ParseTemplate("{{json .}}", make(chan int)); err == nil {
		t.Error("a channel has JSON")
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"{{.a}}", `x{{index .a "b" 0}}`, "{{- json . -}}", "{{", "{{`}}", `{{"}}"}}`} {
		f.Add(s)
	}
	data := map[string]any{"a": map[string]any{"b": []any{1}}}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseTemplate(text)
		if err != nil {
			return
		}
		got, err := p.execute(data)
		if !p.hasActions() && (got != text || err != nil) {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	})
}
