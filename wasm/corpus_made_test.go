package wasm

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// made is a hostile guest that is too long to write down: text, or else code.
type made struct {
	name string
	directives
	text string
	code []byte
}

type directives = map[string]string

func ends(how string) directives { return directives{"end": how} }

// strict says that the promises are held as they stand. It needs a machine of its own.
func strict() bool { return os.Getenv("VANTH_HOSTILE") == "strict" }

// madeHostile makes them all.
func madeHostile() []made {
	list := append(madeTrees(), madeRecursions()...)
	list = append(list, madeStraight()...)
	list = append(list, madeSlow()...)
	return append(list, madeLarge()...)
}

// tree is a tree of calls without a loop: levels of functions that call the next so many times.
func tree(levels, wide int, indirect bool) string {
	var b strings.Builder
	b.WriteString(`(module (type $t (func)) (table 64 64 funcref) (func $leaf)`)
	for i := range levels {
		next := fmt.Sprint("$f", i+1)
		if i == levels-1 {
			next = "$leaf"
		}
		call := fmt.Sprintf("(call %s)", next)
		if indirect {
			call = fmt.Sprintf("(call_indirect (type $t) (i32.const %d))", i+1)
		}
		fmt.Fprintf(&b, "(elem (i32.const %d) %s) (func $f%d %s)", i+1, next, i, strings.Repeat(call, wide))
	}
	return b.String() + `(export "f" (func $f0)))`
}

func madeTrees() []made {
	return []made{
		{"calls_tree", ends("deadline"), tree(60, 2, false), nil},
		{"calls_tree_indirect", ends("deadline"), tree(60, 2, true), nil},
		{"calls_tree_wide", ends("deadline"), tree(6, 1024, false), nil},
	}
}

// madeRecursions have large frames.
func madeRecursions() []made {
	locals := func(n int) string {
		var set, use strings.Builder
		for i := range n {
			fmt.Fprintf(&set, "(local.set %d (i64.load offset=%d (i32.const 0)))", i, 8*i)
			fmt.Fprintf(&use, "(i64.store offset=%d (i32.const 0) (local.get %d))", 8*i, i)
		}
		return fmt.Sprintf(`(module (memory 1) (func $f (export "f") (local %s) %s (call $f) %s))`, strings.Repeat("i64 ", n), set.String(), use.String())
	}
	results := func(n int) string {
		return fmt.Sprintf(`(module (func $f (param i32) (result %s) (call $f (local.get 0)))
		  (func (export "f") (call $f (i32.const 1)) %s))`, strings.Repeat("i64 ", n), strings.Repeat("drop ", n))
	}
	params := func(n int) string {
		var get strings.Builder
		for i := range n {
			fmt.Fprintf(&get, "(local.get %d)", i)
		}
		return fmt.Sprintf(`(module (func $f (param %s) %s (call $f))
		  (func (export "f") %s (call $f)))`, strings.Repeat("i64 ", n), get.String(), strings.Repeat("(i64.const 1)", n))
	}
	// operands has values on the stack, not in locals, while it calls.
	operands := func(n int) string {
		var load strings.Builder
		for i := range n {
			fmt.Fprintf(&load, "(i64.load offset=%d (i32.const 0))", 8*i)
		}
		return fmt.Sprintf(`(module (memory 1) (global $g (mut i64) (i64.const 0)) (func $f (export "f") %s (call $f) %s))`,
			load.String(), strings.Repeat("global.set $g ", n))
	}
	return []made{
		{"recursion_of_10_locals", ends("stack"), locals(10), nil},
		{"recursion_of_1000_locals", ends("stack"), locals(1000), nil},
		{"recursion_of_1000_operands", ends("stack|deadline"), operands(1000), nil},
		{"recursion_of_1000_parameters", ends("stack"), params(1000), nil},
		{"recursion_of_1000_results", ends("stack"), results(1000), nil},
	}
}

// straight is a module with a long stretch of code without a loop, around which is one: the code so many times, and an
// eighth of that unless the tests are strict, since it takes long to compile.
func straight(head, code string, n int) string {
	if !strict() {
		n /= 8
	}
	return fmt.Sprintf(`(module %s (loop $l %s (br $l))))`, head, strings.Repeat(code, n))
}

const exported = `(func (export "f") `

func imported(name, params string) string {
	return fmt.Sprintf(`(import "wasi_snapshot_preview1" "%s" (func $i (param %s) (result i32)))`, name, params)
}

func madeStraight() []made {
	const get = `(import "vanth" "state_get" (func $get (param i32 i32 i32 i32) (result i32))) (memory 256) (data (i32.const 0) "k")`
	const now = `(import "vanth" "now_ms" (func $now (result i64)))`
	segment := `(memory 256) (data $d "` + strings.Repeat("a", 1<<20) + `")`
	elements := `(table 200000 funcref) (elem $e func ` + strings.Repeat("0 ", 24_000) + `)`
	return []made{
		{"straight_copies", ends("deadline"), straight(`(memory 256)`+exported, "(memory.copy (i32.const 1) (i32.const 0) (i32.const 0xffffff))", 4000), nil},
		{"straight_copies_small", ends("deadline"), straight(`(memory 1)`+exported, "(memory.copy (i32.const 1) (i32.const 0) (i32.const 15))", 10_000), nil},
		{"straight_fills", ends("deadline"), straight(`(memory 256)`+exported, "(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x1000000))", 4000), nil},
		{"straight_inits", ends("deadline"), straight(segment+exported, "(memory.init $d (i32.const 1) (i32.const 0) (i32.const 0x100000))", 4000), nil},
		{"straight_table_copies", ends("deadline"), straight(`(table 200000 funcref)`+exported, "(table.copy (i32.const 1) (i32.const 0) (i32.const 199999))", 4000), nil},
		{"straight_table_inits", ends("deadline"), straight(elements+exported, "(table.init 0 $e (i32.const 1) (i32.const 0) (i32.const 24000))", 4000), nil},
		{"straight_grow_nothing", ends("deadline"), straight(`(memory 1)`+exported, "(drop (memory.grow (i32.const 0)))", 30_000), nil},
		{"straight_ref_func", ends("deadline"), straight(`(global $g (mut funcref) (ref.null func)) (elem declare func $x) (func $x)`+exported, "ref.func 0 global.set 0 ", 30_000), nil},
		{"straight_divisions", ends("deadline"), straight(exported+`(local $x i64) (local.set $x (i64.const 1))`, "i64.const -1 local.get 0 i64.div_u local.set 0 ", 20_000), nil},
		{"straight_square_roots", ends("deadline"), straight(exported+`(local $x f64) (local.set $x (f64.const 0x1p-1060))`, "local.get 0 f64.sqrt f64.const 0x1p-530 f64.mul local.set 0 ", 40_000), nil},
		{"straight_loads", directives{"end": "deadline", "engine": "compiler", "callMs": "80"}, straight(chase+exported+`(local $p i32) (call $fill)`, "local.get 0 i32.load local.set 0 ", 35_000), nil},
		// Each stretch is short, and between two there is something else: a block, a branch that is not taken.
		{"straight_loads_in_blocks", directives{"end": "deadline", "engine": "compiler", "callMs": "80"}, straight(chase+exported+`(local $p i32) (call $fill)`, strings.Repeat("local.get 0 i32.load local.set 0 ", 200)+"block end (if (i32.eqz (i32.const 1)) (then nop)) ", 175), nil},
		{"straight_now_ms", directives{"end": "deadline", "requires": "clock"}, straight(now+exported, "call $now drop ", 75_000), nil},
		{"straight_state_get", directives{"end": "deadline", "requires": "state"}, straight(get+exported, "(drop (call $get (i32.const 0) (i32.const 1) (i32.const 16) (i32.const 0xfffff0)))", 20_000), nil},
		{"straight_random", ends("deadline|bad result"), straight(imported("random_get", "i32 i32")+`(memory 256)`+exported, "(drop (call $i (i32.const 0) (i32.const 0x1000000)))", 800), nil},
	}
}

// chase has a function that makes the memory one cycle of pointers, in which each line is somewhere else than the one before.
const chase = `(memory 256) (func $fill (local $i i32) (local $at i32) (local $next i32)
  (loop $l
    (local.set $next (i32.and (i32.add (i32.mul (local.get $at) (i32.const 1664525)) (i32.const 1013904223)) (i32.const 0x3ffff)))
    (i32.store (i32.shl (local.get $at) (i32.const 6)) (i32.shl (local.get $next) (i32.const 6)))
    (local.set $at (local.get $next))
    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 0x40000)))))`

// madeSlow are loops of instructions that take long for what they pay: those on vectors, which text has no words for.
func madeSlow() []made {
	// loop is (func (export "f") (local v128) (loop ...)) with the code so many times, from a vector onto one.
	loop := func(n int, code ...byte) []byte {
		body := append([]byte{1, 1, 0x7b, 0xfd, 12}, []byte("\x01\x00\x00\x00\x00\x00\x10\x00\xff\xff\xff\xff\xff\xff\x0f\x00")...) // denormals
		body = append(body, 0x21, 0, 0x03, 0x40)
		for range n {
			body = append(append(append(body, 0x20, 0), code...), 0x21, 0)
		}
		body = append(body, 0x0c, 0, 0x0b, 0x0b)
		return wasmModule(
			wasmSection(1, 1, 0x60, 0, 0), wasmSection(3, 1, 0), wasmSection(5, 1, 0, 1), wasmSection(7, 1, 1, 'f', 0, 0),
			wasmSection(10, append([]byte{1}, wasmSized(body)...)...))
	}
	return []made{
		{"slow_vector_roots", ends("deadline"), "", loop(16, 0xfd, 0xef, 1)},
		{"slow_vector_divisions", ends("deadline"), "", loop(16, 0x20, 0, 0xfd, 0xf3, 1)},
		{"slow_vector_products", ends("deadline"), "", loop(16, 0x20, 0, 0xfd, 0xd5, 1)},
		{"slow_vector_counts", ends("deadline"), "", loop(16, 0xfd, 0x62)},
		{"slow_vector_truncations", ends("deadline"), "", loop(16, 0xfd, 0xfd, 1)},
		{"slow_vector_shifts", ends("deadline"), "", loop(16, 0x41, 3, 0xfd, 0x6c)},
	}
}

// madeLarge cost the host a lot each time that an instance starts, and see to it that one does for each call. One has frames
// of a thousand vectors.
func madeLarge() []made {
	const pages = 240
	trap := []byte{1, 3, 0, 0, 0x0b}
	module := func(more ...[]byte) []byte {
		head := [][]byte{wasmSection(1, 1, 0x60, 0, 0), wasmSection(3, 1, 0)}
		return wasmModule(append(head, more...)...)
	}
	export := wasmSection(7, 1, 1, 'f', 0, 0)
	data := append([]byte{1, 0, 0x41, 0, 0x0b}, wasmSized(bytes.Repeat([]byte("data"), pages<<14))...)
	const entries = 24_000
	elements := append([]byte{1, 0, 0x41, 0, 0x0b}, wasmVector(entries, 0)...)
	table := append([]byte{1, 0x70, 0}, wasmNumber(entries)...)
	var touch []byte // a store into each part of the memory that the machine gives alone
	for i := range pages << 4 {
		touch = append(append(touch, 0x41, 0, 0x41, 1, 0x3a, 0), wasmNumber(i<<12)...)
	}
	var vectors []byte // f, by 1,000 vectors onto the stack, a call of itself, and off again
	for i := range 1000 {
		vectors = append(append(vectors, 0x41, 0, 0xfd, 0, 0), wasmNumber(16*i)...)
	}
	vectors = append(append(vectors, 0x10, 0), bytes.Repeat([]byte{0x24, 0}, 1000)...)
	vector := append([]byte{1, 0x7b, 1, 0xfd, 12}, append(make([]byte, 16), 0x0b)...)
	body := func(code []byte, end ...byte) []byte {
		return append([]byte{1}, wasmSized(append(append([]byte{0}, code...), end...))...)
	}
	memory := wasmSection(5, append([]byte{1, 0}, wasmNumber(pages)...)...)
	return []made{
		{"large_data", ends("trap"), "", module(memory, export, wasmSection(10, trap...), wasmSection(11, data...))},
		{"large_table", ends("trap"), "", module(wasmSection(4, table...), export, wasmSection(9, elements...), wasmSection(10, trap...))},
		{"large_memory_touched", ends("trap|deadline"), "", module(memory, export, wasmSection(10, body(touch, 0, 0x0b)...))},
		{"recursion_of_1000_vectors", ends("stack|deadline"), "", module(memory, wasmSection(6, vector...), export, wasmSection(10, body(vectors, 0x0b)...))},
	}
}
