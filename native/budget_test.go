package native

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// fork is a node that JSON goes through.
type fork struct {
	Left, Right *fork
	Text        string `json:",omitempty"`
	Up          *fork  `json:"-"`
}

// loud has JSON of its own making.
type loud struct{ text string }

func (l loud) MarshalJSON() ([]byte, error) { return []byte(l.text), nil }

// doubled makes a value of few parts that is 2^n when each is made as often as it
// is held.
func doubled(n int) any {
	v := any("x")
	for range n {
		v = []any{v, v}
	}
	return v
}

// TestValueBounds: what is huge, or shared so that a copy is, is refused before it
// is made.
func TestValueBounds(t *testing.T) {
	forks := &fork{Text: "x"}
	rows := map[string]any{"k": 1}
	dicts := map[string]any{"x": 1}
	for range 21 {
		forks = &fork{Left: forks, Right: forks}
		rows = map[string]any{"k": []map[string]any{rows, rows}}
		dicts = map[string]any{"a": dicts, "b": dicts}
	}
	megabyte := strings.Repeat("x", 1<<20)
	texts := make([]string, 65)
	for i := range texts {
		texts[i] = megabyte
	}
	var keyed []map[string]int
	for range 65 {
		keyed = append(keyed, map[string]int{megabyte: 1})
	}
	circle := &fork{}
	circle.Left = circle
	var loop any
	loop = &loop
	deep := any("x")
	for range frame.MaxDepth + 1 {
		deep = []any{deep}
	}
	const many, large, nests = "more than 1048576 values", "more than 67108864 bytes", "nests deeper than 64"
	for _, c := range []struct {
		name string
		v    any
		want string
	}{
		{"shared lists", doubled(21), many},
		{"shared maps", dicts, many},
		{"shared rows", rows, many},
		{"shared structs", forks, many},
		{"shared texts", texts, large},
		{"shared keys", keyed, large},
		{"texts in a map of numbers", map[int][]string{1: texts}, large},
		{"wide list", make([]bool, 1<<21), many},
		{"list of nothing", make([]struct{}, 1<<30), many},
		{"long bytes", make([]byte, frame.MaxBytes+1), large},
		{"long text", strings.Repeat("x", frame.MaxBytes+1), large},
		{"wide json", loud{"[" + strings.Repeat("0,", 1<<21) + "0]"}, many},
		{"wide raw json", json.RawMessage("[" + strings.Repeat("{},", 1<<20) + "0]"), many},
		{"circle of structs", circle, nests},
		{"circle of pointers", loop, nests},
		{"deep", deep, nests},
	} {
		if v, err := toValue(c.v); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got a %T, error %.200v", c.name, v, err)
		}
	}
}

// TestValueWithinBounds: what is as large as it may be is made, and so is what has
// a circle that is not part of it.
func TestValueWithinBounds(t *testing.T) {
	child := &fork{Text: "child"}
	child.Up = &fork{Left: child}
	deep := any([]any{})
	for range frame.MaxDepth - 1 {
		deep = []any{deep}
	}
	for name, v := range map[string]any{
		"wide": make([]int, maxNodes), "shared": doubled(18), "way back": child, "deep": deep,
		"long": make([]byte, frame.MaxBytes), "marks in a text": loud{`["` + strings.Repeat(`,[\"`, maxNodes) + `"]`},
	} {
		if _, err := toValue(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := frame.Append(nil, deep); err != nil {
		t.Error("a frame does not hold what is allowed here:", err)
	}
}

// TestBoundsAreFaults: beyond the bounds is a bad result of the plugin, wherever
// it gives values; state that is beyond them stays in memory.
func TestBoundsAreFaults(t *testing.T) {
	k := newKit(t, guestOptions{})
	_, err := k.function(t, returns(doubled(21), true)).Exec(t.Context(), nil, nil)
	if g, ok := errors.AsType[*host.GuestError](err); !ok || g.Fault != host.FaultResult || !strings.Contains(err.Error(), "more than 1048576 values") {
		t.Errorf("function: %v", err)
	}
	payload := []byte("[" + strings.Repeat(`{"a":1},`, 1<<18) + "{}]")
	l, err := newLookup(k.guest, "l", &lookupBytesFake{lookup: func(api.StreamContext, []string, []string, []any) ([][]byte, error) {
		return [][]byte{payload, payload, payload}, nil
	}}, nil, nil)
	if err == nil {
		err = l.Open(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	if rows, err := l.Lookup(t.Context(), nil, nil, nil); err == nil || !strings.Contains(err.Error(), "more than 1048576 values") {
		t.Errorf("lookup: %d rows, %v", len(rows), err)
	}
	ctx := k.context(nil)
	if err := ctx.PutState("k", doubled(21)); err != nil || !strings.Contains(k.logs.String(), "too large") {
		t.Errorf("state: %v; %.500s", err, k.logs)
	}
}
