package wasm

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/meter"
)

// TestTrapStartsFromTheSnapshot: what follows a trap is as the first start left it, without another.
func TestTrapStartsFromTheSnapshot(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		m, log := countingModule(t, Options{Engine: engine, PoolMax: 2, Quarantine: -1}, "")
		for range 20 {
			if v := exec1(t, m, "memory"); v != int64(101) {
				t.Fatalf("memory: %v, expected 101", v)
			}
			if v := exec1(t, m, "memory"); v != int64(102) {
				t.Fatalf("memory: %v, expected 102", v)
			}
			_, err := fn(t, m, "trap").Exec(context.Background(), nil, nil)
			if g, ok := errors.AsType[*host.GuestError](err); !ok || g.Fault != host.FaultTrap {
				t.Fatal(err)
			}
		}
		if n := strings.Count(log.String(), "starting"); n != 1 {
			t.Errorf("it started %d times", n)
		}
	})
}

// TestSnapshotRefused: guests that cannot start from a snapshot say why, and start as they did.
func TestSnapshotRefused(t *testing.T) {
	const head = `(module (import "vanth" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
	  (import "vanth" "now_ms" (func $now (result i64)))
	  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
	  (memory (export "memory") 1) (global $got (mut i32) (i32.const 7)) (table 1 2 funcref)
	  (func (export "vanth_abi_1") (result i32) (i32.const 0))
	  (func (export "fn_f") (result i32) (global.set $got (i32.add (global.get $got) (i32.const 1))) (global.get $got))`
	for _, tc := range []struct {
		name, text string
		manifest   host.Manifest
		options    Options
		reason     string // "" when there is a snapshot
	}{
		{name: "nothing", text: ``},
		{name: "clock", text: `(func (export "_initialize") (drop (call $now)))`, manifest: host.Manifest{Requires: []string{"clock"}}},
		{name: "random not granted", text: `(func (export "_initialize") (drop (call $random (i32.const 0) (i32.const 8))))`},
		{
			name: "random", text: `(func (export "_initialize") (drop (call $random (i32.const 0) (i32.const 8))))`,
			manifest: host.Manifest{Requires: []string{"random"}}, reason: "it used random while it started",
		},
		{name: "random granted and not used", text: ``, manifest: host.Manifest{Requires: []string{"random"}}},
		{
			name: "state", text: `(func (export "_initialize") (drop (call $get (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))))`,
			reason: "it used state while it started",
		},
		{
			name: "state in the start function", text: `(func $s (drop (call $get (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0)))) (start $s)`,
			reason: "it used state while it started",
		},
		{name: "state later", text: `(func (export "fn_g") (drop (call $get (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))))`},
		{name: "tables", text: `(func (export "g") (table.set 0 (i32.const 0) (ref.null func)))`, reason: "its code changes tables"},
		{name: "data", text: `(data "x") (func (export "g") (data.drop 0))`, reason: "its code uses data segments"},
		{name: "references", text: `(global (mut funcref) (ref.null func))`, reason: "mutable global that is no number"},
		{name: "large", text: `(func (export "_initialize") (drop (memory.grow (i32.const 1500))))`, options: Options{MemoryMiB: 128}, reason: "93 MiB of memory, more than 64"},
		{name: "fresh", text: ``, manifest: host.Manifest{Reset: host.ResetFresh}, reason: "the manifest wants each instance fresh"},
		{name: "trusted", text: ``, options: Options{Trusted: []string{"m"}}, reason: "the plugin is trusted"},
	} {
		for _, reset := range []host.Reset{host.ResetReuse, host.ResetSnapshot} {
			t.Run(tc.name+"/"+string(reset), func(t *testing.T) {
				var log bytes.Buffer
				o, manifest := tc.options, tc.manifest
				o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				manifest.Functions = []string{"f"}
				manifest.Requires = append(slices.Clone(manifest.Requires), "state", "clock")
				if manifest.Reset == "" {
					manifest.Reset = reset
				}
				m := load(t, newRuntime(t, o), watBundle(t, head+tc.text+`)`, manifest))
				if (m.snapshot != nil) != (tc.reason == "") || !strings.Contains(log.String(), tc.reason) {
					t.Errorf("snapshot: %v, expected the reason %q\n%s", m.snapshot != nil, tc.reason, &log)
				}
				for n := range int64(3) {
					want := 8 + n
					if manifest.Reset != host.ResetReuse {
						want = 8
					}
					if v := exec1(t, m, "f"); v != want {
						t.Errorf("call %d: %v, expected %d", n, v, want)
					}
				}
			})
		}
	}
}

// TestSnapshotIsAStart: an instance from the snapshot has the memory and the globals of one that has started as the module
// says, byte for byte: each guest of the tests, and the samples in Go.
func TestSnapshotIsAStart(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		rt := newRuntime(t, Options{Engine: engine, PoolMax: 4, StartTimeout: time.Minute, CacheDir: t.TempDir()})
		bundles := map[string]host.Bundle{}
		for _, folder := range []string{"guests", "sources", "sinks"} {
			files, _ := filepath.Glob("testdata/" + folder + "/*.wat")
			for _, file := range files {
				code, _ := assemble(t, file)
				bundles[file] = bundle(t, "m", code, host.Manifest{Requires: []string{"state", "clock"}})
			}
		}
		for _, name := range []string{"fibonacci", "geo", "wordcount", "ticker"} {
			if name == "fibonacci" || name == "geo" && !raced || engine == "compiler" && !raced { // which takes the race detector minutes
				bundles[name] = sampleBundle(t, name, host.Manifest{})
			}
		}
		compared := 0
		for name, b := range bundles {
			b.Plugin.Manifest.Reset = host.ResetSnapshot
			m, err := rt.Load(context.Background(), b)
			if err != nil {
				continue // such guests are in other tests
			}
			b.Plugin.Manifest.Reset = host.ResetFresh
			ordinary := load(t, rt, b)
			t.Run(filepath.Base(name), func(t *testing.T) { compareStarts(t, m.(*module), ordinary) })
			compared++
		}
		if compared < 5 {
			t.Errorf("%d guests were compared", compared)
		}
	})
}

// compareStarts compares instances from the snapshot, one of them after a reset, and one that starts as the module says.
func compareStarts(t *testing.T, m, ordinary *module) {
	if m.snapshot == nil || ordinary.snapshot != nil {
		t.Fatal("there is no snapshot, or one too many")
	}
	start := func(m *module) *instance {
		in, err := m.instantiate(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(in.close)
		return in
	}
	from, changed, anew := start(m), start(m), start(ordinary)
	if m.parts.memory > 0 {
		want, _ := anew.memory.Read(0, anew.memory.Size())
		got, _ := from.memory.Read(0, from.memory.Size())
		if !bytes.Equal(want, got) {
			t.Errorf("memories of %d and %d bytes differ", len(got), len(want))
		}
		for at := 0; at < len(got); at += 5000 {
			changed.memory.WriteByte(uint32(at), 0xcc)
		}
		if !changed.restore() {
			t.Error("an instance cannot be restored")
		}
		if got, _ := changed.memory.Read(0, changed.memory.Size()); !bytes.Equal(want, got) {
			t.Error("a memory that was restored differs")
		}
	}
	for i := range m.parts.globals {
		name := meter.ExportGlobal(i)
		if got, want := from.mod.ExportedGlobal(name).Get(), anew.mod.ExportedGlobal(name).Get(); got != want {
			t.Errorf("global %d is %#x, expected %#x", i, got, want)
		}
	}
	if from.world != anew.world {
		t.Errorf("world %+v, expected %+v", from.world, anew.world)
	}
}
