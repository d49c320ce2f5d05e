package wasm

import (
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host"
)

// Options configure the runtime. Zero values mean the defaults stated. The
// values are ceilings: a manifest may ask for less.
type Options struct {
	// CacheDir keeps compiled code. It is created with mode 0700, since code
	// in it is executed; "" keeps compiled code in memory only.
	CacheDir string
	// CallTimeout bounds one call. Default 1 s.
	CallTimeout time.Duration
	// StartTimeout bounds the start of an instance. Default 10 s.
	StartTimeout time.Duration
	// Fuel bounds one call, in units of about one instruction. 0 is no limit.
	Fuel int64
	// MemoryMiB bounds the memory of one instance. Default 16.
	MemoryMiB int
	// StackKiB bounds the stack of one call, by an estimate of its frames. Default
	// 1024.
	StackKiB int
	// TableEntries bounds each table. Default 200,000.
	TableEntries int
	// CPUPercent is what all calls of a plugin together may use of processors, on average,
	// in percent of one core: 250 is two and a half. 0 is no limit.
	CPUPercent int
	// OutputKiB bounds what one call hands to the host: its result, and what it
	// emits, logs, prints and keeps as state. Default 16 MiB.
	OutputKiB int
	// MaxModuleMiB bounds the file of a module. Default 32.
	MaxModuleMiB int
	// LogKiBs is how much a plugin may log a second; four times that at once.
	// Default 64.
	LogKiBs int
	// StateKiBs is how much a plugin may keep as state a second; four times that at
	// once. Default 65536.
	StateKiBs int
	// PoolMin instances of a plugin are started at once and kept. Default 1.
	PoolMin int
	// PoolMax instances of a plugin run at once. Default 16, or 2 x GOMAXPROCS if that
	// is more: a caller that the scheduler stops in a call keeps one until it goes on.
	PoolMax int
	// PoolIdle is how long an unused instance above PoolMin is kept. Default
	// 60 s.
	PoolIdle time.Duration
	// PoolWait is how long a call waits for an instance when all are taken,
	// before it fails with host.ErrBusy. Default 100 ms.
	PoolWait time.Duration
	// Engine is "compiler", "interpreter" or "auto" (the compiler where there
	// is one). Default auto.
	Engine string
	// Grants are the capabilities that plugins may have when they ask for
	// them: state, clock, random, http. Default: the first three.
	Grants []string
	// HTTP is what plugins that are granted http may reach.
	HTTP HTTP
	// Trusted names plugins that run without a deadline: their calls cannot be
	// interrupted and cost less.
	Trusted []string
	// Log takes what guests log. Default: nowhere.
	Log *slog.Logger

	unmetered bool            // leaves modules as they are, for tests of what then happens
	huskFrom  int             // instead of the constant, for tests; 0 for that
	watch     func(*instance) // is told of each look of the meter, for tests of when that is; nil for none
	// Quarantine is after how many faults in a row a plugin's functions are refused for
	// a while. Default 50; less than 0 is never.
	Quarantine int
	// Compiler is a command that runs Compile: modules are compiled in processes of
	// their own, within CompileTime of the processor (default 10 s) and CompileMiB of
	// memory (default 384) for each. nil compiles them in this one, where a hostile
	// module is bounded by estimates only.
	Compiler    []string
	CompileTime time.Duration
	CompileMiB  int
}

func (o *Options) fill() error {
	o.CallTimeout = positive(o.CallTimeout, time.Second)
	o.StartTimeout = positive(o.StartTimeout, 10*time.Second)
	if o.Quarantine == 0 {
		o.Quarantine = 50
	}
	o.CompileTime = positive(o.CompileTime, 10*time.Second)
	o.PoolIdle = positive(o.PoolIdle, 60*time.Second)
	o.PoolWait = positive(o.PoolWait, 100*time.Millisecond)
	if err := o.fillBounds(); err != nil {
		return err
	}
	o.PoolMax = positive(o.PoolMax, max(16, 2*runtime.GOMAXPROCS(0)))
	o.PoolMin = min(positive(o.PoolMin, 1), o.PoolMax)
	if o.Grants == nil {
		o.Grants = []string{capState, capClock, capRandom}
	}
	for _, g := range o.Grants {
		if !slices.Contains(grantable(), g) {
			return host.Errorf(host.ErrInvalid, "wasm.grants: found %q, expected some of %s", g, strings.Join(grantable(), " "))
		}
	}
	switch o.Engine {
	case "", "auto", "compiler", "interpreter":
	default:
		return host.Errorf(host.ErrInvalid, "wasm.engine: found %q, expected auto, compiler or interpreter", o.Engine)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o.HTTP.fill()
}

// fillBounds fills what bounds a plugin's size, in whatever unit. The largest are
// what a 32-bit number of bytes can say.
func (o *Options) fillBounds() error {
	for _, b := range []struct {
		key                string
		field              *int
		otherwise, largest int
	}{
		{"memoryMiB", &o.MemoryMiB, 16, 4096},
		{"stackKiB", &o.StackKiB, 1024, 64 << 10},
		{"tableEntries", &o.TableEntries, 200_000, 10_000_000},
		{"outputKiB", &o.OutputKiB, 16 << 10, 1 << 20},
		{"moduleMiB", &o.MaxModuleMiB, 32, 1 << 10},
		{"logKiBs", &o.LogKiBs, 64, 1 << 20},
		{"compileMiB", &o.CompileMiB, 384, 64 << 10},
		{"stateKiBs", &o.StateKiBs, 64 << 10, 1 << 20},
	} {
		*b.field = positive(*b.field, b.otherwise)
		if *b.field > b.largest {
			return host.Errorf(host.ErrInvalid, "wasm.%s: found %d, expected 1 to %d", b.key, *b.field, b.largest)
		}
	}
	if o.Fuel < 0 {
		return host.Errorf(host.ErrInvalid, "wasm.fuel: found %d, expected 0 for no limit, or more", o.Fuel)
	}
	if most := 100_000; o.CPUPercent < 0 || o.CPUPercent > most { // a thousand cores
		return host.Errorf(host.ErrInvalid, "wasm.cpuPercent: found %d, expected 0 for no limit, or 1 to %d", o.CPUPercent, most)
	}
	return nil
}

// positive is the value of an option, or its default when none was given.
func positive[T int | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// The capabilities a manifest may require.
const (
	capState  = "state"
	capClock  = "clock"
	capRandom = "random"
	capHTTP   = "http"
)

func grantable() []string { return []string{capState, capClock, capRandom, capHTTP} }

// grant is what one plugin gets: the least of what it asks for and what the
// operator allows.
type grant struct {
	module  int // bytes of the file
	timeout time.Duration
	fuel    int64 // units a call; 0 is no limit
	memory  int   // MiB an instance
	stack   int   // bytes a call
	tables  int   // entries a table
	pool    int   // instances
	output  int   // bytes a call
	cpu     int   // percent of a core, for all calls; 0 is no limit
	trusted bool
	reset   host.Reset
	caps    []string
	http    []pattern // what the manifest asks to reach; the operator judges apart
}

func (g *grant) has(capability string) bool { return slices.Contains(g.caps, capability) }

// least is the lesser of two limits, each of which may be 0, for none.
func least[T int | int64 | time.Duration](ceiling, asked T) T {
	if ceiling <= 0 || asked <= 0 {
		return max(ceiling, asked)
	}
	return min(ceiling, asked)
}

// grantTo judges what a manifest asks for.
func (o *Options) grantTo(p host.Plugin) (grant, error) {
	m := p.Manifest
	asked := m.Limits
	g := grant{
		module:  o.MaxModuleMiB << 20,
		timeout: least(o.CallTimeout, time.Duration(asked.CallMs)*time.Millisecond),
		fuel:    least(o.Fuel, asked.Fuel),
		memory:  least(o.MemoryMiB, asked.MemoryMiB),
		stack:   least(o.StackKiB, asked.StackKiB) << 10,
		tables:  least(o.TableEntries, asked.TableEntries),
		pool:    least(o.PoolMax, asked.Concurrency),
		output:  least(o.OutputKiB, asked.OutputKiB) << 10,
		cpu:     least(o.CPUPercent, asked.CPUPercent),
		trusted: slices.Contains(o.Trusted, p.ID.Name),
		reset:   m.Reset,
	}
	var refused []string
	for _, c := range m.Requires {
		switch {
		case !slices.Contains(grantable(), c):
			refused = append(refused, fmt.Sprintf("%s: this build grants %s only", c, strings.Join(grantable(), ", ")))
		case !slices.Contains(o.Grants, c):
			refused = append(refused, fmt.Sprintf("%s: not granted here: add it to wasm.grants", c))
		default:
			g.caps = append(g.caps, c)
		}
	}
	if g.has(capHTTP) && len(o.HTTP.Allow) == 0 {
		refused = append(refused, "http: no host may be reached from here: name some in wasm.http")
	}
	if refused != nil {
		return g, host.Errorf(host.ErrUnsupported, "the manifest requires what it cannot have: %s", strings.Join(refused, "; "))
	}
	if g.has(capHTTP) && len(m.HTTP) == 0 {
		return g, host.Errorf(host.ErrInvalid, `the manifest requires http and its "http" names no host`)
	}
	var err error
	if g.http, err = parsePatterns(m.HTTP); err != nil {
		return g, host.Errorf(host.ErrInvalid, `"http" of the manifest: %v`, err)
	}
	return g, nil
}

var (
	_ host.Granted = (*module)(nil)
	_ host.Meter   = (*module)(nil)
)

// Grant implements host.Granted. Parts of a millisecond are told as a whole one.
func (m *module) Grant() host.Grant {
	g := &m.grant
	l := host.Limits{
		CallMs: int((g.timeout + time.Millisecond - 1) / time.Millisecond), Fuel: g.fuel, MemoryMiB: g.memory,
		StackKiB: g.stack >> 10, TableEntries: g.tables, Concurrency: g.pool, OutputKiB: g.output >> 10,
		CPUPercent: g.cpu,
	}
	if g.trusted { // and not metered
		l.CallMs, l.Fuel, l.StackKiB, l.TableEntries, l.CPUPercent = 0, 0, 0, 0, 0
	}
	return host.Grant{Limits: l, Capabilities: slices.Clone(g.caps)}
}

// Fuel implements host.Meter.
func (m *module) Fuel() uint64 { return m.fuel.Load() }

// Waited implements host.Meter.
func (m *module) Waited() time.Duration {
	if m.budget == nil {
		return 0
	}
	return time.Duration(m.budget.waited.Load())
}
