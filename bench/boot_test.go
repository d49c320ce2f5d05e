package bench

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/vanth-io/vanth/bench/internal/report"
	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/store"
	"github.com/vanth-io/vanth/wasm"
)

// bootStudies are starts of whole hosts.
func bootStudies() []study {
	var list []study
	for _, n := range []int{1, 10, 100} {
		list = append(list, study{fmt.Sprintf("start with %d small plugins", n), func(t testing.TB) []report.Row {
			return bootRows(t, "small", smallPlugins(n), 9, 9)
		}})
	}
	for _, c := range []struct{ plugins, colds int }{{1, 3}, {10, 1}} { // ten take some seconds to compile
		list = append(list, study{fmt.Sprintf("start with %d std-Go plugins", c.plugins), func(t testing.TB) []report.Row {
			return bootRows(t, "std-Go", goPlugins(t, c.plugins), c.colds, 5)
		}})
	}
	return append(list, study{"start with 100 equal std-Go plugins", func(t testing.TB) []report.Row {
		return bootRows(t, "equal std-Go", goCopies(t, 100), 0, 3)
	}})
}

// module is a plugin of one function f64 f64 -> f64 that adds.
type module struct {
	name, function string
	code           []byte
}

// smallPlugins are so many of the small guest, each with a function of a name of its
// own, and so each compiled by itself.
func smallPlugins(n int) []module {
	list := make([]module, n)
	for i := range list {
		function := fmt.Sprintf("a%02d", i) // as long as "add"
		list[i] = module{"p" + function, function, bytes.Replace(guest, []byte("fn_add"), []byte("fn_"+function), 1)}
	}
	return list
}

// goPlugins are so many of the guest in Go, each with functions of other names, and so
// each compiled by itself.
func goPlugins(t testing.TB, n int) []module {
	t.Helper()
	const suffix = "Q000"
	code := buildGoGuest(t, true, suffix)
	list := make([]module, n)
	for i := range list {
		own := fmt.Sprintf("Q%03d", i)
		list[i] = module{"go" + own, "add" + own, bytes.ReplaceAll(code, []byte(suffix), []byte(own))}
	}
	return list
}

// goCopies are so many plugins of one module in Go, which is compiled once: to compile a
// hundred takes minutes. Each has another of its functions.
func goCopies(t testing.TB, n int) []module {
	t.Helper()
	code := buildGoGuest(t, true, fmt.Sprintf("Q -X main.copies=%d", n))
	list := make([]module, n)
	for i := range list {
		name := fmt.Sprintf("addQ%d", i)
		list[i] = module{"go" + name, name, code}
	}
	return list
}

// files are the plugin's files.
func (m module) files() files {
	return files{
		m.name + ".wasm": m.code,
		m.name + ".json": fmt.Appendf(nil, `{"version":"1","functions":[%q],"sources":[]}`, m.function),
	}
}

// bootRows starts a host with the modules, so many times from an empty cache and so
// many from a full one, until the first call has its answer. The floor is the engine
// that compiles, or reads from its cache, and starts the same modules.
func bootRows(t testing.TB, kind string, modules []module, colds, warms int) []report.Row {
	home, rawCache := t.TempDir(), t.TempDir()
	cache := filepath.Join(home, "cache")
	b, err := boot(home, cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		install(t, b.host, host.ClassWASM, m.name, m.files())
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	var rows []report.Row
	if colds > 0 {
		rows = append(rows, bootRow(fmt.Sprintf("start with %d %s plugins, cold, to the first call", len(modules), kind), colds, func() (host, floor float64) {
			empty(t, cache, rawCache)
			return bootOnce(t, home, cache, modules), rawBoot(t, rawCache, modules)
		}))
	} else {
		rawBoot(t, rawCache, modules) // fills its cache
	}
	r := bootRow(fmt.Sprintf("start with %d %s plugins, warm, to the first call", len(modules), kind), warms, func() (host, floor float64) {
		return bootOnce(t, home, cache, modules), rawBoot(t, rawCache, modules)
	})
	if kind == "small" && len(modules) == 100 {
		r.Promise, r.Bound, r.Of = "P9: at most 300 ms", 300e6, report.OfNS
	}
	return append(rows, r)
}

// bootRow is the median of so many rounds.
func bootRow(work string, rounds int, round func() (host, floor float64)) report.Row {
	var took, floors, ratios []float64
	for range rounds {
		h, f := round()
		took, floors, ratios = append(took, h), append(floors, f), append(ratios, h/f)
	}
	return report.Row{
		Work: work, Subject: "host", Floor: "raw wazero, compiled and started",
		MedianNS: report.Median(took), FloorNS: report.Median(floors), Ratio: report.Median(ratios),
	}
}

// empty empties folders.
func empty(t testing.TB, dirs ...string) {
	t.Helper()
	for _, d := range dirs {
		if err := os.RemoveAll(d); err != nil {
			t.Fatal(err)
		}
	}
}

// booted is a host as the product runs it: compiled code and the store on the disk.
type booted struct {
	store   *store.Store
	runtime *wasm.Runtime
	host    *host.Host
}

func boot(home, cache string) (b booted, err error) {
	ctx := context.Background()
	if b.store, err = store.Open(filepath.Join(home, "vanth.db")); err != nil {
		return b, err
	}
	if b.runtime, err = wasm.New(ctx, wasm.Options{CacheDir: cache}); err != nil {
		return b, err
	}
	b.host, err = host.Open(ctx, host.Options{Home: home, Store: b.store, Runtimes: []host.Runtime{b.runtime}})
	return b, err
}

func (b booted) close() error {
	ctx := context.Background()
	err := b.host.Close(ctx)
	b.runtime.Close(ctx)
	b.store.Close()
	return err
}

// bootOnce is how many nanoseconds pass from an empty process state to the answer
// of the first call.
func bootOnce(t testing.TB, home, cache string, modules []module) float64 {
	t.Helper()
	begun := time.Now()
	b, err := boot(home, cache)
	if err != nil {
		t.Fatal(err)
	}
	f, err := b.host.Function(modules[len(modules)-1].function)
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Exec(context.Background(), nil, []any{addA, addB})
	took := time.Since(begun)
	if err != nil || v != addSum {
		t.Fatal(v, err)
	}
	if err := b.close(); err != nil {
		t.Fatal(err)
	}
	return float64(took.Nanoseconds())
}

// rawBoot is the same by the engine alone: all modules of one runtime, and a call
// of the last where it is one of words.
func rawBoot(t testing.TB, dir string, modules []module) float64 {
	t.Helper()
	ctx := context.Background()
	begun := time.Now()
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache))
	rawGoImports(t, rt)
	for i, m := range modules {
		mod, err := rt.InstantiateWithConfig(ctx, m.code, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
		if err != nil {
			t.Fatal(err)
		}
		if f := mod.ExportedFunction("fn_" + m.function); f != nil && i == len(modules)-1 {
			words := []uint64{math.Float64bits(addA), math.Float64bits(addB)}
			if err := f.CallWithStack(ctx, words); err != nil || words[0] != math.Float64bits(addSum) {
				t.Fatal(words, err)
			}
		}
	}
	took := time.Since(begun)
	rt.Close(ctx)
	cache.Close(ctx)
	return float64(took.Nanoseconds())
}
