package native

import (
	"encoding/gob"
	"errors"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

func (k *kit) context(c *host.Call) *streamContext {
	return k.newContext(k.life, host.Symbol{Kind: host.KindFunction, Name: "fn"}, c, nil)
}

// reopen saves and starts anew, as after the end of the process.
func (k *kit) reopen(t *testing.T) *kit {
	t.Helper()
	if err := k.state.Save(); err != nil {
		t.Fatal(err)
	}
	return kitOn(t, k.store, guestOptions{})
}

type known struct {
	A int
	B []string
}

type unknown struct{ A int }

type badGob struct{}

func (badGob) GobEncode() ([]byte, error) { panic("in GobEncode") }

type linked struct{ Next *linked }

func TestStateComesBackAsItWas(t *testing.T) {
	if !opens {
		t.Skip("values of plugins: this build has no gob")
	}
	gob.Register(known{}) // as a plugin does
	gob.Register(&linked{})
	k := newKit(t, guestOptions{})
	ctx := k.context(&host.Call{Rule: "r", Op: "o"})
	kept := map[string]any{
		"nil": nil, "bool": true, "int": -7, "int8": int8(-8), "int16": int16(9), "int32": int32(10), "int64": int64(11),
		"uint": uint(12), "uint8": uint8(13), "uint16": uint16(14), "uint32": uint32(15), "uint64": uint64(math.MaxUint64),
		"small uint64": uint64(1), "uintptr": uintptr(16), "float32": float32(1.5), "float64": 2.5, "string": "text",
		"not utf8": "\xff", "bytes": []byte("b"), "time": time.Unix(1, 5).UTC(), "list": []any{int64(1), "x", nil},
		"ints in a list": []any{1, 2.5}, "map": map[string]any{"a": map[string]any{"b": 1}},
		"rows": []map[string]any{{"a": 1}}, "strings": []string{"a"}, "numbers": []float64{1}, "counts": map[string]int{"a": 1},
		"known": known{1, []string{"x"}}, "linked": &linked{&linked{}},
	}
	for key, v := range kept {
		if err := ctx.PutState(key, v); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if s := k.logs.String(); s != "" {
		t.Error(s)
	}
	after := k.reopen(t).context(&host.Call{Rule: "r", Op: "o"})
	for key, want := range kept {
		now, err := ctx.GetState(key)
		if err != nil || !reflect.DeepEqual(now, want) {
			t.Errorf("%s: got %#v, %v, want %#v", key, now, err, want)
		}
		then, err := after.GetState(key)
		if err != nil || !reflect.DeepEqual(then, want) {
			t.Errorf("%s, after a restart: got %#v, %v, want %#v", key, then, err, want)
		}
	}
	if v, err := after.GetState("absent"); v != nil || err != nil {
		t.Errorf("absent: %v, %v", v, err)
	}
	if v, err := k.context(&host.Call{Rule: "other", Op: "o"}).GetState("int"); v != nil || err != nil {
		t.Errorf("another rule sees %v, %v", v, err)
	}
}

func TestStateThatHasNoForm(t *testing.T) {
	gob.Register(badGob{})
	k := newKit(t, guestOptions{})
	ctx := k.context(nil)
	ring := map[string]any{}
	ring["ring"] = ring
	circle := &linked{}
	circle.Next = circle
	for name, v := range map[string]any{
		"pointer": &unknown{1}, "unknown": unknown{1}, "channel": make(chan int), "panics": badGob{}, "ring": ring, "circle": circle,
		"large": strings.Repeat("x", host.MaxStateValue+1), "deep": []any{unknown{1}},
	} {
		_ = ctx.PutState(name, 1)
		if err := ctx.PutState(name, v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := ctx.GetState(name)
		if same := reflect.ValueOf(got).Kind() == reflect.ValueOf(v).Kind(); err != nil || !same {
			t.Errorf("%s: got %T, %v", name, got, err)
		}
		if p, ok := v.(*unknown); ok && got != any(p) {
			t.Error("another pointer came back")
		}
		if _, ok := k.state.Append(nil, "\x00function fn", name); ok {
			t.Errorf("%s: what stood there before is still persisted", name)
		}
	}
	_ = ctx.PutState("again", &unknown{2})
	if n := strings.Count(k.logs.String(), "type=*native.unknown"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, k.logs)
	}
	if v, err := k.reopen(t).context(nil).GetState("pointer"); v != nil || err != nil {
		t.Errorf("after a restart: %v, %v", v, err)
	}
}

func TestStateDamaged(t *testing.T) {
	k := newKit(t, guestOptions{})
	for _, b := range []string{"\xc1", "\xc1?", "\xc1i\xa1x", "\xc1g", "\xc1gx", "\xc1q\x01", "\x92", ""} {
		if err := k.state.Put("\x00function fn", "k", []byte(b)); err != nil {
			t.Fatal(err)
		}
		if v, err := k.context(nil).GetState("k"); err == nil {
			t.Errorf("%q: got %v", b, v)
		}
		if err := k.context(nil).IncrCounter("k", 1); err == nil {
			t.Errorf("%q: counts", b)
		}
	}
}

func TestCounters(t *testing.T) {
	for name, ctx := range map[string]api.StreamContext{
		"host":  newKit(t, guestOptions{}).context(nil),
		"store": newKit(t, guestOptions{}).context(nil).WithMeta("r", "o", opStore{values: new(sync.Map)}),
	} {
		t.Run(name, func(t *testing.T) { checkCounters(t, ctx) })
	}
}

// checkCounters checks that counters and values are one key space.
func checkCounters(t *testing.T, ctx api.StreamContext) {
	want := func(key string, n int) {
		t.Helper()
		if got, err := ctx.GetCounter(key); got != n || err != nil {
			t.Errorf("%s: got %d, %v, want %d", key, got, err, n)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	want("n", 0)
	do(ctx.IncrCounter("n", 20))
	do(ctx.IncrCounter("n", 1))
	want("n", 21)
	if v, err := ctx.GetState("n"); v != 21 || err != nil {
		t.Errorf("a counter as a value: %#v, %v", v, err)
	}
	do(ctx.PutState("n", 5))
	want("n", 5)
	do(ctx.IncrCounter("n", 2))
	want("n", 7)
	do(ctx.DeleteState("n"))
	want("n", 0)
	do(ctx.PutState("n", "text"))
	if err := ctx.IncrCounter("n", 1); err == nil || err.Error() != "state[n] must be an int" {
		t.Error(err)
	}
	if _, err := ctx.GetCounter("n"); err == nil || err.Error() != "state[n] is not a number, but text" {
		t.Error(err)
	}
	if v, err := ctx.GetState("n"); v != "text" || err != nil {
		t.Error(v, err)
	}
	do(ctx.PutState("n", uint8(3)))
	do(ctx.IncrCounter("n", 1))
	want("n", 4)
}

func TestCountersSurvive(t *testing.T) {
	k := newKit(t, guestOptions{})
	_ = k.context(nil).IncrCounter("n", 3)
	_ = k.context(nil).PutState("was a value", 10)
	k = k.reopen(t)
	ctx := k.context(nil)
	_ = ctx.IncrCounter("was a value", 1)
	_ = ctx.IncrCounter("n", 1)
	k = k.reopen(t)
	ctx = k.context(nil)
	a, _ := ctx.GetCounter("n")
	b, _ := ctx.GetCounter("was a value")
	v, _ := ctx.GetState("n")
	if a != 4 || b != 11 || v != 4 {
		t.Errorf("got %d, %d, %v", a, b, v)
	}
}

func TestStateParallel(t *testing.T) {
	k := newKit(t, guestOptions{})
	ctx := k.context(nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 300 {
				_ = ctx.IncrCounter("n", 1)
				_ = ctx.PutState("k", []any{i, n})
				if v, err := ctx.GetState("k"); err != nil {
					t.Error(v, err)
				}
				if n%50 == 0 {
					_ = ctx.DeleteState("k")
					_ = k.state.Save()
				}
			}
		})
	}
	wg.Wait()
	if n, _ := ctx.GetCounter("n"); n != 2400 {
		t.Errorf("counted %d", n)
	}
}

func TestGuestWithoutState(t *testing.T) {
	g, err := newGuest(host.Bundle{}, guestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := g.newContext(g.life, host.Symbol{Name: "fn"}, nil, nil)
	if err := errors.Join(ctx.PutState("k", 1), ctx.IncrCounter("n", 1), g.close(t.Context())); err != nil {
		t.Error(err)
	}
	if v, _ := ctx.GetState("k"); v != 1 {
		t.Error(v)
	}
}

func FuzzStateDecode(f *testing.F) {
	if !opens {
		f.Skip("values of plugins: this build has no gob")
	}
	teachGob()
	for _, v := range []any{1, "x", []any{1}, []string{"a"}, float32(1)} {
		b, err := encodeState(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeState(b)
		if err != nil {
			return
		}
		if _, err := encodeState(v); err != nil {
			t.Skip() // a large value of gob's
		}
	})
}
