package wasm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vanth-io/vanth/host"
)

// Modules that are wrong are built by hand here.

func wasmNumber(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func wasmSized(b []byte) []byte { return append(wasmNumber(len(b)), b...) }

func wasmSection(id byte, content ...byte) []byte { return append([]byte{id}, wasmSized(content)...) }

func wasmModule(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), bytes.Join(sections, nil)...)
}

// wasmVector is n times the same entry, or what entry returns.
func wasmVector(n int, entry ...byte) []byte { return append(wasmNumber(n), bytes.Repeat(entry, n)...) }

// programOf is a module of n functions () -> () of the same body: runs of locals, and code without its last end.
func programOf(n int, locals, code []byte) []byte {
	body := wasmSized(append(append(bytes.Clone(locals), code...), 0x0b))
	return wasmModule(wasmSection(1, 1, 0x60, 0, 0), wasmSection(3, wasmVector(n, 0)...),
		wasmSection(4, 1, 0x70, 1, 1, 1), wasmSection(5, 1, 1, 1, 1), wasmSection(12, 1),
		wasmSection(10, append(wasmNumber(n), bytes.Repeat(body, n)...)...), wasmSection(11, 1, 1, 1, 0))
}

// bomb is a file that would keep the engine busy, or take the host's memory, and what the error says.
type bomb struct {
	name string
	code []byte
	want string
}

const most = "\xff\xff\xff\xff\x0f"

// decodeBombs claim more than they have.
func decodeBombs() []bomb {
	var list []bomb
	for id, name := range map[byte]string{
		1: "type", 2: "import", 3: "function", 4: "table", 5: "memory", 6: "global", 7: "export", 9: "element", 10: "code", 11: "data", 12: "data count",
	} {
		list = append(list,
			bomb{"a count in section " + name, wasmModule(wasmSection(id, []byte(most)...)), "at byte 10"},
			bomb{"the size of section " + name, wasmModule([]byte{id}, []byte(most)), "at byte 9"})
	}
	names := func(content string) []byte { return wasmModule(wasmSection(0, []byte("\x04name"+content)...)) }
	return append(list,
		bomb{"a count of names", names("\x01\x05" + most), "names"},
		bomb{"the size of names", names("\x01" + most), "a size of 4,294,967,295"},
		bomb{"a count of locals' names", names("\x02\x07\x01\x00" + most), "names"},
		bomb{"the size of a custom name", wasmModule(wasmSection(0, []byte(most)...)), "at byte"},
		bomb{"a table of all there is", wasmModule(wasmSection(4, []byte("\x01\x70\x00"+most)...)), "table entries"},
		bomb{"a memory beyond all there is", wasmModule(wasmSection(5, 1, 0, 0x81, 0x80, 0x04)), "at most"},
		bomb{"a br_table of all there is", programOf(1, []byte{0}, []byte("\x41\x00\x0e"+most)), "at byte"},
		bomb{"locals of all there is", programOf(1, []byte("\x01"+most+"\x7f"), nil), "at most 50,000"},
		bomb{"an element segment of all there is", wasmModule(wasmSection(4, 1, 0x70, 0, 1), wasmSection(9, []byte("\x01\x00\x41\x00\x0b"+most)...)), "at byte"},
		bomb{"a data segment of all there is", wasmModule(wasmSection(5, 1, 0, 1), wasmSection(11, []byte("\x01\x00\x41\x00\x0b"+most)...)), "at byte"},
	)
}

// compileBombs are well formed, and too much.
func compileBombs() []bomb {
	ifs := bytes.Repeat([]byte{0x41, 0, 0x04, 0x40, 0x0b}, 60_000)
	fills := bytes.Repeat([]byte{0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0}, 20_000)
	nest := append(bytes.Repeat([]byte{0x02, 0x40}, 60_000), bytes.Repeat([]byte{0x0b}, 60_000)...)
	branches := append(append([]byte{0x41, 0, 0x0e}, wasmVector(100_000, 0)...), 0)
	var runs []byte
	for range 1000 {
		runs = append(runs, 100, 0x7f)
	}
	export := wasmModule(wasmSection(1, 1, 0x60, 0, 0), wasmSection(3, 1, 0), wasmSection(7, wasmVector(20_000, 1, 'f', 0, 0)...))
	return []bomb{
		{"60,000 ifs in a row", programOf(1, []byte{0}, ifs), "at most"},
		{"60,000 blocks in blocks", programOf(1, []byte{0}, nest), "at most 4,096"},
		{"2,000 functions of 50,000 locals", programOf(2000, append([]byte{1}, append(wasmNumber(50_000), 0x7f)...), nil), "at most"},
		{"100,000 locals in runs", programOf(1, append(wasmNumber(1000), runs...), nil), "at most 50,000"},
		{"20,000 fills in a row", programOf(1, []byte{0}, fills), "at most"},
		{"100,000 branches of one", programOf(1, []byte{0}, branches), "at most 8,192"},
		{"a body of two megabytes", programOf(1, []byte{0}, bytes.Repeat([]byte{1}, 2<<20)), "at most"},
		{"200,000 functions", programOf(200_000, []byte{0}, nil), "at most 100,000"},
		{"20,000 exports of one name", export, "at "},
		{"20,000 element segments", wasmModule(wasmSection(1, 1, 0x60, 0, 0), wasmSection(4, 1, 0x70, 0, 1), wasmSection(9, wasmVector(20_000, 0, 0x41, 0, 0x0b, 0)...)), "at most 10,000"},
		{"200,000 data segments", wasmModule(wasmSection(5, 1, 0, 1), wasmSection(11, wasmVector(200_000, 0, 0x41, 0, 0x0b, 0)...)), "at most 100,000"},
		{"2,000 custom sections", wasmModule(bytes.Repeat(wasmSection(0, 1, 'x'), 2000)), "at most 1,000"},
		{"5 tables", wasmModule(wasmSection(4, wasmVector(5, 0x70, 0, 1)...)), "at most 4"},
		{"2 memories", wasmModule(wasmSection(5, wasmVector(2, 0, 1)...)), "memories"},
		{"2,000 parameters", wasmModule(wasmSection(1, append([]byte{1, 0x60}, append(wasmVector(2000, 0x7f), 0)...)...)), "at most 1,000"},
		{"a tail call", programOf(1, []byte{0}, []byte{0x12, 0}), "none of WebAssembly 2.0"},
		{"a thread's memory", wasmModule(wasmSection(5, 1, 3, 1, 1)), "at byte"},
		{"2^21 names", wasmModule(wasmSection(0, append([]byte("\x04name"), wasmSection(1, wasmVector(1<<21, 0, 0)...)...)...)), "at "},
	}
}

// TestHostileFiles: a file that is a bomb is refused at once, with the place and the reason.
func TestHostileFiles(t *testing.T) {
	rt := newRuntime(t, Options{})
	worst := time.Duration(0)
	list := append(decodeBombs(), compileBombs()...)
	for _, b := range list {
		bundle := bundle(t, "m", b.code, host.Manifest{Functions: []string{"f"}})
		began := time.Now()
		_, err := rt.Load(context.Background(), bundle)
		took := time.Since(began)
		worst = max(worst, took)
		if !errors.Is(err, host.ErrInvalid) || !strings.HasPrefix(err.Error(), "m.wasm: at byte ") || !strings.Contains(err.Error(), b.want) {
			t.Errorf("%s: %.300v, want %q", b.name, err, b.want)
		}
		if took > loose(100*time.Millisecond) {
			t.Errorf("%s: refused after %v", b.name, took)
		}
	}
	t.Logf("%d files, the slowest was refused after %v", len(list), worst)
}

// TestHostileCompile: what the gate lets pass compiles about as fast as the gate expects, also after the meter has made more
// of it. These have many small loops, in which it writes more than elsewhere.
func TestHostileCompile(t *testing.T) {
	if raced {
		t.Skip("the compiler takes many times as long")
	}
	const most = 4 * time.Second // the gate allows an estimate of 2 s
	for name, code := range map[string][]byte{
		"empty loops":         programOf(1, []byte{1, 1, 0x7f}, bytes.Repeat([]byte{0x03, 0x40, 0x20, 0, 0x0d, 0, 0x0b}, 2500)),
		"loops of 200 locals": programOf(1, []byte{1, 0xc8, 1, 0x7f}, bytes.Repeat([]byte{0x03, 0x40, 0x20, 0, 0x20, 1, 0x6a, 0x21, 5, 0x0b}, 3000)),
		"loops that call":     programOf(1, []byte{1, 100, 0x7f}, bytes.Repeat([]byte{0x03, 0x40, 0x10, 0, 0x20, 1, 0x21, 2, 0x0b}, 5000)),
		"table fills":         programOf(1, []byte{0}, bytes.Repeat([]byte{0x41, 0, 0xd0, 0x70, 0x41, 0, 0xfc, 17, 0}, 7000)),
	} {
		rt := newRuntime(t, Options{})
		began := time.Now()
		_, err := rt.Load(context.Background(), bundle(t, "m", code, host.Manifest{Functions: []string{"f"}}))
		took := time.Since(began)
		t.Logf("%s: %v, %.100v", name, took, err)
		if took > most {
			t.Errorf("%s: loading took %v, at most %v", name, took, most)
		}
	}
}
