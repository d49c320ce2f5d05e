package bench

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/hosttest"
	"github.com/vanth-io/vanth/wasm"
)

// kernelDir holds the pieces of work that the meter is measured with; see the readme there.
const kernelDir = "../wasm/internal/meter/testdata/kernels"

// kernel is a function i64 -> i64 of a module that has its name, and what it is called with.
type kernel struct {
	name string
	arg  uint64
}

func kernels() []kernel {
	return []kernel{
		{"add", 4},
		{"fib", 20},
		{"sieve", 30_000},
		{"nbody", 500},
		{"sha256", 16 << 10},
		{"json", 100},
		{"matrix", 40},
		{"upper", 1 << 16},
		{"sort", 3000},
		{"crc", 1 << 16},
		{"copy", 400},
		{"interp", 1000},
		{"indirect", 30_000},
		{"tree", 11},
	}
}

// kernelHost is a host with all kernels installed, one plugin each.
func kernelHost(b testing.TB, trusted bool) *host.Host {
	b.Helper()
	ctx := context.Background()
	o := wasm.Options{CallTimeout: time.Minute}
	if trusted {
		for _, k := range kernels() {
			o.Trusted = append(o.Trusted, k.name)
		}
	}
	rt, err := wasm.New(ctx, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rt.Close(ctx) })
	h, err := host.Open(ctx, host.Options{Home: b.TempDir(), Store: &hosttest.MemStore{}, Runtimes: []host.Runtime{rt}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close(ctx) })
	for _, k := range kernels() {
		code, err := os.ReadFile(filepath.Join(kernelDir, k.name+".wasm"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := h.Install(ctx, host.Request{ID: host.ID{Class: host.ClassWASM, Name: k.name}, Archive: kernelZip(b, k.name, code)}); err != nil {
			b.Fatal(err)
		}
	}
	return h
}

// kernelZip packs a kernel as a plugin.
func kernelZip(b testing.TB, name string, code []byte) *bytes.Buffer {
	b.Helper()
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for file, content := range map[string][]byte{name + ".wasm": code, name + ".json": fmt.Appendf(nil, `{"version":"1","functions":[%q]}`, name)} {
		f, err := w.Create(file)
		if err == nil {
			_, err = f.Write(content)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return &z
}

// kernelCall calls a kernel once.
func kernelCall(b testing.TB, f *host.Handle, k kernel, words []uint64) uint64 {
	words[0] = k.arg
	if err := f.ExecScalar(context.Background(), nil, words); err != nil {
		b.Fatal(k.name, err)
	}
	return words[0]
}

// BenchmarkMeter calls the kernels as a user would, with the meter and without.
func BenchmarkMeter(b *testing.B) {
	both := []struct {
		name string
		h    *host.Host
	}{{"trusted", kernelHost(b, true)}, {"metered", kernelHost(b, false)}}
	for _, k := range kernels() {
		for _, s := range both {
			b.Run(k.name+"/"+s.name, func(b *testing.B) {
				f := kernelFunction(b, s.h, k.name)
				words := make([]uint64, 1)
				b.ReportAllocs()
				for b.Loop() {
					kernelCall(b, f, k, words)
				}
			})
		}
	}
}

// TestMeterPrice measures the kernels through the host in turns and prints what the meter costs. It runs when METER_PRICE is
// set, and fails only on results that differ: what is promised is held where the engine alone is measured, beside the
// kernels.
func TestMeterPrice(t *testing.T) {
	if os.Getenv("METER_PRICE") == "" {
		t.Skip("METER_PRICE is not set")
	}
	const rounds = 100
	var hosts [2]*host.Host
	for i := range hosts {
		hosts[i] = kernelHost(t, i == 0)
	}
	var table strings.Builder
	for _, k := range kernels() {
		var subjects [2]*host.Handle
		var results [2]uint64
		words := make([]uint64, 1)
		for i, h := range hosts {
			subjects[i] = kernelFunction(t, h, k.name)
			results[i] = kernelCall(t, subjects[i], k, words)
		}
		if results[0] != results[1] {
			t.Errorf("%s: found %d with the meter, expected %d as without", k.name, results[1], results[0])
		}
		measure := func(i, n int) float64 {
			start := time.Now()
			for range n {
				kernelCall(t, subjects[i], k, words)
			}
			return float64(time.Since(start)) / float64(n)
		}
		n := 1 + int(1e6/measure(0, 10))
		var times [2][]float64
		for range rounds {
			for i := range subjects {
				times[i] = append(times[i], measure(i, n))
			}
		}
		raw, metered := slices.Min(times[0]), slices.Min(times[1])
		fmt.Fprintf(&table, "%-10s %12.1f %12.1f %8.3f\n", k.name, raw, metered, metered/raw)
	}
	t.Logf("ns a call, least of %d rounds\n%-10s %12s %12s\n%s", rounds, "kernel", "trusted", "metered", &table)
}

// kernelFunction finds a kernel by its name.
func kernelFunction(b testing.TB, h *host.Host, name string) *host.Handle {
	b.Helper()
	f, err := h.Function(name)
	if err != nil {
		b.Fatal(err)
	}
	return f
}
