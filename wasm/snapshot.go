package wasm

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/wasm/internal/meter"
	"github.com/vanth-io/vanth/wasm/internal/reserve"
)

// An instance of a std-Go guest takes milliseconds to start and has megabytes of its own
// when it has. So the first one starts as the module says, and what it then has is kept:
// the others begin with that, and share its pages until they write to them.
//
// That can be seen by a guest only if what it did at its start depends on when or how
// often it was done. A guest that read its state, or was given random bytes, is started
// anew each time; one that read the clock is as old as the first instance, as are those
// that were idle for long.

const exportInitialize = "_initialize"

// maxSnapshot bounds the memory, in MiB, that an instance has when a snapshot is made of it:
// all of it is read, and what is not zero is kept a second time meanwhile.
const maxSnapshot = 64

// parts is what a metered module leaves to the host, see meter.Opened.
type parts struct {
	memory  uint64         // most that it may grow to, bytes
	data    *reserve.Image // that it starts with; nil for none, or where the module has it
	start   bool           // it has a start function to be called
	globals int            // mutable ones, exported
	sealed  string         // why there can be no snapshot of it
}

// snapshot is what instances have when they start, beside the memory, which is the image
// of the module's pool.
type snapshot struct {
	globals []global
	world   world
}

type global struct {
	name  string
	value uint64
}

// world is what an instance without clock and random bytes takes for them: each reading
// is a millisecond later than the one before, and the bytes are the same each time.
type world struct {
	wall, nano int64 // next readings, ns
	random     fixedRandom
}

// quietEpoch is where the quiet wall clock begins, as the engine's does: at 2022-01-01.
const quietEpoch = 1640995200 * int64(time.Second)

func newWorld() world {
	return world{wall: quietEpoch, random: fixedRandom{*mathrand.NewPCG(1, 2)}}
}

func (w *world) walltime() (sec int64, nsec int32) {
	t := w.wall
	w.wall += int64(time.Millisecond)
	return t / int64(time.Second), int32(t % int64(time.Second))
}

func (w *world) nanotime() int64 {
	t := w.nano
	w.nano += int64(time.Millisecond)
	return t
}

// config is the module's configuration with what is the instance's own, which it asks WASI for.
func (in *instance) config() wazero.ModuleConfig {
	if !in.module.wasi {
		return in.module.config
	}
	c := in.module.config.WithStdout(printer{in}).WithStderr(printer{in}).WithRandSource(in.randomness())
	if !in.module.grant.has(capClock) {
		c = c.WithWalltime(in.world.walltime, sys.ClockResolution(time.Microsecond)).
			WithNanotime(in.world.nanotime, sys.ClockResolution(time.Nanosecond))
	}
	return c
}

// initialize runs what a new instance runs, or gives it the snapshot's state instead.
func (in *instance) initialize(ctx context.Context, mod api.Module) error {
	m := in.module
	if s := m.snapshot; s != nil {
		in.adopt(mod, s)
		return nil
	}
	if m.parts.start {
		if _, err := mod.ExportedFunction(meter.ExportStart).Call(ctx); err != nil {
			return err
		}
	}
	if fn := mod.ExportedFunction(exportInitialize); fn != nil {
		_, err := fn.Call(ctx)
		return err
	}
	return nil
}

// adopt gives an instance the globals of a snapshot.
func (in *instance) adopt(mod api.Module, s *snapshot) {
	in.world = s.world
	for i := range s.globals {
		g := &s.globals[i]
		at := mod.ExportedGlobal(g.name).(api.MutableGlobal)
		at.Set(g.value)
		if in.module.grant.reset == host.ResetSnapshot {
			in.globals = append(in.globals, at)
		}
	}
}

// outside notes that a starting instance was given what another may not be given.
func (in *instance) outside(what string) {
	if in.starting() {
		in.foreign = what
	}
}

// capture makes a snapshot of an instance that has started and did nothing else. It
// says why not if there can be none; then instances start as the module says.
func (m *module) capture(in *instance) (refused string) {
	switch {
	case m.grant.reset == host.ResetFresh:
		return "the manifest wants each instance fresh"
	case !m.metered:
		return "the plugin is trusted, and its module as it was"
	case m.parts.sealed != "":
		return m.parts.sealed
	case in.foreign != "":
		return fmt.Sprintf("it used %s while it started", in.foreign)
	case in.lease.Size() > maxSnapshot<<20:
		return fmt.Sprintf("it starts with %d MiB of memory, more than %d", in.lease.Size()>>20, maxSnapshot)
	}
	s := &snapshot{world: in.world, globals: make([]global, m.parts.globals)}
	for i := range s.globals {
		name := meter.ExportGlobal(i)
		s.globals[i] = global{name, in.mod.ExportedGlobal(name).Get()}
	}
	if err := m.memories.Use(in.lease.Capture()); err != nil {
		return err.Error()
	}
	m.snapshot = s
	return ""
}

// settle decides what instances start from, by the first one.
func (m *module) settle(first *instance) error {
	data := m.parts.data
	m.parts.data = nil
	refused := m.capture(first)
	if refused == "" {
		return nil
	}
	m.log.Debug("instances are started without a snapshot", "reason", refused)
	if data == nil {
		return nil
	}
	return m.memories.Use(data.Shared())
}

// restore makes an instance what it was before the call, as its plugin asks. It says no
// if it cannot be; then it is not to be used again.
func (in *instance) restore() bool {
	m := in.module
	switch m.grant.reset {
	case host.ResetFresh:
		return false
	case host.ResetSnapshot:
		if m.budget != nil {
			defer in.worked(m.rt.clock())
		}
		s := m.snapshot
		if s == nil || !in.lease.Reset() {
			return false
		}
		for i, g := range in.globals {
			g.Set(s.globals[i].value)
		}
		in.world = s.world
		in.argPtr, in.argCap = 0, 0
	}
	return true
}

// resets reports whether something has to be done with an instance after each call.
func (m *module) resets() bool {
	return m.grant.reset == host.ResetSnapshot || m.grant.reset == host.ResetFresh
}
