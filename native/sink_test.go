package native

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

func (k *kit) sink(t testing.TB, s api.Sink, props host.Props) host.Sink {
	t.Helper()
	snk, err := newSink(k.guest, "snk", s, props, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := snk.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = snk.Close(context.Background()) })
	return snk
}

func TestSinkOfTuples(t *testing.T) {
	k := newKit(t, guestOptions{})
	var got any
	s := &tupleSink{
		one: func(_ api.StreamContext, item api.MessageTuple) error {
			m := item.ToMap()
			if v, ok := item.Value("a", "ignored"); !ok || v != m["a"] {
				t.Errorf("value %v, %v", v, ok)
			}
			if info := item.(api.MetaInfo); info.Created().Unix() != 7 || info.AllMeta()["topic"] != "x" {
				t.Errorf("meta %v at %v", info.AllMeta(), info.Created())
			}
			if v, ok := item.(api.MetaInfo).Meta("topic", ""); !ok || v != "x" {
				t.Error(v)
			}
			if all, ok := item.(api.MetaInfo).Meta("*", ""); !ok || len(all.(map[string]any)) != 1 {
				t.Error(all)
			}
			dp := item.(api.HasDynamicProps)
			if v, ok := dp.DynamicProps("out/{{.a}}"); !ok || v != "out/1" {
				t.Error(v, ok)
			}
			if v, ok := dp.DynamicProps("plain"); ok || v != "" {
				t.Error(v, ok)
			}
			if all := dp.AllProps(); !maps.Equal(all, map[string]string{"out/{{.a}}": "out/1", "{{json .a}}": "1"}) {
				t.Error(all)
			}
			got = m
			m["a"] = "changed" // the map is the plugin's
			return nil
		},
		many: func(_ api.StreamContext, items api.MessageTupleList) error {
			var seen []map[string]any
			items.RangeOfTuples(func(i int, tuple api.MessageTuple) bool {
				seen = append(seen, tuple.ToMap())
				return i < 1
			})
			if items.Len() != 3 || len(seen) != 2 || !reflect.DeepEqual(items.ToMaps()[1], seen[1]) {
				t.Errorf("%d items, %v", items.Len(), seen)
			}
			if v, ok := items.(api.HasDynamicProps).DynamicProps("out/{{.a}}"); !ok || v != "out/1" {
				t.Error(v, ok)
			}
			got = items.ToMaps()
			return nil
		},
	}
	props := host.Props{"topic": "out/{{.a}}", "plain": "plain", "nested": map[string]any{"x": "{{json .a}}"}, "dataTemplate": "{{range .}}{{end}}"}
	s.provision = func(_ api.StreamContext, configs map[string]any) error {
		if !reflect.DeepEqual(configs, map[string]any(props)) {
			t.Errorf("configs %v", configs)
		}
		return nil
	}
	snk := k.sink(t, s, props)
	one, two := map[string]any{"a": int64(1)}, map[string]any{"a": int64(2)}
	for _, c := range []struct{ in, want any }{
		{one, map[string]any{"a": "changed"}},
		{[]byte(`{"a":1}`), map[string]any{"a": "changed"}},
		{[]any{one, two, two}, []map[string]any{one, two, two}},
		{[]map[string]any{one, two, two}, []map[string]any{one, two, two}},
		{[]byte(`[{"a":1},{"a":2},{"a":2}]`), []map[string]any{one, two, two}},
	} {
		got = nil
		err := snk.Write(t.Context(), host.Message{Value: c.in, Meta: map[string]any{"topic": "x"}, Time: time.Unix(7, 0)})
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: got %v, %v", c.in, got, err)
		}
	}
	if one["a"] != int64(1) {
		t.Error("the plugin changed the rule's row")
	}
	for _, bad := range []any{"text", nil, 1, []any{1}, []byte("no json"), []byte(`{"a":1} x`), []byte("5")} {
		if err := snk.Write(t.Context(), host.Message{Value: bad}); !errors.Is(err, host.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestSinkOfBytes(t *testing.T) {
	k := newKit(t, guestOptions{})
	var got, topic string
	snk := k.sink(t, &bytesSink{one: func(_ api.StreamContext, item api.RawTuple) error {
		got = string(item.Raw())
		item.Replace([]byte("other"))
		topic, _ = item.(api.HasDynamicProps).DynamicProps("t/{{.a}}")
		return nil
	}}, host.Props{"topic": "t/{{.a}}"})
	for _, c := range []struct {
		in          any
		want, topic string
	}{
		{map[string]any{"a": 1}, `{"a":1}`, "t/1"},
		{[]any{map[string]any{"a": 2}}, `[{"a":2}]`, "t/2"},
		{[]byte(`{"a":3}`), `{"a":3}`, "t/3"},
	} {
		if err := snk.Write(t.Context(), host.Message{Value: c.in}); err != nil || got != c.want || topic != c.topic {
			t.Errorf("%v: got %s to %s, %v", c.in, got, topic, err)
		}
	}
	for _, bad := range []any{map[string]any{"a": make(chan int)}, []byte("no json for the template")} {
		if err := snk.Write(t.Context(), host.Message{Value: bad}); !errors.Is(err, host.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := newSink(k.guest, "snk", &bytesSink{}, host.Props{"topic": "{{range .}}"}, nil); !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), "topic: ") {
		t.Error(err)
	}
}

func TestSinkErrors(t *testing.T) {
	k := newKit(t, guestOptions{})
	var do func(ctx api.StreamContext) error
	snk := k.sink(t, &bytesSink{one: func(ctx api.StreamContext, _ api.RawTuple) error { return do(ctx) }}, nil)
	for _, c := range []struct {
		name  string
		do    func(ctx api.StreamContext) error
		fault host.Fault
		class string
		text  string
	}{
		{"error", func(api.StreamContext) error { return errors.New("boom") }, host.FaultReturned, "fatal", "boom"},
		{"io", func(api.StreamContext) error { return syscall.ECONNREFUSED }, host.FaultReturned, "io", "refused"},
		{"set", func(ctx api.StreamContext) error { ctx.SetError(errors.New("set")); return nil }, host.FaultReturned, "fatal", "set"},
		{"panic", func(api.StreamContext) error { panic("boom") }, host.FaultTrap, "", "Collect: panic: boom"},
	} {
		do = c.do
		err := snk.Write(t.Context(), host.Message{Value: []byte("x")})
		if g, ok := errors.AsType[*host.GuestError](err); !ok || g.Fault != c.fault || g.Class != c.class || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
		do = func(api.StreamContext) error { return nil }
		if err := snk.Write(t.Context(), host.Message{Value: []byte("x")}); err != nil {
			t.Errorf("after %s: %v", c.name, err)
		}
	}
	do = func(api.StreamContext) error { runtime.Goexit(); return nil }
	for range 2 {
		if err := snk.Write(timeout(t, 5*time.Second), host.Message{Value: []byte("x")}); err == nil || !strings.Contains(err.Error(), "Goexit") {
			t.Errorf("goexit: %v", err)
		}
	}
}

func TestSinkBlocks(t *testing.T) {
	k := newKit(t, guestOptions{Grace: 20 * time.Millisecond})
	release := make(chan struct{})
	var mu sync.Mutex
	var got []string
	snk := k.sink(t, &bytesSink{one: func(_ api.StreamContext, item api.RawTuple) error {
		<-release
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(item.Raw()))
		return errors.New("late")
	}}, nil)
	write := func(text string, d time.Duration) error {
		return snk.Write(timeout(t, d), host.Message{Value: []byte(text)})
	}
	for _, text := range []string{"one", "two"} { // the second is never begun
		if err := write(text, 10*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "Collect has not returned") {
			t.Errorf("%s: %v", text, err)
		}
	}
	release <- struct{}{}
	time.AfterFunc(20*time.Millisecond, func() { release <- struct{}{} })
	if err := write("three", 5*time.Second); err == nil || !strings.Contains(err.Error(), "late") {
		t.Error(err)
	}
	mu.Lock()
	if !reflect.DeepEqual(got, []string{"one", "three"}) || !strings.Contains(k.logs.String(), "given up has failed") {
		t.Errorf("got %v; %s", got, k.logs)
	}
	mu.Unlock()
	_ = write("four", 10*time.Millisecond)
	begun := time.Now()
	err := snk.Close(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Collect has not returned and is left behind") || time.Since(begun) > time.Second {
		t.Errorf("close: %v after %v", err, time.Since(begun))
	}
	if err := write("five", time.Second); !errors.Is(err, host.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	close(release)
}

func TestSinkNotOpen(t *testing.T) {
	k := newKit(t, guestOptions{})
	s := &bytesSink{fakeNode: fakeNode{connect: func(api.StreamContext, api.StatusChangeHandler) error { panic("boom") }}}
	snk, err := newSink(k.guest, "snk", s, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := snk.Write(t.Context(), host.Message{}); !errors.Is(err, host.ErrClosed) {
		t.Error(err)
	}
	if err := snk.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "Connect: panic: boom") {
		t.Error(err)
	}
	if err := snk.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLookup(t *testing.T) {
	k := newKit(t, guestOptions{})
	var boom func()
	rows := &lookupFake{lookup: func(ctx api.StreamContext, fields, keys []string, values []any) ([]map[string]any, error) {
		if boom != nil {
			boom()
		}
		if values[0] == nil {
			return nil, errors.New("no value")
		}
		if values[0] == "wait" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return []map[string]any{{fields[0]: 1, keys[0]: values[0]}}, nil
	}}
	payloads := &lookupBytesFake{lookup: func(api.StreamContext, []string, []string, []any) ([][]byte, error) {
		return [][]byte{[]byte(`{"a":1}`), []byte(`[{"a":2},{"a":3}]`)}, nil
	}}
	l, err := newLookup(k.guest, "l", rows, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(v any) ([]map[string]any, error) {
		return l.Lookup(timeout(t, 50*time.Millisecond), []string{"f"}, []string{"k"}, []any{v})
	}
	if _, err := ask("x"); !errors.Is(err, host.ErrClosed) {
		t.Errorf("before open: %v", err)
	}
	if err := l.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := ask("x"); err != nil || !reflect.DeepEqual(got, []map[string]any{{"f": int64(1), "k": "x"}}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ask(nil); err == nil || !strings.Contains(err.Error(), "no value") {
		t.Error(err)
	}
	if _, err := ask("wait"); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	boom = func() { panic("boom") }
	if _, err := ask("x"); err == nil || !strings.Contains(err.Error(), "Lookup: panic: boom") {
		t.Error(err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := ask("x"); !errors.Is(err, host.ErrClosed) {
		t.Errorf("after close: %v", err)
	}

	b, err := newLookup(k.guest, "b", payloads, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := b.Lookup(t.Context(), nil, nil, nil)
	if want := []map[string]any{{"a": int64(1)}, {"a": int64(2)}, {"a": int64(3)}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	payloads.lookup = func(api.StreamContext, []string, []string, []any) ([][]byte, error) {
		return [][]byte{[]byte(`5`)}, nil
	}
	if _, err := b.Lookup(t.Context(), nil, nil, nil); err == nil || !strings.Contains(err.Error(), "expected a map") {
		t.Error(err)
	}
	if status, _ := b.Status(); status != "" {
		t.Error(status)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
