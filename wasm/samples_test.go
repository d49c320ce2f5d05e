package wasm

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// sample builds a sample plugin as its author would and loads it.
func sample(t *testing.T, rt *Runtime, name string, store *hosttest.MemStore) (*module, *host.State) {
	t.Helper()
	b := sampleBundle(t, name, host.Manifest{})
	var err error
	if b.State, err = host.NewState(store, b.Plugin.ID); err != nil {
		t.Fatal(err)
	}
	return load(t, rt, b), b.State
}

// sampleBundle builds a sample plugin. What wishes has beside the sample's manifest is how it resets, and what it
// requires more.
func sampleBundle(t testing.TB, name string, wishes host.Manifest) host.Bundle {
	t.Helper()
	src := filepath.Join("..", "plugins", "wasm", name)
	out := filepath.Join(t.TempDir(), name+".wasm")
	if text, err := os.ReadFile(filepath.Join(src, name+".wat")); err == nil {
		code, err := wat.Assemble(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(out, code, 0o644); err != nil {
			t.Fatal(err)
		}
	} else {
		cmd := exec.Command("go", "-C", "../plugins", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, "./wasm/"+name)
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(src, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := host.ParseManifest(host.ID{Class: host.ClassWASM, Name: name}, text)
	if err != nil {
		t.Fatal(err)
	}
	manifest.Reset = wishes.Reset
	manifest.Requires = append(manifest.Requires, wishes.Requires...)
	return bundle(t, name, code, manifest)
}

func exec1(t *testing.T, m host.Module, name string, args ...any) any {
	t.Helper()
	v, err := fn(t, m, name).Exec(context.Background(), nil, args)
	if err != nil {
		t.Fatalf("%s%v: %v", name, args, err)
	}
	return v
}

func TestFibonacci(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		m, _ := sample(t, newRuntime(t, Options{Engine: engine}), "fibonacci", &hosttest.MemStore{})
		for n, want := range map[int64]int64{0: 1, 1: 1, 2: 2, 25: 121393} {
			if got := exec1(t, m, "fib", n); got != want {
				t.Errorf("fib(%d) = %v, want %d", n, got, want)
			}
		}
	})
}

// TestGeo checks every city of the table, from several goroutines at once.
func TestGeo(t *testing.T) {
	rt := newRuntime(t, Options{StartTimeout: time.Minute, CallTimeout: time.Minute, PoolWait: time.Minute})
	m, _ := sample(t, rt, "geo", &hosttest.MemStore{})
	f, err := os.Open("../plugins/wasm/geo/testdata/cities.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) < 101 {
		t.Fatal(len(rows), err)
	}
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for _, r := range rows[1:] {
				lat, _ := strconv.ParseFloat(r[2], 64)
				lon, _ := strconv.ParseFloat(r[3], 64)
				n := int64(1 + (w*4)%len(r[4]))
				got, err := fn(t, m, "geohash").Exec(context.Background(), nil, []any{lat, lon, n})
				if err != nil || got != r[4][:n] {
					t.Errorf("geohash of %s: %v, %v; want %s", r[0], got, err, r[4][:n])
				}
			}
		})
	}
	wg.Wait()
	if d := exec1(t, m, "distance", 52.52, 13.405, 48.8566, 2.3522).(float64); d < 870e3 || d > 885e3 {
		t.Errorf("Berlin to Paris is %v m", d)
	}
	where := exec1(t, m, "geohash_decode", "u33dc0cpk").(map[string]any)
	if lat, ok := where["lat"].(float64); !ok || lat < 52.5 || lat > 52.6 || len(where) != 4 {
		t.Errorf("decode: %v", where)
	}
	_, err = fn(t, m, "geohash").Exec(context.Background(), nil, []any{91.0, 0.0, int64(5)})
	g, ok := errors.AsType[*host.GuestError](err)
	if !ok || g.Fault != host.FaultReturned || g.Class != "usage" || !strings.Contains(g.Error(), "wasm/geo 1.0.0: geohash: ") {
		t.Errorf("latitude 91: %v", err)
	}
	if _, err := fn(t, m, "geohash").Exec(context.Background(), nil, []any{"x", 0.0, int64(5)}); !errors.Is(err, host.ErrInvalid) {
		t.Errorf("wrong type: %v", err)
	}
}

// TestWordCountKeepsItsState over instances, over a reload, and apart for each
// rule and operator.
func TestWordCountKeepsItsState(t *testing.T) {
	store := &hosttest.MemStore{}
	rt := newRuntime(t, Options{StartTimeout: time.Minute, CallTimeout: time.Minute})
	m, state := sample(t, rt, "wordcount", store)
	if got := exec1(t, m, "accumulateWordCount", "one two three", " "); got != int64(3) {
		t.Errorf("first: %v", got)
	}
	if got := exec1(t, m, "accumulateWordCount", "four", " "); got != int64(4) {
		t.Errorf("second: %v", got)
	}
	c := &host.Call{Rule: "r1", Op: "op"}
	if got, err := fn(t, m, "accumulateWordCount").Exec(context.Background(), c, []any{"a,b", ","}); err != nil || got != int64(2) {
		t.Errorf("in a rule: %v, %v", got, err)
	}
	if err := state.Save(); err != nil {
		t.Fatal(err)
	}
	m2, _ := sample(t, rt, "wordcount", store)
	if got := exec1(t, m2, "accumulateWordCount", "five", " "); got != int64(5) {
		t.Errorf("after a reload: %v", got)
	}
}

// TestGoGuestUnderGC calls a Go guest with arguments and results of all sizes:
// what its collector moves or frees must never show.
func TestGoGuestUnderGC(t *testing.T) {
	rt := newRuntime(t, Options{StartTimeout: time.Minute, CallTimeout: time.Minute})
	m, _ := sample(t, rt, "wordcount", &hosttest.MemStore{})
	f := fn(t, m, "accumulateWordCount").(host.Bytes)
	var total int64
	var dst []byte
	for i := range 2000 {
		words := (i * 37) % 4000
		total += int64(words)
		args, err := frame.AppendArgs(nil, []any{strings.Repeat("word ", words), " "})
		if err != nil {
			t.Fatal(err)
		}
		if dst, err = f.ExecBytes(context.Background(), nil, dst[:0], args); err != nil {
			t.Fatal(err)
		}
		if got, err := frame.Decode(dst); err != nil || got != total {
			t.Fatalf("call %d: %v, %v; want %d", i, got, err, total)
		}
	}
}

// TestImports calls every import of module vanth from a hand-written guest.
func TestImports(t *testing.T) {
	code, _ := assemble(t, "testdata/imports.wat")
	engines(t, func(t *testing.T, engine string) {
		rt := newRuntime(t, Options{Engine: engine})
		names := []string{"ctx", "ctx64", "put", "get", "del", "incr", "count", "now", "level", "long"}
		b := bundle(t, "m", code, host.Manifest{Functions: names, Requires: []string{"state", "clock"}})
		m := load(t, rt, b)
		call := &host.Call{Rule: "rule1", Op: "op2", Instance: 3, Run: 4, Func: 5}
		run := func(name string, want any, args ...any) {
			t.Helper()
			got, err := fn(t, m, name).Exec(context.Background(), call, args)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s%v = %v, %v; want %v", name, args, got, err, want)
			}
		}
		// ctx answers how long the string is and its first byte; more than the
		// buffer's capacity leaves the buffer as it was.
		for which, want := range map[int64]string{0: "rule1", 1: "op2", 2: "/", 3: "m", 4: "ctx"} {
			run("ctx", []any{int64(len(want)), int64(want[0])}, which, int64(64))
		}
		run("ctx", []any{int64(5), int64(0)}, int64(0), int64(4))
		run("ctx", []any{int64(codeAbsent), int64(0)}, int64(9), int64(64))
		for which, want := range map[int64]int64{0: 3, 1: 4, 2: 5, 7: 0} {
			run("ctx64", want, which)
		}
		run("get", int64(codeAbsent), int64(64), int64(3))
		run("del", int64(codeAbsent), int64(64), int64(3))
		run("put", int64(0), int64(64), int64(3))
		run("get", int64(3), int64(64), int64(3))
		run("get", int64(codePointer), int64(-1), int64(3))
		run("put", int64(codePointer), int64(-1), int64(3))
		run("del", int64(codePointer), int64(1<<20), int64(3))
		run("del", int64(0), int64(64), int64(3))
		run("get", int64(codeAbsent), int64(64), int64(3))
		run("put", int64(codeTooLarge), int64(64), int64(host.MaxStateKey+1))
		run("incr", int64(7), int64(7))
		run("incr", int64(10), int64(3))
		run("incr", int64(9_223_372_036_854_775_807), int64(9_223_372_036_854_775_807))
		run("count", int64(9_223_372_036_854_775_807))
		run("level", int64(0), int64(0))
		run("long", nil)
		now := exec1(t, m, "now").(int64)
		if d := time.Since(time.UnixMilli(now)); d < -time.Second || d > time.Minute {
			t.Errorf("now is %v away", d)
		}
		if got := b.State.Counter("rule1\x00op2", "key"); got != 9_223_372_036_854_775_807 {
			t.Errorf("counter %d", got)
		}
	})
}

// TestGuestsSeeNothingOfTheHost: without grants a guest has no clock, random
// bytes, environment, arguments or files of the host.
func TestGuestsSeeNothingOfTheHost(t *testing.T) {
	code, _ := assemble(t, "testdata/snoop.wat")
	t.Setenv("VANTH_SECRET", "secret")
	rt := newRuntime(t, Options{})
	snoop := func(caps ...string) map[string]any {
		m := load(t, rt, bundle(t, "m", code, host.Manifest{Functions: []string{"env", "args", "preopen", "random", "clock", "open"}, Requires: caps}))
		all := map[string]any{}
		for _, f := range m.functions {
			all[f.name] = exec1(t, m, f.name)
		}
		return all
	}
	first, second := snoop(), snoop()
	want := map[string]any{"env": int64(0), "args": int64(0), "preopen": int64(8), "open": int64(8)} // 8 is EBADF
	for k, v := range want {
		if first[k] != v {
			t.Errorf("%s = %v, want %v", k, first[k], v)
		}
	}
	if first["random"] != second["random"] || first["clock"] != second["clock"] {
		t.Errorf("random or clock differ: %v, %v", first, second)
	}
	granted, again := snoop("random", "clock"), snoop("random", "clock")
	if granted["random"] == again["random"] || granted["clock"].(int64) < time.Now().Add(-time.Hour).UnixNano() {
		t.Errorf("granted: %v, %v", granted, again)
	}
}

// TestFrameVectors: what a guest gets and gives is what the vectors say.
func TestFrameVectors(t *testing.T) {
	raw, err := os.ReadFile("../sdk/abi/testdata/values.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Accept []struct{ Name, Frame string }
		Reject []struct{ Name, Frame, Error string }
	}
	if err := json.Unmarshal(raw, &vectors); err != nil || len(vectors.Accept) < 80 || len(vectors.Reject) < 40 {
		t.Fatal(err)
	}
	kit, _ := assemble(t, "testdata/kit.wat")
	m := load(t, newRuntime(t, Options{}), bundle(t, "kit", kit, host.Manifest{Functions: []string{"echo"}}))
	f := fn(t, m, "echo")
	for _, v := range vectors.Accept {
		var b []byte
		if _, err := fmt.Sscanf(v.Frame, "%x", &b); err != nil {
			t.Fatal(err)
		}
		// The lane for encoded values passes every frame through as it is.
		got, err := f.(host.Bytes).ExecBytes(context.Background(), nil, nil, append([]byte{0x91}, b...))
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s: %x, %v; want %x", v.Name, got, err, b)
		}
		value, err := frame.Decode(b)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if _, isError := value.(*frame.Error); isError || strings.Contains(v.Name, "nan") || strings.Contains(v.Name, "depth 64") {
			continue
		}
		back, err := f.Exec(context.Background(), nil, []any{value})
		if err != nil || !reflect.DeepEqual(back, value) && !hasNaN(value) {
			t.Errorf("%s: %#v came back as %#v, %v", v.Name, value, back, err)
		}
	}
}

func hasNaN(v any) bool { return strings.Contains(fmt.Sprint(v), "NaN") }
