package native

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// countingFunction returns a constructor of functions that count their calls, each for
// itself.
func countingFunction() func() api.Function {
	return func() api.Function {
		n := 0
		return &fakeFunc{exec: func(api.FunctionContext, []any) (any, bool) {
			n++
			return n, true
		}}
	}
}

// TestRelist: another list of functions is served by the same instances, state and
// life, and a list that is refused changes nothing.
func TestRelist(t *testing.T) {
	k := newKit(t, guestOptions{})
	one := func(ctx api.FunctionContext, _ []any) (any, bool) {
		if v, err := ctx.GetState("f"); err == nil && v != nil {
			return v.(func() string)(), true
		}
		return "nothing", ctx.PutState("f", func() string { return "kept" }) == nil // which no store could keep
	}
	exported := map[string]any{
		"A": countingFunction(), "B": countingFunction(), "Keeps": func() api.Function { return &fakeFunc{exec: one} },
		"Wrong": new(int), "Broken": func() api.Function { panic("boom") },
	}
	rt := New(Options{})
	m := newModule(rt, placed{}, k.guest, func(symbol string) (any, error) {
		if v, ok := exported[symbol]; ok {
			return v, nil
		}
		return nil, errors.New("none")
	}, host.Manifest{Executable: "Kit.so", Functions: []string{"a", "keeps"}})
	rt.modules[m.loaded] = struct{}{}

	want := func(m host.Module, name string, want any) {
		t.Helper()
		f, err := m.Function(name)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := f.Exec(t.Context(), nil, nil); v != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", name, v, err, want)
		}
	}
	want(m, "a", int64(1))
	want(m, "keeps", "nothing")
	if _, err := m.Relist([]string{"b", "wrong"}); !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), "Wrong is not type of api.Function") {
		t.Error(err)
	}
	list := []string{"b", "a", "keeps", "absent"}
	next, err := m.Relist(list)
	if err != nil {
		t.Fatal(err)
	}
	list[0] = "changed"
	var names []string
	for _, s := range next.Symbols() {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"b", "a", "keeps", "absent"}) || len(m.Symbols()) != 2 {
		t.Errorf("%q of %v", names, m.Symbols())
	}
	want(next, "a", int64(2))
	want(next, "b", int64(1))
	want(next, "keeps", "kept")
	want(m, "a", int64(3)) // until it is closed
	if _, err := m.Function("b"); !errors.Is(err, host.ErrNotFound) {
		t.Error(err)
	}
	f, err := next.Function("absent")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Exec(t.Context(), nil, nil); !errors.Is(err, host.ErrUnavailable) {
		t.Error(err)
	}
	last, err := next.(host.Relister).Relist([]string{"broken", "b"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // what cannot be made is tried again
		if _, err := last.Function("broken"); err == nil || !strings.Contains(err.Error(), "boom") {
			t.Error(err)
		}
	}
	want(last, "b", int64(2))

	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f, err = last.Function("b"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Exec(t.Context(), nil, nil); !errors.Is(err, host.ErrClosed) {
		t.Errorf("closing one does not close the other: %v", err)
	}
	if err := errors.Join(last.Close(t.Context()), rt.Close(t.Context())); err != nil || len(rt.modules) != 0 {
		t.Errorf("%v, %d modules remain", err, len(rt.modules))
	}
}

// TestRelistIsTried: names that were not on the list before are tried by a probe.
func TestRelistIsTried(t *testing.T) {
	k := newProbeKit(t, "1")
	find, err := fakeOpen(k.path)
	if err != nil {
		t.Fatal(err)
	}
	m := newModule(k.Runtime, placed{k.path, "digest"}, newKit(t, guestOptions{}).guest, find, host.Manifest{Executable: "kit.so", Functions: []string{"echo"}})
	for name, want := range map[string]string{"ends": "exit status 5", "broken": "no echo today", "wrong": "Wrong is not type of api.Function"} {
		if _, err := m.Relist([]string{"echo", name}); !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.Relist([]string{"echo", "total"}); err != nil {
		t.Error(err)
	}
}
