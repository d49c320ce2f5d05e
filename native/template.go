package native

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/vanth-io/vanth/host"
)

// supported says what a template may hold.
const supported = `supported are {{.}}, {{.a.b}}, {{index .a "key" 0}}, {{json .a}}, {{toJson .a}} and text`

// template is a parsed text with actions.
type template struct {
	plain string // the whole text, when it has no action
	parts []templatePart
}

// templatePart is a text, or an action when verb is not empty.
type templatePart struct {
	text string
	verb string // "print", "index" or "json"
	path []string
	keys []any // of index: string or int
}

// parseTemplate reads the subset of Go's text/template that plugins and their
// properties use. The whole package would keep every method of the host in the
// binary, which is 4.5 MB.
//
//	text                  as it is; so is a text in which no {{ }} stands
//	{{.}}                 the data
//	{{.a.b}}              the value of key b of the value of key a
//	{{index .a "k" 0}}    the value of a key, or an item, of what .a leads to
//	{{json .a}}           its JSON; toJson is the same
//	{{- .a -}}            the white space before, or behind, is removed
//
// Values are printed as fmt.Print does, and what is missing as <no value>, as in
// eKuiper. Everything else is an error, host.ErrInvalid, that says what is
// supported.
func parseTemplate(text string) (*template, error) {
	t := &template{}
	rest, trim := text, false
	for {
		before, after, ok := strings.Cut(rest, "{{")
		action, tail, closed := cutAction(after)
		if !ok || !closed {
			break
		}
		if trim {
			before = strings.TrimLeft(before, " \t\r\n")
		}
		if trimmed, ok := strings.CutPrefix(action, "- "); ok {
			before, action = strings.TrimRight(before, " \t\r\n"), trimmed
		}
		action, trim = strings.CutSuffix(action, " -")
		part, err := parseAction(action)
		if err != nil {
			return nil, err
		}
		t.parts = append(t.parts, templatePart{text: before}, part)
		rest = tail
	}
	if len(t.parts) == 0 {
		t.plain = text
		return t, nil
	}
	if strings.Contains(rest, "{{") {
		return nil, badAction(rest, "found no }}")
	}
	if trim {
		rest = strings.TrimLeft(rest, " \t\r\n")
	}
	t.parts = append(t.parts, templatePart{text: rest})
	return t, nil
}

// cutAction cuts at the }} that is not within quotes.
func cutAction(s string) (action, tail string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"' || s[i] == '`':
			_, after, ok := goQuoted(s[i:])
			if !ok {
				return "", "", false
			}
			i = len(s) - len(after) - 1
		case strings.HasPrefix(s[i:], "}}"):
			return s[:i], s[i+2:], true
		}
	}
	return "", "", false
}

// goQuoted reads one of Go's quoted strings and returns what follows it.
func goQuoted(s string) (text, after string, ok bool) {
	prefix, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", "", false
	}
	text, err = strconv.Unquote(prefix)
	return text, s[len(prefix):], err == nil
}

func badAction(action, found string) error {
	return host.Errorf(host.ErrInvalid, "{{%.100s}}: %s; %s", action, found, supported)
}

// parseAction reads what stands between the braces.
func parseAction(action string) (templatePart, error) {
	part := templatePart{verb: "print"}
	words, ok := splitWords(action)
	if !ok || len(words) == 0 {
		return part, badAction(action, "found no words, or quotes without an end")
	}
	switch words[0] {
	case "index", "json":
		part.verb, words = words[0], words[1:]
	case "toJson":
		part.verb, words = "json", words[1:]
	}
	if len(words) == 0 || words[0][0] != '.' {
		return part, badAction(action, "found no value that begins with a dot")
	}
	if words[0] != "." {
		part.path = strings.Split(words[0][1:], ".")
		for _, name := range part.path {
			if !isIdentifier(name) {
				return part, badAction(action, fmt.Sprintf("found %.40q, expected a name", name))
			}
		}
	}
	keys := words[1:]
	if part.verb != "index" && len(keys) > 0 {
		return part, badAction(action, fmt.Sprintf("found %.40q behind the value", keys[0]))
	}
	for _, k := range keys {
		if text, _, ok := goQuoted(k); ok {
			part.keys = append(part.keys, text)
		} else if i, err := strconv.Atoi(k); err == nil {
			part.keys = append(part.keys, i)
		} else {
			return part, badAction(action, fmt.Sprintf("found %.40q, expected a quoted key or a number", k))
		}
	}
	return part, nil
}

// splitWords splits at white space that is not within quotes.
func splitWords(s string) ([]string, bool) {
	var words []string
	for {
		if s = strings.TrimLeft(s, " \t\r\n"); s == "" {
			return words, true
		}
		end := strings.IndexAny(s, " \t\r\n")
		if s[0] == '"' || s[0] == '`' {
			_, after, ok := goQuoted(s)
			if !ok {
				return nil, false
			}
			end = len(s) - len(after)
		}
		if end < 0 {
			end = len(s)
		}
		words, s = append(words, s[:end]), s[end:]
	}
}

func isIdentifier(s string) bool {
	for i, c := range s {
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') && c < 0x80 {
			return false
		}
	}
	return s != ""
}

// hasActions reports whether the text was more than text.
func (t *template) hasActions() bool { return len(t.parts) > 0 }

// execute evaluates the template.
func (t *template) execute(data any) (string, error) {
	if !t.hasActions() {
		return t.plain, nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.verb == "" {
			b.WriteString(p.text)
			continue
		}
		if err := p.write(&b, data); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func (p *templatePart) write(b *strings.Builder, v any) error {
	for _, name := range p.path {
		item, ok, isMap := lookUp(v, name)
		if !isMap {
			return fmt.Errorf("template .%s: found %s, expected a map with %s", strings.Join(p.path, "."), host.Describe(v), name)
		}
		if v = nil; ok {
			v = item
		}
	}
	for _, key := range p.keys {
		var err error
		if v, err = indexInto(v, key); err != nil {
			return fmt.Errorf("template index %v: %w", key, err)
		}
	}
	switch {
	case p.verb == "json":
		j, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("template json: %w", err)
		}
		b.Write(j)
	case v == nil:
		b.WriteString("<no value>")
	default:
		_, _ = fmt.Fprint(b, v)
	}
	return nil
}

func indexInto(v, key any) (any, error) {
	if name, ok := key.(string); ok {
		item, _, isMap := lookUp(v, name)
		if !isMap {
			return nil, fmt.Errorf("found %s, expected a map", host.Describe(v))
		}
		return item, nil
	}
	items := reflect.ValueOf(v)
	if items.Kind() != reflect.Slice && items.Kind() != reflect.Array {
		return nil, fmt.Errorf("found %s, expected a list", host.Describe(v))
	}
	if i := key.(int); i >= 0 && i < items.Len() {
		return items.Index(i).Interface(), nil
	}
	return nil, fmt.Errorf("out of a list of %d", items.Len())
}
