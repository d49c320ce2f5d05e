package gate_test

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/vanth-io/vanth/wasm/internal/gate"
)

var void = section(1, vec(funcType(nil, nil)))

// one is a module of one function with this code, without its last end.
func one(code ...byte) []byte { return program(1, body(nil, code)) }

// TestViolations holds the text of each error.
func TestViolations(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	table := section(4, vec([]byte{0x70, 0, 1}))
	for _, c := range []struct {
		name string
		code []byte
		caps gate.Caps
		want string
	}{
		{"empty", nil, gate.Caps{}, `at byte 0: found no WebAssembly module of version 1, expected it to start with "\x00asm\x01\x00\x00\x00"`},
		{"version", []byte("\x00asm\x02\x00\x00\x00"), gate.Caps{}, `at byte 0: found no WebAssembly module of version 1, expected it to start with "\x00asm\x01\x00\x00\x00"`},
		{"file", make([]byte, 1001), gate.Caps{Bytes: 1000}, "at byte 0: found 1,001 bytes, at most 1,000 are allowed"},
		{"section", module(section(13)), gate.Caps{}, "at byte 8: found a section of kind 13, the last known is 12"},
		{"order", module(section(3, vec()), section(1, vec())), gate.Caps{}, "at byte 11, section type: found it out of order, each section stands once, and in order"},
		{"twice", module(void, void), gate.Caps{}, "at byte 14, section type: found it out of order, each section stands once, and in order"},
		{"data count behind code", module(section(10, vec()), section(12, u32(0))), gate.Caps{}, "at byte 11, section data count: found it out of order, each section stands once, and in order"},
		{"size", module([]byte{1, 5, 0}), gate.Caps{}, "at byte 9, section type: found a size of 5, at most 1 byte is left"},
		{"size missing", module([]byte{1}), gate.Caps{}, "at byte 9, section type: found the end, expected its size"},
		{"size too long", module([]byte{1, 0x80, 0x80, 0x80, 0x80, 0x80, 0}), gate.Caps{}, "at byte 9, section type: found a number of more than 32 bits or 5 bytes, expected its size"},
		{"size too big", module([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x1f}), gate.Caps{}, "at byte 9, section type: found a number of more than 32 bits or 5 bytes, expected its size"},
		{"bytes left over", module(section(1, vec(), []byte{0})), gate.Caps{}, "at byte 11, section type: found 1 byte behind the last entry, expected the end"},
		{"types", module(section(1, huge)), gate.Caps{}, "at byte 10, section type: found 4,294,967,295 types, at most 10,000 are allowed"},
		{"types that do not fit", module(section(1, u32(9000))), gate.Caps{}, "at byte 10, section type: found 9,000 types, none fits into the bytes that are left"},
		{"form", module(section(1, vec([]byte{0x5e, 0, 0}))), gate.Caps{}, "at byte 11, section type: found form 0x5e, every type is a function type, form 0x60"},
		{"value type", module(section(1, vec(funcType([]byte{0x64}, nil)))), gate.Caps{}, "at byte 13, section type: found type 0x64, value types are i32, i64, f32, f64, v128, funcref and externref"},
		{"parameters", module(section(1, vec(funcType(repeat(1001, tI32), nil)))), gate.Caps{}, "at byte 13, section type: found 1,001 parameters, at most 1,000 are allowed"},
		{"results", module(section(1, vec(funcType(nil, repeat(1001, tI32))))), gate.Caps{}, "at byte 14, section type: found 1,001 results, at most 1,000 are allowed"},
		{"values", module(section(1, vec(funcType(repeat(7, tI32), repeat(4, tI32))))), gate.Caps{Values: 10}, "at byte 11, section type: found 11 parameters and results of types so far, at most 10 are allowed"},
		{"imports", module(section(2, huge)), gate.Caps{}, "at byte 10, section import: found 4,294,967,295 imports, at most 1,000 are allowed"},
		{"import kind", module(section(2, vec([]byte{0, 0, 4, 0, 0}))), gate.Caps{}, "at byte 13, section import: found an import of kind 4, kinds are 0 to 3, function, table, memory and global"},
		{"import type", module(section(2, vec([]byte{0, 0, 0, 0}))), gate.Caps{}, "at byte 14, section import: found type 0, there are 0 types"},
		{"name UTF-8", module(section(2, vec([]byte{1, 0xff, 0, 0, 0}))), gate.Caps{}, "at byte 12, section import: found the module of an import that is not UTF-8, names are UTF-8"},
		{"name length", module(section(2, vec([]byte{9, 'a', 0, 0, 0}))), gate.Caps{}, "at byte 11, section import: found 9 bytes for the module of an import, at most 4 are left"},
		{"name cap", module(section(2, vec([]byte{2, 'a', 'b', 0, 0, 0}))), gate.Caps{Name: 1}, "at byte 11, section import: found 2 bytes for the module of an import, at most 1 is allowed"},
		{"functions", module(section(3, huge)), gate.Caps{}, "at byte 10, section function: found 4,294,967,295 functions, at most 100,000 are allowed"},
		{"function type", module(void, section(3, vec([]byte{1}))), gate.Caps{}, "at byte 17, section function: found type 1, there is 1 type"},
		{"no code", module(void, section(3, vec([]byte{0}))), gate.Caps{}, "at byte 18: found 0 bodies, expected 1, one for each function"},
		{"tables", module(section(4, u32(5), make([]byte, 15))), gate.Caps{}, "at byte 10, section table: found 5 tables, at most 4 are allowed"},
		{"table type", module(section(4, vec([]byte{0x64, 0, 1}))), gate.Caps{}, "at byte 11, section table: found type 0x64, reference types are funcref and externref"},
		{"table with a start value", module(section(4, vec([]byte{0x40, 0, 0x70, 0, 1}))), gate.Caps{}, "at byte 11, section table: found type 0x40, reference types are funcref and externref"},
		{"table size", module(section(4, vec(cat([]byte{0x70, 0}, u32(200_001))))), gate.Caps{}, "at byte 12, section table: found 200,001 table entries at the start, at most 200,000 are allowed"},
		{"table limits", module(section(4, vec([]byte{0x70, 1, 2, 1}))), gate.Caps{}, "at byte 14, section table: found a maximum of 1, the minimum is 2"},
		{"memories", module(section(5, vec([]byte{0, 1}, []byte{0, 1}))), gate.Caps{}, "at byte 10, section memory: found 2 memories, at most 1 is allowed"},
		{"memory imported too", module(section(2, vec([]byte{0, 0, 2, 0, 1})), section(5, vec([]byte{0, 1}))), gate.Caps{}, "at byte 19, section memory: found 2 memories, at most 1 is allowed"},
		{"memory size", module(section(5, vec([]byte{0, 17}))), gate.Caps{Pages: 16}, "at byte 11, section memory: found a memory of 17 pages of 64 KiB at the start, at most 16 are allowed"},
		{"memory maximum", module(section(5, vec(cat([]byte{1, 1}, u32(65537))))), gate.Caps{}, "at byte 13, section memory: found a maximum of 65,537, at most 65,536 are allowed"},
		{"shared memory", module(section(5, vec([]byte{3, 1, 1}))), gate.Caps{}, "at byte 11, section memory: found limits with flags 3, flags are 0, or 1 for a maximum"},
		{"memory of 64 bits", module(section(5, vec([]byte{4, 1}))), gate.Caps{}, "at byte 11, section memory: found limits with flags 4, flags are 0, or 1 for a maximum"},
		{"globals", module(section(6, huge)), gate.Caps{}, "at byte 10, section global: found 4,294,967,295 globals, at most 10,000 are allowed"},
		{"mutability", module(section(6, vec([]byte{tI32, 2, 0x41, 0, 0x0b}))), gate.Caps{}, "at byte 12, section global: found mutability 2, 0 is constant and 1 mutable"},
		{"constant", module(section(6, vec([]byte{tI32, 0, 0x20, 0, 0x0b}))), gate.Caps{}, "at byte 13, section global: found instruction 0x20 in a constant expression, expected one constant, global.get, ref.null or ref.func"},
		{"constants", module(section(6, vec([]byte{tI32, 0, 0x41, 0, 0x41, 0, 0x6a, 0x0b}))), gate.Caps{}, "at byte 15, section global: found a second instruction in a constant expression, expected its end"},
		{"constant too long", module(section(6, vec([]byte{tI32, 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x0b}))), gate.Caps{}, "at byte 14, section global: found a number of more than 32 bits or 5 bytes, expected an i32"},
		{"constant with bits too many", module(section(6, vec([]byte{tI32, 0, 0x41, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b}))), gate.Caps{}, "at byte 14, section global: found a number of more than 32 bits or 5 bytes, expected an i32"},
		{"exports", module(section(7, huge)), gate.Caps{}, "at byte 10, section export: found 4,294,967,295 exports, at most 10,000 are allowed"},
		{"export twice", module(section(5, vec([]byte{0, 1})), section(7, vec([]byte{1, 'a', 2, 0}, []byte{1, 'a', 2, 0}))), gate.Caps{}, `at byte 20, section export: found a second export "a", the names of exports are unique`},
		{"export kind", module(section(7, vec([]byte{0, 4, 0}))), gate.Caps{}, "at byte 12, section export: found an export of kind 4, kinds are 0 to 3, function, table, memory and global"},
		{"export of nothing", module(section(7, vec([]byte{0, 0, 0}))), gate.Caps{}, "at byte 13, section export: found function 0, there are 0 functions"},
		{"start", module(section(8, u32(7))), gate.Caps{}, "at byte 10, section start: found function 7, there are 0 functions"},
		{"elements", module(section(9, huge)), gate.Caps{}, "at byte 10, section element: found 4,294,967,295 element segments, at most 10,000 are allowed"},
		{"element flags", module(section(9, vec([]byte{8, 0, 0, 0}))), gate.Caps{}, "at byte 11, section element: found an element segment with flags 8, flags are 0 to 7"},
		{"element kind", module(section(9, vec([]byte{1, 1, 0, 0}))), gate.Caps{}, "at byte 12, section element: found an element segment of kind 1, the only kind is 0, functions"},
		{"element without a table", module(section(9, vec([]byte{0, 0x41, 0, 0x0b, 0}))), gate.Caps{}, "at byte 11, section element: found table 0, there are 0 tables"},
		{"elements of a segment", module(table, section(9, vec(cat([]byte{0, 0x41, 0, 0x0b}, huge)))), gate.Caps{}, "at byte 21, section element: found 4,294,967,295 elements, at most 25,000 are allowed"},
		{"elements of segments", module(table, section(9, vec([]byte{5, 0x70, 1, 0xd0, 0x70, 0x0b}, []byte{5, 0x70, 1, 0xd0, 0x70, 0x0b}))), gate.Caps{Inits: 1}, "at byte 25, section element: found 2 elements of segments so far, at most 1 is allowed"},
		{"data count", module(section(12, huge)), gate.Caps{}, "at byte 10, section data count: found 4,294,967,295 data segments, at most 100,000 are allowed"},
		{"data count wrong", module(section(5, vec([]byte{0, 1})), section(12, u32(2)), section(11, vec([]byte{1, 0}))), gate.Caps{}, "at byte 19, section data: found 1 data segment, expected 2, as the data count says"},
		{"data missing", module(section(12, u32(2))), gate.Caps{}, "at byte 11: found 0 data segments, expected 2, as the data count says"},
		{"data", module(section(11, huge)), gate.Caps{}, "at byte 10, section data: found 4,294,967,295 data segments, at most 100,000 are allowed"},
		{"data flags", module(section(11, vec([]byte{3, 0}))), gate.Caps{}, "at byte 11, section data: found a data segment with flags 3, flags are 0 to 2"},
		{"data bytes", module(section(11, vec(cat([]byte{1}, u32(99))))), gate.Caps{}, "at byte 12, section data: found 99 bytes, at most 13 are allowed"},
		{"data without a memory", module(section(11, vec([]byte{0, 0x41, 0, 0x0b, 0}))), gate.Caps{}, "at byte 11, section data: found memory 0, there are 0 memories"},
		{"custom sections", module(custom("a"), custom("b")), gate.Caps{Customs: 1}, "at byte 14, section custom: found 2 custom sections, at most 1 is allowed"},
		{"custom name", module(section(0, []byte{5, 'a'})), gate.Caps{}, "at byte 10, section custom: found 5 bytes for the name of a custom section, at most 1 is left"},
		{"names twice", module(custom("name"), custom("name")), gate.Caps{}, "at byte 17, section custom name: found a second section of names, at most 1 is allowed"},
		{"names", module(custom("name", section(1, huge))), gate.Caps{}, "at byte 17, section custom name: found 4,294,967,295 names of functions, at most 1,000,000 are allowed"},
		{"names of locals", module(custom("name", section(2, vec(cat(u32(0), huge))))), gate.Caps{}, "at byte 19, section custom name: found 4,294,967,295 names of locals, at most 1,000,000 are allowed"},
		{"size of names", module(custom("name", []byte{1, 9, 0})), gate.Caps{}, "at byte 16, section custom name: found a size of 9, at most 1 byte is left"},
		{"bodies", module(section(10, huge)), gate.Caps{}, "at byte 10, section code: found 4,294,967,295 bodies, at most 100,000 are allowed"},
		{"bodies too many", module(section(10, vec(body(nil)))), gate.Caps{}, "at byte 10, section code: found 1 body, expected 0, one for each function"},
		{"body size", module(void, section(3, vec([]byte{0})), section(10, vec(cat(u32(9), []byte{0, 0x0b})))), gate.Caps{}, "at byte 21, section code: found 9 bytes in the body of function 0, at most 2 are left"},
		{"body cap", one(repeat(100, 1)...), gate.Caps{Body: 50}, "at byte 45, section code: found 102 bytes in the body of function 0, at most 50 are allowed"},
		{"locals", program(2, body([][]byte{locals(40_000, tI32), locals(10_001, tI64)})), gate.Caps{}, "at byte 52, section code: found 50,001 locals in function 0, at most 50,000 are allowed"},
		{"most locals", program(1, body([][]byte{cat(huge, []byte{tI32})})), gate.Caps{}, "at byte 47, section code: found 4,294,967,295 locals in function 0, at most 50,000 are allowed"},
		{"nesting", one(cat(repeat(4097, 2, 0x40), repeat(4097, 0x0b))...), gate.Caps{}, "at byte 8,241, section code: found 4,097 nested blocks in function 0, at most 4,096 are allowed"},
		{"br_table", one(cat([]byte{0x41, 0, 0x0e}, u32(8193), make([]byte, 8194))...), gate.Caps{}, "at byte 52, section code: found 8,193 labels in a br_table of function 0, at most 8,192 are allowed"},
		{"br_table of absurd size", one(cat([]byte{0x41, 0, 0x0e}, huge)...), gate.Caps{}, "at byte 50, section code: found 4,294,967,295 labels in a br_table of function 0, at most 8,192 are allowed"},
		{"open block", program(1, sized([]byte{0, 0x02, 0x40, 0x0b})), gate.Caps{}, "at byte 50, section code: found the end of the body of function 0 in 1 open block, expected an end for each"},
		{"behind the end", program(1, sized([]byte{0, 0x0b, 0x0b})), gate.Caps{}, "at byte 48, section code: found 1 byte behind the end of function 0, expected the next body"},
		{"else", one(0x05), gate.Caps{}, "at byte 47, section code: found an else outside of an if, in function 0, an else belongs to the innermost if, once"},
		{"two elses", one(0x41, 0, 0x04, 0x40, 0x05, 0x05, 0x0b), gate.Caps{}, "at byte 52, section code: found an else outside of an if, in function 0, an else belongs to the innermost if, once"},
		{"block type", one(0x02, 0x01, 0x0b), gate.Caps{}, "at byte 48, section code: found type 1, there is 1 type"},
		{"block type of no kind", one(0x02, 0x69, 0x0b), gate.Caps{}, "at byte 48, section code: found a block of type -23, expected a value type, none, or an index of types"},
		{"label", one(0x0c, 1), gate.Caps{}, "at byte 48, section code: found label 1, there is 1 label"},
		{"local", one(0x20, 0), gate.Caps{}, "at byte 48, section code: found local 0, there are 0 locals"},
		{"global", one(0x23, 1), gate.Caps{}, "at byte 48, section code: found global 1, there is 1 global"},
		{"call", one(0x10, 1), gate.Caps{}, "at byte 48, section code: found function 1, there is 1 function"},
		{"alignment", one(0x28, 5, 0), gate.Caps{}, "at byte 48, section code: found an alignment of 2 to the power of 5, the highest is 4"},
		{"second memory", one(0x3f, 1), gate.Caps{}, "at byte 48, section code: found index 0x1 of a memory, expected one byte 0"},
		{"no memory", module(void, section(3, vec([]byte{0})), section(10, vec(body(nil, []byte{0x3f, 0})))), gate.Caps{}, "at byte 23, section code: found memory 0, there are 0 memories"},
		{"no data count", module(void, section(3, vec([]byte{0})), section(10, vec(body(nil, []byte{0xfc, 9, 0})))), gate.Caps{}, "at byte 23, section code: found a data segment used without a data count section, expected one before the code"},
		{"select", one(0x1c, 2, tI32, tI32), gate.Caps{}, "at byte 47, section code: found 2 types for a select, expected 1"},
		{"tail call", one(0x12, 0), gate.Caps{}, "at byte 47, section code: found instruction 0x12 in function 0, it is none of WebAssembly 2.0"},
		{"exception", one(0x08, 0), gate.Caps{}, "at byte 47, section code: found instruction 0x8 in function 0, it is none of WebAssembly 2.0"},
		{"thread", one(0xfe, 3, 0), gate.Caps{}, "at byte 47, section code: found instruction 0xfe in function 0, it is none of WebAssembly 2.0"},
		{"misc", one(0xfc, 18), gate.Caps{}, "at byte 47, section code: found instruction 0xfc 18 in function 0, it is none of WebAssembly 2.0"},
		{"vector", one(0xfd, 0x9a, 1), gate.Caps{}, "at byte 47, section code: found instruction 0xfd 0x9a in function 0, it is none of WebAssembly 2.0"},
		{"relaxed vector", one(0xfd, 0x80, 2), gate.Caps{}, "at byte 47, section code: found an instruction behind 0xfd in more bytes than it needs, or unknown, in function 0, expected one of WebAssembly 2.0"},
		{"vector spelled long", one(0xfd, 0x8e, 0), gate.Caps{}, "at byte 47, section code: found an instruction behind 0xfd in more bytes than it needs, or unknown, in function 0, expected one of WebAssembly 2.0"},
		{"lane", one(0xfd, 0x15, 16), gate.Caps{}, "at byte 49, section code: found lane 16, there are 16 lanes"},
		{"table.grow", tableGrow, gate.Caps{}, "at byte 40, section code: found table.grow and a table without a maximum, expected tables to say a maximum, in sum at most 200,000 table entries"},
		{"table.grow too far", module(void, section(3, vec([]byte{0})), section(4, vec([]byte{0x70, 1, 1, 9})), section(10, vec(body(nil, []byte{0xd0, 0x70, 0x41, 1, 0xfc, 15, 0, 0x1a})))), gate.Caps{TableEntries: 8}, "at byte 34, section code: found table.grow and tables of up to 9 table entries, at most 8 are allowed"},
		{"work", one(repeat(20_000, 2, 0x40, 0x0b)...), gate.Caps{}, "at byte 47, section code: found code up to function 0 that takes the compiler an estimated 6,059 ms, at most 2,090 ms are allowed for 60,006 bytes of code"},
		{"all locals", program(21, body([][]byte{locals(50_000, tI32)})), gate.Caps{}, "at byte 212, section code: found 1,050,000 locals of functions so far, at most 1,000,000 are allowed"},
		{"memory for work", program(800, body([][]byte{locals(50_000, tI32)})), gate.Caps{Declared: 1e9}, "at byte 5,538, section code: found code up to function 670 that takes the engine an estimated 257 MiB, at most 256 MiB are allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := gate.Walk(c.code, c.caps)
			e, ok := errors.AsType[*gate.Error](err)
			if !ok || e.Error() != c.want {
				t.Errorf("found\n%v\nexpected\n%s", err, c.want)
			}
			if _, err := gate.Walk(c.code, gate.Caps{Positions: true}); c.caps == (gate.Caps{}) && (err == nil || err.Error() != e.Error()) {
				t.Errorf("with positions: %v", err)
			}
		})
	}
}

// tableGrow is the module of finding 6: it takes gigabytes in an instant.
var tableGrow = module(section(1, vec(funcType(nil, nil))), section(3, vec([]byte{0})), section(4, vec([]byte{0x70, 0, 1})),
	section(8, u32(0)), section(10, vec(body(nil, []byte{0xd0, 0x70, 0x41, 0x80, 0x80, 0x80, 0xc0, 0, 0xfc, 15, 0, 0x1a}))))

// TestClamp: who gives tables a maximum may take a module that lets them grow.
func TestClamp(t *testing.T) {
	m, err := gate.Walk(tableGrow, gate.Caps{Clamp: true})
	if err != nil || len(m.Tables) != 1 || m.Tables[0].HasMax || m.Tables[0].Min != 1 || tableGrow[m.Tables[0].At] != 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

// killers are small files that make the engine allocate until the process ends.
func killers() map[string][]byte {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	void := section(1, vec(funcType(nil, nil)))
	return map[string][]byte{
		"imports":          module(section(2, huge)),
		"functions":        module(section(3, huge)),
		"tables":           module(section(4, huge)),
		"globals":          module(section(6, huge)),
		"exports":          module(section(7, huge)),
		"element segments": module(section(9, huge)),
		"elements":         module(section(9, vec(cat([]byte{0, 0x41, 0, 0x0b}, huge)))),
		"expressions":      module(section(9, vec(cat([]byte{5, 0x70}, huge)))),
		"bodies":           module(section(10, huge)),
		"locals":           module(void, section(3, vec([]byte{0})), section(10, vec(body([][]byte{cat(huge, []byte{tI32})})))),
		"data segments":    module(section(11, huge)),
		"data":             module(section(11, vec(cat([]byte{1}, huge)))),
		"parameters":       module(section(1, vec(cat([]byte{0x60}, huge)))),
		"name":             module(section(2, vec(huge))),
		"function names":   module(custom("name", section(1, huge))),
		"local names":      module(custom("name", section(2, huge))),
		"names of locals":  module(custom("name", section(2, vec(cat(u32(0), huge))))),
	}
}

// TestKillers: each is refused at once, without an allocation worth the name.
func TestKillers(t *testing.T) {
	for name, code := range killers() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := gate.Walk(code, gate.Caps{Positions: true})
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; err == nil || took > 5*time.Millisecond || grown > 16<<10 || len(code) > 40 {
			t.Errorf("%s, %d bytes: %v after %v and %d bytes", name, len(code), err, took, grown)
		}
	}
}

// TestKillersKill: the gate is needed. Without it most of them end the process.
func TestKillersKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	killed := 0
	for name, code := range killers() {
		if c := compile(t, code); c.ms < 0 || c.mib > 1000 {
			killed++
		} else {
			t.Logf("%s: the engine survives: %+v", name, c)
		}
	}
	if killed < 8 {
		t.Errorf("%d of them kill", killed)
	}
}
