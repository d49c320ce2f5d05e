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
	// MemoryMiB bounds the memory of one instance. Default 16.
	MemoryMiB int
	// PoolMin instances of a plugin are started at once and kept. Default 1.
	PoolMin int
	// PoolMax instances of a plugin run at once. Default 2 x GOMAXPROCS.
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
}

func (o *Options) fill() error {
	o.CallTimeout = positive(o.CallTimeout, time.Second)
	o.StartTimeout = positive(o.StartTimeout, 10*time.Second)
	o.PoolIdle = positive(o.PoolIdle, 60*time.Second)
	o.PoolWait = positive(o.PoolWait, 100*time.Millisecond)
	o.MemoryMiB = positive(o.MemoryMiB, 16)
	if o.MemoryMiB > 4096 {
		return host.Errorf(host.ErrInvalid, "wasm.memoryMiB: found %d, expected at most 4096", o.MemoryMiB)
	}
	o.PoolMax = positive(o.PoolMax, 2*runtime.GOMAXPROCS(0))
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
	timeout time.Duration
	memory  int // MiB an instance
	pool    int // instances
	trusted bool
	caps    []string
	http    []pattern // what the manifest asks to reach; the operator judges apart
}

func (g *grant) has(capability string) bool { return slices.Contains(g.caps, capability) }

// grantTo judges what a manifest asks for.
func (o *Options) grantTo(p host.Plugin) (grant, error) {
	m := p.Manifest
	g := grant{timeout: o.CallTimeout, memory: o.MemoryMiB, pool: o.PoolMax, trusted: slices.Contains(o.Trusted, p.ID.Name)}
	if ms := m.Limits.CallMs; ms > 0 {
		g.timeout = min(g.timeout, time.Duration(ms)*time.Millisecond)
	}
	if mib := m.Limits.MemoryMiB; mib > 0 {
		g.memory = min(g.memory, mib)
	}
	if n := m.Limits.Concurrency; n > 0 {
		g.pool = min(g.pool, n)
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
