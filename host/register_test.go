package host_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
)

// remembering is a runtime whose modules count their calls, in no State, and can
// serve other functions of the code they have.
type remembering struct{ *hosttest.FakeRuntime }

func (*remembering) Accepts(b host.Bundle) bool {
	return b.Plugin.Manifest.Language == host.LanguageNative
}

func (r *remembering) Load(ctx context.Context, b host.Bundle) (host.Module, error) {
	m, err := r.FakeRuntime.Load(ctx, b)
	return &counter{m, new(int64), b.Plugin.Manifest.Functions}, err
}

type counter struct {
	host.Module
	n     *int64
	names []string
}

func (m *counter) Symbols() []host.Symbol {
	var list []host.Symbol
	for _, n := range m.names {
		list = append(list, host.Symbol{Kind: host.KindFunction, Name: n})
	}
	return list
}

func (m *counter) Function(name string) (host.Function, error) {
	if name == "nothing" {
		return nil, host.ErrNotFound
	}
	return m, nil
}

func (*counter) Signature() *host.Signature { return &host.Signature{Variadic: true} }
func (*counter) Validate([]any) error       { return nil }
func (m *counter) Exec(context.Context, *host.Call, []any) (any, error) {
	*m.n++
	return *m.n, nil
}

func (m *counter) Relist(functions []string) (host.Module, error) {
	if slices.Contains(functions, "refused") {
		return nil, host.Errorf(host.ErrInvalid, "refused")
	}
	return &counter{m.Module, m.n, functions}, nil
}

// TestRegisterKeepsMemory: what a module remembers outlives its list of functions,
// also a list that was refused.
func TestRegisterKeepsMemory(t *testing.T) {
	b := open(t, func(o *host.Options) {
		o.Runtimes = []host.Runtime{&remembering{o.Runtimes[0].(*hosttest.FakeRuntime)}}
	})
	kit := nid(host.ClassFunctions, "kit")
	if err := b.put(kit, false, map[string]string{"Kit.so": "x"}, "a"); err != nil {
		t.Fatal(err)
	}
	f, err := b.Function("a")
	if err != nil {
		t.Fatal(err)
	}
	b.want("a", int64(1))
	for _, list := range [][]string{{"refused"}, {"nothing"}} {
		if err := b.Register(t.Context(), kit, list); err == nil {
			t.Errorf("%q was taken", list)
		}
		b.wantErr(list[0], host.ErrNotFound)
	}
	b.want("a", int64(2))
	if err := b.Register(t.Context(), kit, []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	b.want("b", int64(3))
	if v, err := f.Exec(t.Context(), nil, nil); v != int64(4) { // a handle from before
		t.Error(v, err)
	}
	if err := b.Register(t.Context(), kit, []string{"b"}); err != nil {
		t.Fatal(err)
	}
	b.wantErr("a", host.ErrNotFound)
	b.want("b", int64(5))
	if n := b.rt.Open(); n != 1 {
		t.Errorf("%d modules are open", n)
	}
}

// TestListed: a list that names nothing but the plugin is one all the same, and
// stays one.
func TestListed(t *testing.T) {
	b, restart := openNative(t)
	echo, count := nid(host.ClassFunctions, "echo"), nid(host.ClassFunctions, "count")
	want := func(id host.ID, listed bool) {
		t.Helper()
		if p, err := b.Get(id); err != nil || p.Manifest.Listed != listed || !slices.Equal(p.Manifest.Functions, []string{id.Name}) {
			t.Errorf("%s: %+v, %v; want listed %t", id, p.Manifest, err, listed)
		}
	}
	if err := errors.Join(b.put(echo, false, map[string]string{"Echo.so": "x"}, "echo"),
		b.put(count, false, map[string]string{"Count.so": "x"})); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		want(echo, true)
		want(count, false)
		restart()
	}
	if err := b.Register(t.Context(), count, []string{"count"}); err != nil {
		t.Fatal(err)
	}
	if err := b.put(echo, true, map[string]string{"Echo.so": "x"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		want(echo, false) // the update brought no list
		want(count, true)
		restart()
	}
}

// TestRegisterWithoutState: a plugin whose state cannot be read does not begin to
// run without it, since what it remembers would be lost.
func TestRegisterWithoutState(t *testing.T) {
	b, restart := openNative(t)
	kit := nid(host.ClassFunctions, "count")
	if err := b.put(kit, false, map[string]string{"Count.so": "x"}); err != nil {
		t.Fatal(err)
	}
	b.want("count", int64(1))
	var broken atomic.Bool
	b.store.Fail = func(op string) error {
		if op == "State" && broken.Load() {
			return host.ErrDamaged
		}
		return nil
	}
	broken.Store(true)
	restart()
	if err := b.Register(t.Context(), kit, []string{"count"}); !errors.Is(err, host.ErrDamaged) || !strings.Contains(err.Error(), "delete the plugin") {
		t.Errorf("%v", err)
	}
	b.wantErr("count", host.ErrUnavailable)
	broken.Store(false)
	if err := b.Register(t.Context(), kit, []string{"count"}); err != nil {
		t.Fatal(err)
	}
	b.want("count", int64(2))
	restart()
	b.want("count", int64(3))
}
