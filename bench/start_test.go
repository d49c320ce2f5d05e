package bench

import (
	"bytes"
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/store"
	"github.com/vanth-io/vanth/wasm"
)

// startWorks are what begins to live: an instance, a plugin.
func startWorks() []work {
	return []work{
		{name: "a call in a new instance of the small guest", subjects: smallInstances},
		{name: "a call in a new instance of the std-Go guest", rounds: 15, round: 20 * time.Millisecond, subjects: goInstances},
		{name: "install and remove the small guest", rounds: 15, round: 50 * time.Millisecond, subjects: func(t testing.TB) []subject {
			return installs(t, "guest", guest, guestFiles(host.ResetReuse))
		}},
		{name: "install and remove the std-Go guest", rounds: 3, round: time.Millisecond, subjects: func(t testing.TB) []subject {
			code := buildGoGuest(t, true, "")
			return installs(t, "goguest", code, goGuestFiles(host.ResetReuse, code))
		}},
	}
}

func smallInstances(t testing.TB) []subject {
	words := make([]uint64, 1)
	return instances(t, "guest", guest, guestFiles, within("P8: at most 3 us", 3000), func(mod api.Module) (uint64, error) {
		err := mod.ExportedFunction("fn_count").CallWithStack(context.Background(), words)
		return words[0], err
	})
}

func goInstances(t testing.TB) []subject {
	code := buildGoGuest(t, true, "")
	g := newRawGo(t, code)
	number := uint64(slices.Index(g.names, "count"))
	words := make([]uint64, 3)
	return instances(t, "goguest", code, func(r host.Reset) files { return goGuestFiles(r, code) }, within("P8: at most 150 us", 150_000),
		func(mod api.Module) (uint64, error) {
			words[0] = 1
			if err := mod.ExportedFunction("vanth_buf").CallWithStack(context.Background(), words); err != nil {
				return 0, err
			}
			at := words[0]
			mod.Memory().WriteByte(uint32(at), 0x90) // no arguments
			words[0], words[1], words[2] = number, at, 1
			if err := mod.ExportedFunction("vanth_call").CallWithStack(context.Background(), words); err != nil {
				return 0, err
			}
			b, _ := mod.Memory().Read(uint32(words[0]>>32), uint32(words[0]))
			if len(b) != 1 {
				return 0, errWrong
			}
			return uint64(b[0]), nil // a small number is its own frame
		})
}

// instances call, each time in another instance, a function that tells how often it
// was called in its own: reset fresh starts one as the module says, reset snapshot takes the
// one before back to where it began. A source that is opened and closed is what is promised: an instance of its own,
// which begins with the snapshot. The floor starts and ends instances of raw wazero.
func instances(t testing.TB, name string, code []byte, f func(host.Reset) files, promises []promise, count func(api.Module) (uint64, error)) []subject {
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	t.Cleanup(func() { rt.Close(ctx) })
	rawGoImports(t, rt)
	compiled, err := rt.CompileModule(ctx, code)
	if err != nil {
		t.Fatal(err)
	}
	// Random bytes of the machine and new memory would cost more than the rest.
	pooled := experimental.WithMemoryAllocator(ctx, new(recycled))
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").WithRandSource(mathrand.NewChaCha8([32]byte{}))
	list := []subject{{name: "raw wazero in memory used again", run: func(n int) error {
		for range n {
			mod, err := rt.InstantiateModule(pooled, compiled, config)
			if err != nil {
				return err
			}
			calls, err := count(mod)
			if err != nil || calls != 1 {
				return fmt.Errorf("%w: call %d of the instance, %v", errWrong, calls, err)
			}
			if err := mod.Close(ctx); err != nil {
				return err
			}
		}
		return nil
	}}}
	for _, reset := range []host.Reset{host.ResetFresh, host.ResetSnapshot} {
		h := wasmHost(t, wasm.Options{})
		install(t, h, host.ClassWASM, name, f(reset))
		list = append(list, subject{name: "host, reset " + string(reset), run: execLoop(function(t, h, "count"), nil, int64(1))})
	}
	h := wasmHost(t, wasm.Options{})
	install(t, h, host.ClassWASM, name, f(host.ResetReuse))
	return append(list, subject{name: "host, a source opened", promises: promises, run: func(n int) error {
		for range n {
			s, err := h.Source("tick", nil, nil)
			if err == nil {
				err = s.Open(ctx)
			}
			if err == nil {
				err = s.Close(ctx)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}})
}

// recycled is the memory of one instance at a time, used again by the next.
type recycled struct{ bytes []byte }

// Allocate implements experimental.MemoryAllocator.
func (r *recycled) Allocate(uint64, uint64) experimental.LinearMemory {
	clear(r.bytes)
	r.bytes = r.bytes[:0]
	return r
}

// Reallocate implements experimental.LinearMemory.
func (r *recycled) Reallocate(size uint64) []byte {
	if n := int(size) - len(r.bytes); n > 0 {
		r.bytes = slices.Grow(r.bytes, n)[:size] // what Grow adds is zero, and so is what was cleared
	}
	return r.bytes
}

// Free implements experimental.LinearMemory.
func (r *recycled) Free() {}

// installs have as their floor what the engine needs to compile and start a module.
// The host is one as the product runs it: with a store on the disk.
func installs(t testing.TB, name string, code []byte, f files) []subject {
	ctx, home := context.Background(), t.TempDir()
	st, err := store.Open(filepath.Join(home, "vanth.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	rt, err := wasm.New(ctx, wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(ctx) })
	h, err := host.Open(ctx, host.Options{Home: home, Store: st, Runtimes: []host.Runtime{rt}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(ctx) })
	id := host.ID{Class: host.ClassWASM, Name: name}
	archive := f.packed(t).Bytes()
	return []subject{
		{name: "raw wazero, compiled and started", run: func(n int) error {
			for range n {
				if err := compileOnce(t, code); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "host", run: func(n int) error {
			for range n {
				if _, err := h.Install(ctx, host.Request{ID: id, Archive: bytes.NewReader(archive)}); err != nil {
					return err
				}
				if err := h.Remove(ctx, id); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

// compileOnce compiles and starts a module and ends it.
func compileOnce(t testing.TB, code []byte) error {
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	rawGoImports(t, rt)
	_, err := rt.InstantiateWithConfig(ctx, code, wazero.NewModuleConfig().WithStartFunctions("_initialize"))
	return err
}
