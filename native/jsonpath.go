package native

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/vanth-io/vanth/host"
)

// The bounds of a path.
const (
	maxPath    = 4 << 10 // bytes
	maxMatches = 1 << 16 // values that wildcards and slices select
)

// jsonPath is a path into lists and maps.
type jsonPath struct {
	text  string
	steps []pathStep
	many  bool // has a wildcard or a slice: the result is a list
}

type stepKind uint8

const (
	stepKey stepKind = iota
	stepIndex
	stepAll
	stepSlice
)

type pathStep struct {
	kind     stepKind
	key      string
	from, to int
	open     bool // the slice goes to the end
}

// parsePath reads the subset of JSONPath that plugins use:
//
//	$ or @            the data; may be left out: a.b is $.a.b
//	.name  ['name']   a key; quotes are single or double, with \ before a quote or \
//	[1]  [-1]         an item, counted from the start or the end
//	.*  [*]           every item, or every value of a map in the order of its keys
//	[1:3] [:2] [-2:]  the items from the first to before the second
//
// Filters [?()], scripts [()], unions [0,1], slices with a step and recursive
// descent are refused by name. The error is host.ErrInvalid.
func parsePath(text string) (*jsonPath, error) {
	p := &jsonPath{text: text}
	rest := text
	bad := func(format string, a ...any) (*jsonPath, error) {
		return nil, host.Errorf(host.ErrInvalid, "json path %.100q: %s at %d", text, fmt.Sprintf(format, a...), len(text)-len(rest))
	}
	switch {
	case len(text) > maxPath:
		return bad("%d bytes, at most %d are allowed,", len(text), maxPath)
	case text == "":
		return bad("found nothing, expected $.a.b[0]")
	case text[0] == '$' || text[0] == '@':
		rest = rest[1:]
	case text[0] != '[' && text[0] != '.':
		rest = "." + rest
	}
	for rest != "" {
		var step pathStep
		var n int
		var problem string
		switch rest[0] {
		case '.':
			step, n, problem = dotStep(rest)
		case '[':
			step, n, problem = bracketStep(rest)
		default:
			problem = fmt.Sprintf("found %q, expected . or [", rest[:1])
		}
		if problem != "" {
			return bad("%s", problem)
		}
		p.many = p.many || step.kind >= stepAll
		p.steps = append(p.steps, step)
		rest = rest[n:]
	}
	return p, nil
}

// dotStep reads .name or .* and how many bytes it is, or says what is wrong.
func dotStep(s string) (pathStep, int, string) {
	end := strings.IndexAny(s[1:], ".[")
	if end < 0 {
		end = len(s) - 1
	}
	switch name := s[1 : 1+end]; {
	case name == "" && strings.HasPrefix(s, ".."):
		return pathStep{}, 0, "recursive descent (..) is not supported"
	case name == "":
		return pathStep{}, 0, "found no name after ."
	case name == "*":
		return pathStep{kind: stepAll}, 2, ""
	case strings.ContainsAny(name, " \t\n\"'()?]*,"):
		return pathStep{}, 0, fmt.Sprintf("found %.40q, expected a name; others are quoted: [\"a b\"]", name)
	default:
		return pathStep{kind: stepKey, key: name}, 1 + end, ""
	}
}

// bracketStep reads [...].
func bracketStep(s string) (pathStep, int, string) {
	body := strings.TrimLeft(s[1:], " ")
	switch {
	case strings.HasPrefix(body, "?"):
		return pathStep{}, 0, "filters [?()] are not supported"
	case strings.HasPrefix(body, "("):
		return pathStep{}, 0, "scripts [()] are not supported"
	case strings.HasPrefix(body, "'") || strings.HasPrefix(body, `"`):
		key, after, ok := quoted(body)
		after = strings.TrimLeft(after, " ")
		switch {
		case !ok:
			return pathStep{}, 0, "found no end of a quoted name"
		case strings.HasPrefix(after, ","):
			return pathStep{}, 0, "unions [a,b] are not supported"
		case !strings.HasPrefix(after, "]"):
			return pathStep{}, 0, "found no ]"
		}
		return pathStep{kind: stepKey, key: key}, len(s) - len(after) + 1, ""
	}
	inner, _, ok := strings.Cut(s[1:], "]")
	if !ok {
		return pathStep{}, 0, "found no ]"
	}
	n := len(inner) + 2
	inner = strings.TrimSpace(inner)
	if inner == "*" {
		return pathStep{kind: stepAll}, n, ""
	}
	if strings.Contains(inner, ",") {
		return pathStep{}, 0, "unions [a,b] are not supported"
	}
	if strings.Contains(inner, ":") {
		step, problem := sliceStep(inner)
		return step, n, problem
	}
	i, err := strconv.Atoi(inner)
	if err != nil {
		return pathStep{}, 0, fmt.Sprintf("found [%.40s], expected an index, a slice, * or a quoted name", inner)
	}
	return pathStep{kind: stepIndex, from: i}, n, ""
}

func sliceStep(inner string) (pathStep, string) {
	from, to, _ := strings.Cut(inner, ":")
	if strings.Contains(to, ":") {
		return pathStep{}, "slices with a step are not supported"
	}
	step := pathStep{kind: stepSlice, open: strings.TrimSpace(to) == ""}
	for _, end := range []struct {
		text string
		to   *int
	}{{from, &step.from}, {to, &step.to}} {
		text := strings.TrimSpace(end.text)
		if text == "" {
			continue
		}
		var err error
		if *end.to, err = strconv.Atoi(text); err != nil {
			return pathStep{}, fmt.Sprintf("found %.40q, expected the index of a slice", text)
		}
	}
	return step, ""
}

// quoted reads a quoted text and returns what follows it.
func quoted(s string) (text, after string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// eval returns what the path leads to: a value, or the list of values that a
// wildcard or a slice selects. What is not there is an error, but for what
// follows a wildcard or a slice: there it is left out.
func (p *jsonPath) eval(data any) (any, error) {
	found := []any{data}
	many := false
	for i, step := range p.steps {
		var next []any
		for _, v := range found {
			got, err := step.apply(v)
			if err != nil && !many {
				return nil, fmt.Errorf("json path %.100q: step %d: %w", p.text, i+1, err)
			}
			if next = append(next, got...); len(next) > maxMatches {
				return nil, host.Errorf(host.ErrInvalid, "json path %.100q: more than %d values", p.text, maxMatches)
			}
		}
		many = many || step.kind >= stepAll
		found = next
	}
	if !p.many {
		return found[0], nil
	}
	return slices.Clip(append([]any{}, found...)), nil
}

func (s pathStep) apply(v any) ([]any, error) {
	switch s.kind {
	case stepKey:
		item, ok, isMap := lookUp(v, s.key)
		if !isMap {
			return nil, fmt.Errorf("unknown key %s: found %s, expected a map", s.key, host.Describe(v))
		}
		if !ok {
			return nil, fmt.Errorf("unknown key %s", s.key)
		}
		return []any{item}, nil
	case stepAll:
		if m := reflect.ValueOf(v); m.Kind() == reflect.Map {
			return sortedValues(m), nil
		}
	}
	items, ok := itemsOf(v)
	if !ok {
		return nil, fmt.Errorf("found %s, expected a list", host.Describe(v))
	}
	switch n := items.Len(); s.kind {
	case stepIndex:
		i := s.from
		if i < 0 {
			i += n
		}
		if i < 0 || i >= n {
			return nil, fmt.Errorf("index %d of a list of %d", s.from, n)
		}
		return []any{items.Index(i).Interface()}, nil
	case stepSlice:
		from, to := clampIndex(s.from, n), n
		if !s.open {
			to = clampIndex(s.to, n)
		}
		return interfaces(items, from, max(from, to)), nil
	default:
		return interfaces(items, 0, n), nil
	}
}

func clampIndex(i, n int) int {
	if i < 0 {
		i += n
	}
	return min(max(i, 0), n)
}

func interfaces(items reflect.Value, from, to int) []any {
	out := make([]any, 0, min(to-from, maxMatches+1))
	for i := from; i < to && len(out) <= maxMatches; i++ {
		out = append(out, items.Index(i).Interface())
	}
	return out
}

// lookUp returns the value of a key; isMap is false when v is not a map whose
// keys are strings.
func lookUp(v any, key string) (item any, ok, isMap bool) {
	if m, is := v.(map[string]any); is {
		item, ok = m[key]
		return item, ok, true
	}
	m := reflect.ValueOf(v)
	if m.Kind() != reflect.Map || m.Type().Key().Kind() != reflect.String {
		return nil, false, false
	}
	r := m.MapIndex(reflect.ValueOf(key).Convert(m.Type().Key()))
	if !r.IsValid() {
		return nil, false, true
	}
	return r.Interface(), true, true
}

// itemsOf returns the list in v; bytes are none.
func itemsOf(v any) (reflect.Value, bool) {
	r := reflect.ValueOf(v)
	ok := (r.Kind() == reflect.Slice || r.Kind() == reflect.Array) && r.Type().Elem().Kind() != reflect.Uint8
	return r, ok
}

func sortedValues(m reflect.Value) []any {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		return strings.Compare(fmt.Sprint(a.Interface()), fmt.Sprint(b.Interface()))
	})
	out := make([]any, 0, min(len(keys), maxMatches+1))
	for _, k := range keys[:min(len(keys), maxMatches+1)] {
		out = append(out, m.MapIndex(k).Interface())
	}
	return out
}
