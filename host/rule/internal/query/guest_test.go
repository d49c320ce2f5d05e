package query_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/host/rule/internal/query"
	"github.com/vanth-io/vanth/wasm"
)

// plugged is a host with the guest of testdata/guest.wat.
type plugged struct {
	*host.Host
	t    testing.TB
	code []byte
}

func plug(t testing.TB, symbols map[string]host.Signature, functions ...string) *plugged {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	if said, err := exec.Command("go", "run", "github.com/vanth-io/vanth/wasm/internal/wat/assemble", "testdata/guest.wat", out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	rt, err := wasm.New(ctx, wasm.Options{Quarantine: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(ctx) })
	h, err := host.Open(ctx, host.Options{Home: t.TempDir(), Store: &hosttest.MemStore{}, Runtimes: []host.Runtime{rt}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(ctx) })
	p := &plugged{Host: h, t: t, code: code}
	p.install(h.Install, symbols, functions...)
	return p
}

// install installs or replaces the guest under a manifest.
func (p *plugged) install(how func(context.Context, host.Request) (host.Plugin, error), symbols map[string]host.Signature, functions ...string) {
	p.t.Helper()
	manifest, err := json.Marshal(map[string]any{"version": "1", "functions": functions, "symbols": symbols, "limits": map[string]int{"concurrency": 1}})
	if err != nil {
		p.t.Fatal(err)
	}
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for name, content := range map[string][]byte{"guest.wasm": p.code, "guest.json": manifest} {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(content)
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	w.Close()
	if _, err := how(context.Background(), host.Request{ID: host.ID{Class: host.ClassWASM, Name: "guest"}, Archive: &z}); err != nil {
		p.t.Fatal(err)
	}
}

// via is an Env of a host's functions, each as it is or in a wrapping.
type via struct {
	host *host.Host
	wrap func(*host.Handle) query.Function
}

func (v via) Function(name string) (query.Function, error) {
	f, err := v.host.Function(name)
	if err != nil {
		return nil, err
	}
	if v.wrap == nil {
		return f, nil
	}
	return v.wrap(f), nil
}

// bindTo compiles a statement and binds it.
func bindTo(t testing.TB, e query.Env, sql string) *query.Bound {
	t.Helper()
	s, err := query.ParseSelect(sql)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Compile(e)
	if err != nil {
		t.Fatal(sql, err)
	}
	return p.Bind("r", "o", 0, 1)
}

// oddValues are what rows may have, of every kind.
func oddValues() []any {
	return []any{
		nil, true, false, "text", "", "13", []byte("bytes"),
		[]any{int64(1), "x"},
		map[string]any{"a": int64(1)},
		time.Unix(5, 0).UTC(), time.Unix(5, 7).In(time.FixedZone("x", 3600)), "\xff", []any(nil), map[string]any(nil),
		int64(0), int64(13), int64(-1), int64(1) << 31, int64(1)<<31 - 1, int64(math.MinInt32), int64(math.MinInt32) - 1,
		int64(1)<<32 - 1, int64(1) << 32, int64(1) << 53, int64(1)<<53 + 1, int64(math.MaxInt64), int64(math.MinInt64),
		uint64(math.MaxUint64), uint64(1) << 63, uint64(7), uint(math.MaxUint), uint(7), uintptr(7), int(-3), int8(-3), int16(-3), int32(-3),
		uint8(200), uint16(60_000), uint32(math.MaxUint32), float32(0.1), float32(13), float32(math.Inf(1)),
		0.0, math.Copysign(0, -1), 13.0, 2.5, -3.0, 1e300, -1e300, math.MaxFloat32, math.MaxFloat32 * 1.0000001, 5e-324,
		math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0x7ff0_0000_0000_0001), -9.3e18, -0x1p63, 0x1p63, 1.9e19,
	}
}

// oddRow is a row of a, b, c, d and e: what suits a function of numbers mostly.
func oddRow(r *rand.Rand) map[string]any {
	odd, row := oddValues(), map[string]any{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		switch r.IntN(6) {
		case 0:
			row[name] = odd[r.IntN(len(odd))]
		case 1:
			row[name] = r.IntN(2) == 0
		case 2:
			row[name] = math.Trunc(r.NormFloat64()*1000) / 4
		case 3:
			row[name] = int64(r.IntN(20))
		default:
			row[name] = r.Int64() >> r.IntN(64)
		}
	}
	return row
}
