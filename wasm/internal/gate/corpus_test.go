package gate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vanth-io/vanth/wasm/internal/gate"
	"github.com/vanth-io/vanth/wasm/internal/wat"
)

// wazeroDir is where the sources of the engine are, with the modules that it is tested with.
func wazeroDir(t testing.TB) string {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Skip("the sources of wazero are not in the module cache")
	}
	return dir
}

// modules calls do with each module below dir.
func modules(t testing.TB, dir string, do func(path string, code []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".wasm" {
			return err
		}
		code, err := os.ReadFile(path)
		if err == nil {
			do(path, code)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reasons are why a module may be refused that the engine accepts: the engine lets through a part of a proposal that it
// was not told to allow, or less than the format demands. They are what the error says.
var reasons = []struct{ found, why string }{
	{"type 0x63", "typed function references"},
	{"type 0x64", "typed function references"},
	{"type 0x40", "tables with a start value, of typed function references"},
	{"table.grow and", "tables without a maximum in a module that grows them: see Caps.Clamp"},
	{"24,615 labels", "a br_table beyond the cap, made to be large"},
	{"16,149 labels", "a br_table beyond the cap, made to be large"},
}

// TestCorpus: all modules that the engine is tested with. What it accepts passes, but for the reasons above. What the
// specification calls malformed is refused; what is mistyped passes often, since types are the engine's to judge.
func TestCorpus(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	defer r.Close(ctx)
	var both, neither, theirs, malformed, passed int
	dir := wazeroDir(t)
	bad := malformedOnes(t, dir)
	ours := map[string]int{}
	modules(t, dir, func(path string, code []byte) {
		_, err := gate.Walk(code, gate.Caps{Positions: true})
		m, engineErr := r.CompileModule(ctx, code)
		if bad[path] {
			malformed++
			if err == nil {
				passed++
				t.Logf("passes although malformed: %s: the engine says %v", path, engineErr)
			}
		}
		switch {
		case engineErr == nil && err == nil:
			both++
		case engineErr == nil:
			i := slices.IndexFunc(reasons, func(r struct{ found, why string }) bool { return strings.Contains(err.Error(), "found "+r.found) })
			if i < 0 {
				t.Errorf("%s: %v", path, err)
				break
			}
			ours[reasons[i].why]++
		case err == nil:
			theirs++
		default:
			neither++
		}
		if engineErr == nil {
			m.Close(ctx)
		}
	})
	t.Logf("accepted by both %d; refused by both %d, by the engine alone %d, by the gate alone %v", both, neither, theirs, ours)
	t.Logf("malformed by the specification: %d, of which %d pass", malformed, passed)
	if both < 2800 || neither < 2000 || malformed < 200 || passed > 0 {
		t.Error("the corpus has shrunk, or something malformed passes")
	}
}

// malformedOnes are the modules of the specification's tests, versions 1 and 2, that are to be refused before types are
// looked at.
func malformedOnes(t testing.TB, dir string) map[string]bool {
	bad := map[string]bool{}
	for _, version := range []string{"v1", "v2"} {
		files, _ := filepath.Glob(filepath.Join(dir, "internal/integration_test/spectest", version, "testdata/*.json"))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var script struct {
				Commands []struct{ Type, Filename string }
			}
			if err := json.Unmarshal(text, &script); err != nil {
				t.Fatal(err)
			}
			for _, c := range script.Commands {
				if c.Type == "assert_malformed" {
					bad[filepath.Join(filepath.Dir(file), c.Filename)] = true
				}
			}
		}
	}
	return bad
}

// samples are whole modules of several toolchains that are small enough to be read thousands of times.
func samples(t testing.TB) map[string][]byte {
	dir := wazeroDir(t)
	all := map[string][]byte{}
	for name, path := range map[string]string{
		"tinygo":         "cmd/wazero/testdata/cat/cat-tinygo.wasm",
		"rust":           "imports/wasi_snapshot_preview1/example/testdata/cargo-wasi/cat.wasm",
		"zig":            "imports/wasi_snapshot_preview1/example/testdata/zig/cat.wasm",
		"assemblyscript": "imports/assemblyscript/example/testdata/index.wasm",
	} {
		code, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = code
	}
	text, err := os.ReadFile("../../testdata/kit.wat")
	if err != nil {
		t.Fatal(err)
	}
	if all["kit"], err = wat.Assemble(text); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTruncated: no beginning of a module passes but those that end with a section, before the functions or behind the
// code.
func TestTruncated(t *testing.T) {
	for name, code := range samples(t) {
		m, err := gate.Walk(code, gate.Caps{Positions: true})
		if err != nil {
			t.Fatal(name, err)
		}
		whole := map[int]bool{}
		for _, s := range m.Sections {
			whole[int(s.Content.End)] = s.Kind < 3 || s.Kind >= 10
		}
		step := 1 + len(code)/60_000 // every byte, but for the largest
		if raced {
			step *= 31
		}
		for n := 0; n < len(code); n += step {
			_, err := gate.Walk(code[:n], gate.Caps{})
			if e, ok := errors.AsType[*gate.Error](err); err == nil && n != 8 && !whole[n] || err != nil && (!ok || e.Offset > n) {
				t.Fatalf("%s: %d of %d bytes: %v", name, n, len(code), err)
			}
		}
	}
}

// TestTruncatedInside: no section passes that ends early and says so.
func TestTruncatedInside(t *testing.T) {
	for name, code := range samples(t) {
		m, err := gate.Walk(code, gate.Caps{Positions: true})
		if err != nil {
			t.Fatal(name, err)
		}
		for _, s := range m.Sections {
			content := code[s.Content.Start:s.Content.End]
			step := max(1, len(content)/2000)
			if raced {
				step *= 31
			}
			for n := 0; n < len(content); n += step {
				cut := cat(code[:s.ID], section(s.Kind, content[:n]), code[s.Content.End:])
				if _, err := gate.Walk(cut, gate.Caps{}); err == nil && s.Kind != 0 {
					t.Fatalf("%s: %d of %d bytes of section %d", name, n, len(content), s.Kind)
				}
			}
		}
	}
}

// TestPositions: with the positions a module can be rewritten. Here one function is imported more, so that every index
// of the others goes up by one, and the module does what it did.
func TestPositions(t *testing.T) {
	ctx := context.Background()
	for name, code := range samples(t) {
		m, err := gate.Walk(code, gate.Caps{Positions: true})
		if err != nil {
			t.Fatal(name, err)
		}
		checkMarks(t, name, code, m)
		rewritten := shift(code, m)
		again, err := gate.Walk(rewritten, gate.Caps{Positions: true})
		if err != nil || len(again.Imports) != len(m.Imports)+1 || len(again.FuncRefs) != len(m.FuncRefs) || len(again.Marks) != len(m.Marks) {
			t.Fatalf("%s: %v", name, err)
		}
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
		before, err1 := r.CompileModule(ctx, code)
		after, err2 := r.CompileModule(ctx, rewritten)
		if err1 != nil || err2 != nil {
			t.Fatal(name, err1, err2)
		}
		for export, f := range before.ExportedFunctions() {
			g := after.ExportedFunctions()[export]
			if g == nil || g.Index() != f.Index()+1 || g.Name() != f.Name() || !slices.Equal(g.ParamTypes(), f.ParamTypes()) {
				t.Errorf("%s: export %s", name, export)
			}
		}
		r.Close(ctx)
	}
}

// maxRun is the gate's.
const maxRun = 2 << 10

// checkMarks compares the marks with the instructions that stand there.
func checkMarks(t *testing.T, name string, code []byte, m *gate.Module) {
	t.Helper()
	for i, b := range m.Bodies {
		last := len(m.Marks)
		if i+1 < len(m.Bodies) {
			last = int(m.Bodies[i+1].Marks)
		}
		marks := m.Marks[b.Marks:last]
		if len(marks) == 0 || marks[len(marks)-1].At != b.End-1 || marks[len(marks)-1].Op() != gate.OpEnd || marks[0].At < b.Code {
			t.Fatalf("%s: function %d: %+v %+v", name, i, b, marks)
		}
		for _, mark := range marks {
			if mark.Run() > maxRun {
				t.Fatalf("%s: function %d: %d instructions without a mark before %d", name, i, mark.Run(), mark.At)
			}
			if mark.Op() != gate.OpPause && gate.Op(code[mark.At]) != mark.Op() {
				t.Fatalf("%s: function %d: %x at %d, not %x", name, i, code[mark.At], mark.At, mark.Op())
			}
		}
	}
	if !slices.IsSorted(m.FuncRefs) {
		t.Errorf("%s: the places of functions are out of order", name)
	}
}

// shift imports one function more, before all others, and lets every index follow.
func shift(code []byte, m *gate.Module) []byte {
	fix := func(from, to uint32) (out []byte) {
		for _, ref := range m.FuncRefs {
			if ref >= from && ref < to {
				v, n := uvarint(code[ref:])
				out = append(append(out, code[from:ref]...), u32(v+1)...)
				from = ref + uint32(n)
			}
		}
		return append(out, code[from:to]...)
	}
	out := bytes.Clone(code[:8])
	imported := false
	add := cat([]byte{1, 'x', 1, 'y', 0}, u32(0))
	for _, s := range m.Sections {
		content := code[s.Content.Start:s.Content.End]
		switch {
		case s.Kind == 2:
			n, width := uvarint(content)
			content, imported = cat(u32(n+1), add, content[width:]), true
		case s.Kind == 10:
			content = u32(len(m.Bodies))
			for _, b := range m.Bodies {
				_, width := uvarint(code[b.Size:])
				content = append(content, sized(fix(b.Size+uint32(width), b.End))...)
			}
		case s.Kind == 0 && len(m.Names) > 0 && m.Names[0].ID >= s.Content.Start && m.Names[0].ID < s.Content.End:
			content = sized([]byte("name"))
			for _, n := range m.Names {
				content = append(content, section(n.Kind, fix(n.Content.Start, n.Content.End))...)
			}
		default:
			if s.Kind > 2 && !imported {
				out, imported = append(out, section(2, vec(add))...), true
			}
			content = fix(s.Content.Start, s.Content.End)
		}
		out = append(out, section(s.Kind, content)...)
	}
	return out
}

func uvarint(b []byte) (v, n int) {
	for shift := 0; ; shift += 7 {
		v |= int(b[n]&0x7f) << shift
		n++
		if b[n-1] < 0x80 {
			return v, n
		}
	}
}
