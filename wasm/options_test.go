package wasm

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// TestBounds: what a manifest asks for counts where it is less than the operator
// allows, and never where it is more.
func TestBounds(t *testing.T) {
	for _, c := range []struct {
		name  string
		allow Options
		ask   host.Limits
		want  grant
	}{
		{
			"defaults",
			Options{},
			host.Limits{},
			grant{timeout: time.Second, memory: 16, stack: 1 << 20, tables: 200_000, output: 16 << 20},
		},
		{
			"the operator's",
			Options{Fuel: 1000, StackKiB: 2, TableEntries: 3, OutputKiB: 4, CallTimeout: 5, MemoryMiB: 6, CPUPercent: 7},
			host.Limits{},
			grant{timeout: 5, fuel: 1000, cpu: 7, memory: 6, stack: 2 << 10, tables: 3, output: 4 << 10},
		},
		{
			"less",
			Options{Fuel: 1000, StackKiB: 20, TableEntries: 30, OutputKiB: 40, CPUPercent: 50},
			host.Limits{CallMs: 10, Fuel: 999, MemoryMiB: 1, StackKiB: 19, TableEntries: 29, OutputKiB: 39, CPUPercent: 49},
			grant{timeout: 10 * time.Millisecond, fuel: 999, cpu: 49, memory: 1, stack: 19 << 10, tables: 29, output: 39 << 10},
		},
		{
			"more",
			Options{Fuel: 1000, StackKiB: 20, TableEntries: 30, OutputKiB: 40, CPUPercent: 50},
			host.Limits{CallMs: 5000, Fuel: 1001, MemoryMiB: 17, StackKiB: 21, TableEntries: 31, OutputKiB: 41, CPUPercent: 51},
			grant{timeout: time.Second, fuel: 1000, cpu: 50, memory: 16, stack: 20 << 10, tables: 30, output: 40 << 10},
		},
		{
			"fuel and processors where the operator sets none",
			Options{},
			host.Limits{Fuel: 1 << 40, CPUPercent: 250},
			grant{timeout: time.Second, fuel: 1 << 40, cpu: 250, memory: 16, stack: 1 << 20, tables: 200_000, output: 16 << 20},
		},
	} {
		o := c.allow
		o.PoolMax = 3
		c.want.pool, c.want.module = 3, 32<<20
		if err := o.fill(); err != nil {
			t.Fatal(err)
		}
		got, err := o.grantTo(host.Plugin{Manifest: host.Manifest{Limits: c.ask}})
		got.http = nil // empty
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestWrongBounds(t *testing.T) {
	for want, o := range map[string]Options{
		"wasm.fuel: found -1": {Fuel: -1},
		"wasm.cpuPercent: found -1, expected 0 for no limit, or 1 to 100000": {CPUPercent: -1},
		"wasm.cpuPercent: found 100001":                                      {CPUPercent: 100_001},
		"wasm.memoryMiB: found 4097, expected 1 to 4096":                     {MemoryMiB: 4097},
		"wasm.stackKiB: found 65537, expected 1 to 65536":                    {StackKiB: 65537},
		"wasm.tableEntries: found 10000001":                                  {TableEntries: 10_000_001},
		"wasm.outputKiB: found 1048577":                                      {OutputKiB: 1<<20 + 1},
		"wasm.moduleMiB: found 1025":                                         {MaxModuleMiB: 1025},
		"wasm.logKiBs: found 1048577":                                        {LogKiBs: 1<<20 + 1},
		"wasm.stateKiBs: found 1048577":                                      {StateKiBs: 1<<20 + 1},
	} {
		if err := o.fill(); !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestGrantIsTold: a module tells what bounds it, in the words of its manifest.
func TestGrantIsTold(t *testing.T) {
	for _, c := range []struct {
		o    Options
		m    host.Manifest
		want host.Grant
	}{
		{
			Options{PoolMax: 4, CallTimeout: 1500 * time.Microsecond},
			host.Manifest{},
			host.Grant{Limits: host.Limits{CallMs: 2, MemoryMiB: 16, StackKiB: 1024, TableEntries: 200_000, Concurrency: 4, OutputKiB: 16384}},
		},
		{
			Options{},
			host.Manifest{
				Requires: []string{"clock", "state"},
				Limits:   host.Limits{CallMs: 50, Fuel: 7_000_000, MemoryMiB: 2, StackKiB: 64, TableEntries: 9, Concurrency: 1, OutputKiB: 3, CPUPercent: 5},
			},
			host.Grant{
				Limits:       host.Limits{CallMs: 50, Fuel: 7_000_000, MemoryMiB: 2, StackKiB: 64, TableEntries: 9, Concurrency: 1, OutputKiB: 3, CPUPercent: 5},
				Capabilities: []string{"clock", "state"},
			},
		},
		{ // not metered
			Options{PoolMax: 1, Trusted: []string{"m"}, Fuel: 5, CPUPercent: 5},
			host.Manifest{},
			host.Grant{Limits: host.Limits{MemoryMiB: 16, Concurrency: 1, OutputKiB: 16384}},
		},
	} {
		c.m.Functions = []string{"f"}
		m := load(t, newRuntime(t, c.o), watBundle(t, `(module (func (export "f")))`, c.m))
		if got := m.Grant(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
}

// TestLargeModule: a file that is larger than the operator allows is not read.
func TestLargeModule(t *testing.T) {
	code := append([]byte("\x00asm\x01\x00\x00\x00"), make([]byte, 1<<20)...)
	_, err := newRuntime(t, Options{MaxModuleMiB: 1}).Load(t.Context(), bundle(t, "m", code, host.Manifest{Functions: []string{"f"}}))
	if !errors.Is(err, host.ErrInvalid) || !strings.Contains(err.Error(), "m.wasm has more than 1048576 bytes, which is what wasm.moduleMiB allows") {
		t.Error(err)
	}
}
