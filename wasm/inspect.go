package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/husk"
	"github.com/vanth-io/vanth/wasm/internal/meter"
	"github.com/vanth-io/vanth/wasm/internal/reserve"
)

// terms are all that decides what becomes of a module, beside its bytes and this build.
type terms struct {
	Metered     bool
	Interpreted bool // the engine is the interpreter
	Memory      int  // MiB
	Stack       int  // bytes
	Tables      int  // entries of each
	Module      int  // MiB of the file
	Husk        int  // bytes from which on there is one
	Priced      bool // what each call costs matters
}

// huskFrom is from how many bytes on a module has a husk. What the engine does with the bodies of a smaller one takes
// less than a second entry in its cache.
const huskFrom = 64 << 10

func (r *Runtime) terms(g grant) terms {
	t := terms{
		Metered: r.meters(g), Interpreted: r.interpreter(),
		Memory: g.memory, Stack: g.stack, Tables: g.tables, Module: r.opts.MaxModuleMiB, Husk: huskFrom,
		Priced: g.cpu > 0 || g.fuel > 0,
	}
	if r.opts.huskFrom > 0 {
		t.Husk = r.opts.huskFrom
	}
	return t
}

// meters reports whether the modules of a plugin are metered.
func (r *Runtime) meters(g grant) bool { return !g.trusted && !r.opts.unmetered }

// key names what inspect makes of a module: another build, other terms and other bytes have another.
func (t *terms) key(code []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %+v %d\n", recipe, *t, len(code))
	h.Write(code)
	return hex.EncodeToString(h.Sum(nil))
}

// prepared is a module that the gate let pass, as the engine is given it.
type prepared struct {
	// code is what is compiled: metered, or as it was where the plugin is trusted. nil when that was done long ago.
	code []byte
	// shown is what the engine is shown beside the machine code: the husk of code if it has one, else code.
	shown []byte
	// husked says that shown is the husk of code.
	husked bool
	parts
}

// inspect looks at a module before the engine does, which allocates by what a file
// claims and compiles for as long as it takes; and makes it one that can be bounded.
func (t *terms) inspect(code []byte) (*prepared, error) {
	m, err := gate.Walk(code, gate.Caps{
		Bytes: t.Module << 20, Pages: t.Memory * 16, // of 64 KiB each
		TableEntries: t.Tables, Positions: t.Metered, Clamp: t.Metered,
	})
	if e, ok := errors.AsType[*gate.Error](err); ok && e.Section == "memory" {
		return nil, fmt.Errorf("%w: the plugin is granted %d MiB, see limits.memoryMiB of its manifest and wasm.memoryMiB", err, t.Memory)
	}
	if err != nil {
		return nil, err
	}
	p := &prepared{}
	if l := m.Memory; l != nil {
		p.memory = uint64(t.Memory) << 20
		if l.HasMax {
			p.memory = min(p.memory, uint64(l.Max)<<16)
		}
	}
	p.code = code
	if t.Metered {
		if err := p.open(t, code, m); err != nil {
			return nil, err
		}
		// A compiler's module grows by a sixth. What was priced is no longer what is
		// compiled in one that is made to grow.
		if len(p.code) > 3*len(code)+64<<10 {
			if _, err := gate.Walk(p.code, gate.Caps{Bytes: 64 * t.Module << 20, Pages: t.Memory * 16, TableEntries: t.Tables, Clamp: true}); err != nil {
				return nil, err
			}
		}
	}
	p.shown = p.code
	if !t.Interpreted && len(p.code) >= t.Husk {
		p.husked = true
		p.shown, err = husk.Of(p.code)
	}
	return p, err
}

// open has the meter rewrite a module, and keeps what it took out of it.
func (p *prepared) open(t *terms, code []byte, m *gate.Module) error {
	o, err := meter.Open(code, m, meter.Limits{Stack: t.Stack, TableEntries: t.Tables, Exports: t.Priced})
	if err != nil {
		return err
	}
	p.code, p.start, p.globals, p.sealed = o.Code, o.Start, o.Globals, o.Sealed
	if len(o.Data) > 0 {
		segments := make([]reserve.Segment, len(o.Data))
		for i, s := range o.Data {
			segments[i] = reserve.Segment(s)
		}
		p.data = reserve.Lay(segments)
	}
	return nil
}
