package meter_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/meter"
)

// A subject is a way to run a guest.
type subject int

const (
	subjectRaw     subject = iota // the engine and nothing else
	subjectMetered                // the same after the meter
	subjectSwitch                 // with the engine's own deadline switch
	subjects
)

func (s subject) String() string { return [...]string{"raw", "metered", "switch"}[s] }

// priceSlice is what a refill gives: as much as package wasm does, see mostFuel there.
const priceSlice = 50_000

// subjectRun is a kernel's function in an instance.
type subjectRun struct {
	kernel
	f     api.Function
	ctx   context.Context
	stack [1]uint64
}

// run calls the function once. It allocates nothing itself.
func (r *subjectRun) run(n int64) (int64, error) {
	r.stack[0] = uint64(n)
	err := r.f.CallWithStack(r.ctx, r.stack[:])
	return int64(r.stack[0]), err
}

// newSubject makes an instance of a kernel and compares what it computes with what Go does.
func newSubject(t testing.TB, k kernel, code []byte, s subject) *subjectRun {
	t.Helper()
	r := &subjectRun{kernel: k, ctx: context.Background()}
	config := wazero.NewRuntimeConfig()
	switch s {
	case subjectMetered:
		m, err := gate.Walk(code, gate.Caps{Positions: true, Clamp: true})
		if err == nil {
			code, err = meter.Rewrite(code, m, meter.Limits{})
		}
		if err != nil {
			t.Fatal(k.name, err)
		}
	case subjectSwitch:
		config = config.WithCloseOnContextDone(true)
		ctx, stop := context.WithTimeout(r.ctx, time.Hour)
		t.Cleanup(stop)
		r.ctx = ctx
	}
	rt := wazero.NewRuntimeWithConfig(context.Background(), config)
	t.Cleanup(func() { rt.Close(context.Background()) })
	giveFuel(t, rt)
	wasi_snapshot_preview1.MustInstantiate(r.ctx, rt)
	mod, err := rt.InstantiateWithConfig(context.Background(), code, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	if err != nil {
		t.Fatal(k.name, s, err)
	}
	if r.f = mod.ExportedFunction(k.name); r.f == nil {
		t.Fatalf("%s: it does not export %s", k.name, k.name)
	}
	for _, n := range append(k.args, k.arg) {
		if v, err := r.run(n); err != nil || v != k.want(n) {
			t.Fatalf("%s, %s: of %d found %d, %v, expected %d", k.name, s, n, v, err, k.want(n))
		}
	}
	return r
}

// giveFuel defines a refill that does what that of package wasm does: it looks at the clock and the context, and lets
// others run.
func giveFuel(t testing.TB, rt wazero.Runtime) {
	began, ends := time.Now(), time.Hour
	yielded := time.Duration(0)
	refill := func(ctx context.Context, _ api.Module, stack []uint64) {
		now := time.Since(began)
		if int64(stack[1]) < 0 || now > ends || ctx.Err() != nil {
			panic(errFuel)
		}
		if now-yielded > time.Millisecond/5 {
			runtime.Gosched()
			yielded = time.Since(began)
		}
		stack[0] = priceSlice
	}
	i64 := api.ValueTypeI64
	if _, err := rt.NewHostModuleBuilder(meter.ImportModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(refill), []api.ValueType{i64, i64}, []api.ValueType{i64}).
		Export(meter.ImportName).Instantiate(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// readKernel is the module of a kernel.
func readKernel(t testing.TB, k kernel) []byte {
	t.Helper()
	if k.name == goKernel().name {
		return buildWords(t)
	}
	code, err := os.ReadFile(filepath.Join("testdata", "kernels", k.name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// buildWords compiles the kernel that is in Go. The go command caches all but the link.
func buildWords(t testing.TB) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "words.wasm")
	c := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", file, "./testdata/kernels/words/guest")
	c.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// BenchmarkMeterPrice runs each kernel on each subject.
func BenchmarkMeterPrice(b *testing.B) {
	words := sync.OnceValue(func() []byte { return buildWords(b) })
	for _, k := range append(costKernels(), goKernel(), callKernel()) {
		for s := range subjects {
			b.Run(k.name+"/"+s.String(), func(b *testing.B) {
				var code []byte
				if k.name == goKernel().name {
					code = words()
				} else {
					code = readKernel(b, k)
				}
				r := newSubject(b, k, code, s)
				want := k.want(k.arg)
				b.ReportAllocs()
				for b.Loop() {
					if v, err := r.run(k.arg); err != nil || v != want {
						b.Fatal(v, err)
					}
				}
			})
		}
	}
}
