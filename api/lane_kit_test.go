package api_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// lanedSymbols are functions that have lanes, with the signatures of the samples
// and some more. Those that begin with w take words, the others frames.
const lanedSymbols = `{
	"wadd":{"args":["f64","f64"],"returns":"f64"}, "wfib":{"args":["i32"],"returns":"i64"},
	"wmix":{"args":["i64","u32","f32","bool"],"returns":"u32"}, "wnone":{"args":[],"returns":"bool"},
	"fhash":{"args":["f64","f64","i32"],"returns":"list"}, "ftext":{"args":["string","string"],"returns":"i64"},
	"fany":{"returns":"any"}, "ftyped":{"args":["bytes","list","map"],"returns":"list"}, "fnull":{"args":["any"],"returns":"any","null":"call"},
	"fodd":{"args":["any"],"returns":"f64"}, "ffail":{"args":["any"],"returns":"any"}, "fpanic":{"args":["any"],"returns":"any"},
	"fvanish":{"args":["bool"],"returns":"any"},
	"wold":{"args":["f64"],"returns":"f64"}}`

// lanedFuncs is what they do.
var lanedFuncs = map[string]body{
	"wadd": func(_ context.Context, a []any) (any, error) { return a[0].(float64) + a[1].(float64), nil },
	"wfib": func(_ context.Context, a []any) (any, error) {
		if n := a[0].(int64); n >= 0 {
			return n * n, nil
		}
		return nil, guest(host.FaultTrap, "", "", "unreachable")
	},
	"wmix": func(_ context.Context, a []any) (any, error) {
		if a[3].(bool) {
			return a[1], nil
		}
		return int64(a[2].(float64)) & 0xffff, nil
	},
	"wnone": func(context.Context, []any) (any, error) { return true, nil },
	"fhash": func(_ context.Context, a []any) (any, error) { return a, nil },
	"ftext": func(_ context.Context, a []any) (any, error) {
		return int64(strings.Count(a[0].(string), a[1].(string))), nil
	},
	"fany": func(_ context.Context, a []any) (any, error) {
		return map[string]any{"n": int64(len(a)), "args": a}, nil
	},
	"ftyped": func(_ context.Context, a []any) (any, error) { return a, nil },
	"fnull":  func(_ context.Context, a []any) (any, error) { return a[0], nil },
	"fodd":   func(_ context.Context, a []any) (any, error) { return a[0], nil }, // may be no f64
	"ffail": func(_ context.Context, a []any) (any, error) {
		return nil, guest(host.FaultReturned, "io", "", fmt.Sprint(a[0]))
	},
	"fpanic": func(context.Context, []any) (any, error) { panic("plugin code") },
	"fvanish": func(_ context.Context, a []any) (any, error) {
		if a[0].(bool) {
			runtime.Goexit()
		}
		time.Sleep(110 * time.Millisecond) // a part of the answer leaves
		return nil, nil
	},
	"wold": func(_ context.Context, a []any) (any, error) { return a[0], nil },
}

// lanesTaken counts calls that came by a lane.
type lanesTaken struct{ words, frames atomic.Int64 }

// laned returns a function that has lanes.
func (m *testModule) laned(name string) (host.Function, error) {
	f, sig := lanedFuncs[name], m.b.Plugin.Manifest.Symbols[name]
	switch {
	case name == "quick":
		return &adder{testFunction{nil, sig}}, nil
	case f == nil:
		return nil, host.ErrNotFound
	case name == "wold": // it could have the lane, and has not
		return &convertedFunction{testFunction{f, sig}, &m.rt.taken}, nil
	case name[0] == 'w':
		return &wordFunction{convertedFunction{testFunction{f, sig}, &m.rt.taken}}, nil
	}
	return &frameFunction{convertedFunction{testFunction{f, sig}, &m.rt.taken}}, nil
}

// convertedFunction does with values what package wasm does.
type convertedFunction struct {
	testFunction
	taken *lanesTaken
}

func (f *convertedFunction) Exec(ctx context.Context, c *host.Call, args []any) (any, error) {
	if err := f.sig.Check(args); err != nil {
		return nil, err
	}
	list := append([]any{}, args...)
	for i, v := range list {
		if v == nil && !f.sig.NullCall {
			return nil, nil
		}
		if !f.sig.Variadic && f.sig.Args[i].Numeric() {
			t := f.sig.Args[i]
			if t == host.TypeF32 {
				t = host.TypeF64
			}
			w, err := t.Word(v)
			if err != nil {
				return nil, err
			}
			list[i] = t.Value(w)
		}
	}
	v, err := f.run(ctx, list)
	if err != nil || v == nil {
		return nil, err
	}
	if v, err = f.sig.Returns.Conform(v); err != nil {
		return nil, &host.GuestError{
			Plugin: host.ID{Class: host.ClassWASM, Name: "laned"}, Version: "1.0.0", Symbol: "fodd", Fault: host.FaultResult, Err: err,
		}
	}
	return v, nil
}

type wordFunction struct{ convertedFunction }

func (f *wordFunction) ExecScalar(ctx context.Context, _ *host.Call, words []uint64) error {
	f.taken.words.Add(1)
	args := make([]any, len(f.sig.Args))
	for i, t := range f.sig.Args {
		args[i] = t.Value(words[i])
	}
	v, err := f.run(ctx, args)
	if err == nil {
		words[0], err = f.sig.Returns.Word(v)
	}
	return err
}

type frameFunction struct{ convertedFunction }

func (f *frameFunction) ExecBytes(ctx context.Context, _ *host.Call, dst, args []byte) ([]byte, error) {
	f.taken.frames.Add(1)
	list, err := frame.DecodeArgs(args)
	if err != nil {
		return dst, err
	}
	v, err := f.run(ctx, list)
	if err != nil {
		return dst, err
	}
	return frame.Append(dst, v)
}

// adder is a Scalar that costs nothing, for allocations and figures.
type adder struct{ testFunction }

func (*adder) ExecScalar(_ context.Context, _ *host.Call, words []uint64) error {
	words[0] = math.Float64bits(math.Float64frombits(words[0]) + math.Float64frombits(words[1]))
	return nil
}

// installLaned puts the functions with lanes into the host.
func (k *kit) installLaned() {
	k.t.Helper()
	var names []string
	for name := range lanedFuncs {
		names = append(names, `"`+name+`"`)
	}
	k.installPack("laned", `{"version":"1.0.0","functions":[`+strings.Join(names, ",")+`],"symbols":`+lanedSymbols+`}`)
}

func (k *kit) installPack(name, manifest string) {
	k.t.Helper()
	_, err := k.host.Install(context.Background(), host.Request{
		ID:      host.ID{Class: host.ClassWASM, Name: name},
		Archive: bytes.NewReader(pack(k.t, map[string]string{name + ".json": manifest, name + ".wasm": "ok"})),
	})
	if err != nil {
		k.t.Fatal(err)
	}
}
