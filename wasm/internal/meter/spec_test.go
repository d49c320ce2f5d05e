package meter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// spectest is the module that the scripts import from.
const spectest = `(module
  (global (export "global_i32") i32 (i32.const 666))
  (global (export "global_i64") i64 (i64.const 666))
  (global (export "global_f32") f32 (f32.const 666.6))
  (global (export "global_f64") f64 (f64.const 666.6))
  (table (export "table") 10 20 funcref)
  (memory (export "memory") 1 2)
  (func (export "print"))
  (func (export "print_i32") (param i32))
  (func (export "print_i64") (param i64))
  (func (export "print_f32") (param f32))
  (func (export "print_f64") (param f64))
  (func (export "print_i32_f32") (param i32 f32))
  (func (export "print_f64_f64") (param f64 f64)))`

// stage is a world in which a script is played.
type stage struct {
	*world
	named map[string]api.Module
	all   []api.Module
	last  api.Module
}

func newStage(t *testing.T, c wazero.RuntimeConfig) *stage {
	t.Helper()
	s := &stage{world: newWorld(t, c, 1_000), named: map[string]api.Module{}}
	code, err := wat.Assemble([]byte(spectest))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.InstantiateWithConfig(context.Background(), code, wazero.NewModuleConfig().WithName("spectest")); err != nil {
		t.Fatal(err)
	}
	return s
}

// add instantiates a module, under a name for others to import from.
func (s *stage) add(code []byte, name, as string) error {
	m, err := s.InstantiateWithConfig(context.Background(), code, wazero.NewModuleConfig().WithName(as))
	if err != nil {
		return err
	}
	s.last = m
	s.all = append(s.all, m)
	if name != "" {
		s.named[name] = m
	}
	return nil
}

func (s *stage) module(name string) api.Module {
	if name == "" {
		return s.last
	}
	return s.named[name]
}

// act does what a command says and returns what is to be seen of it.
func (s *stage) act(t *testing.T, c command) (string, error) {
	t.Helper()
	m := s.module(c.Action.Module)
	if c.Action.Type == "get" {
		return fmt.Sprint(m.ExportedGlobal(c.Action.Field).Get()), nil
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.words(t)...)
	}
	f := m.ExportedFunction(c.Action.Field)
	results, err := f.Call(context.Background(), args...)
	if err != nil {
		return trapped(err), err
	}
	return show(f.Definition().ResultTypes(), results), nil
}

// trapped is the text of a trap. A stack that is too deep is one for the engine or for the meter.
func trapped(err error) string {
	if err == nil {
		return ""
	}
	text, _ := failure(err, false, 0, 0)
	if errors.Is(err, errRoom) || strings.Contains(text, "stack overflow") {
		return "exhausted"
	}
	return text
}

// play is a script that is played twice.
type play struct {
	t                 *testing.T
	script            script
	original, metered *stage
	count             map[string]int // what was compared
	refused           map[string]int // by the gate alone, by reason
}

// TestSpecification: the tests of the specification give the same with the meter and without: results, traps, globals and
// memories.
func TestSpecification(t *testing.T) {
	all := scripts(t)
	compiled := all
	if raced { // then compiling takes a minute, and stacks that are too deep another; version 2 holds nearly all of version 1
		all = slices.DeleteFunc(all, func(s script) bool { return strings.HasSuffix(s.name(), "/skip-stack-guard-page") })
		compiled = slices.DeleteFunc(slices.Clone(all), func(s script) bool { return strings.HasPrefix(s.name(), "v1/") })
	}
	t.Run("interpreter", func(t *testing.T) { t.Parallel(); playAll(t, all, wazero.NewRuntimeConfigInterpreter()) })
	t.Run("compiler", func(t *testing.T) { t.Parallel(); playAll(t, compiled, wazero.NewRuntimeConfigCompiler()) })
}

// playAll plays all scripts and holds that they were not few.
func playAll(t *testing.T, all []script, config wazero.RuntimeConfig) {
	count, refused := map[string]int{}, map[string]int{}
	for _, s := range all {
		p := &play{script: s, count: count, refused: refused}
		t.Run(s.name(), func(t *testing.T) {
			p.t, p.original, p.metered = t, newStage(t, config), newStage(t, config)
			p.run()
		})
	}
	t.Logf("compared: %v", count)
	for _, reason := range slices.Sorted(maps.Keys(refused)) {
		t.Logf("%d modules are refused by the gate alone: %s", refused[reason], reason)
		if !slices.Contains(slices.Collect(maps.Values(reasons())), reason) {
			t.Error("that is no reason to refuse a module")
		}
	}
	for what, n := range map[string]int{"module": 1_400, "assert_return": 40_000, "trap": 1_500, "assert_invalid": 1_400, "memory": 1_000} {
		if count[what] < n {
			t.Errorf("%d of %s were compared, expected at least %d", count[what], what, n)
		}
	}
}

func (p *play) run() {
	defer p.memories("at the end")
	for i, c := range p.script.Commands {
		where := fmt.Sprintf("line %d: %s", c.Line, c.Type)
		switch c.Type {
		case "module":
			as := ""
			if next := i + 1; next < len(p.script.Commands) && p.script.Commands[next].Type == "register" {
				as = p.script.Commands[next].As
			}
			p.module(where, c, as, true)
		case "register": // was looked at with its module
			if i == 0 || p.script.Commands[i-1].Type != "module" {
				p.t.Fatalf("%s: expected a module before it", where)
			}
		case "assert_return", "action", "assert_trap", "assert_exhaustion":
			p.act(where, c)
		case "assert_malformed", "assert_invalid", "assert_unlinkable", "assert_uninstantiable":
			if c.Kind != "text" {
				p.module(where, c, "", false)
			}
		default:
			p.t.Fatalf("%s: an unknown command", where)
		}
		if p.t.Failed() {
			return
		}
	}
}

// module instantiates a module on both stages. Both do or neither does.
func (p *play) module(where string, c command, as string, good bool) {
	p.memories(where)
	code := p.script.file(p.t, c)
	rewritten, _, err := metered(code, roomy)
	ours := p.original.add(code, c.Name, as)
	if good && ours != nil {
		p.t.Fatalf("%s: %v", where, ours)
	}
	if err != nil {
		if ours == nil { // so that the script can go on
			p.refused[reason(err)]++
			if err := p.metered.add(code, c.Name, as); err != nil {
				p.t.Fatalf("%s: %v", where, err)
			}
		} else {
			p.count[c.Type+", by the gate too"]++
		}
		return
	}
	theirs := p.metered.add(rewritten, c.Name, as)
	p.count[c.Type]++
	if (ours == nil) != (theirs == nil) {
		p.t.Fatalf("%s: %v, without the meter %v", where, theirs, ours)
	}
	if ours != nil && c.Type == "assert_uninstantiable" && trapped(ours) != trapped(theirs) {
		p.t.Errorf("%s: %v, without the meter %v", where, theirs, ours)
	}
}

// reasons are why the gate may refuse a module that the engine accepts, by how the gate's error starts.
func reasons() map[string]string {
	return map[string]string{
		"type 0x63":     "typed function references",
		"type 0x64":     "typed function references",
		"type 0x40":     "tables with a start value, of typed function references",
		"24,615 labels": "a br_table beyond the cap",
		"16,149 labels": "a br_table beyond the cap",
	}
}

func reason(err error) string {
	if e, ok := errors.AsType[*gate.Error](err); ok {
		for found, why := range reasons() {
			if strings.HasPrefix(e.Found, found) {
				return why
			}
		}
	}
	return err.Error()
}

func (p *play) act(where string, c command) {
	want, ours := p.original.act(p.t, c)
	got, theirs := p.metered.act(p.t, c)
	p.count[c.Type]++
	if want != got {
		p.t.Errorf("%s %s: %s, without the meter %s: %v, %v", where, c.Action.Field, got, want, theirs, ours)
	}
	if ours != nil {
		p.count["trap"]++
		if c.Type == "assert_return" || c.Type == "action" {
			p.t.Errorf("%s %s: %v: the test itself is not understood", where, c.Action.Field, ours)
		}
	}
	if !raced { // else it takes minutes
		p.memories(where)
	}
}

// memories compares the memories of all modules.
func (p *play) memories(where string) {
	if len(p.original.all) != len(p.metered.all) {
		p.t.Fatalf("%s: %d modules, without the meter %d", where, len(p.metered.all), len(p.original.all))
	}
	for i, m := range p.original.all {
		ours, theirs := memory(m), memory(p.metered.all[i])
		if !bytes.Equal(ours, theirs) {
			p.t.Fatalf("%s: the memories of module %d differ", where, i)
		}
		if ours != nil {
			p.count["memory"]++
		}
	}
}

// memory is that of a module, nil if it has none.
func memory(m api.Module) []byte {
	if reflect.ValueOf(m.Memory()).IsNil() {
		return nil
	}
	b, _ := m.Memory().Read(0, m.Memory().Size())
	return b
}
