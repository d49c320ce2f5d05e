package wat_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/vanth-io/vanth/wasm/internal/wat"
)

func TestErrors(t *testing.T) {
	for _, tc := range []struct{ name, src, want string }{
		// the text
		{"empty", "", `1:1: found the end of the text, expected "(module ...)"`},
		{"only a comment", "(; x ;)", `1:8: found the end of the text, expected "(module ...)"`},
		{"word", "module", `1:1: found "module", expected "(module ...)"`},
		{"no module", "(func)", `1:1: found "(func", expected "(module ...)"`},
		{"two modules", "(module)\n(module)", `2:1: found "(", expected nothing after the module`},
		{"open", "(module\n  (func", `2:8: found the end of the text, expected ")"`},
		{"closed too often", "(module))", `1:9: found ")", expected nothing after the module`},
		{"not UTF-8", "(module)\n;; \xff", `2:4: found the byte 0xff, expected UTF-8`},
		{"columns are characters", "(; ü😀 ;) x", `1:10: found "x", expected "(module ...)"`},
		{"bracket", "(module [)", `1:9: found '[', expected a word, a name, a string or a parenthesis`},
		{"semicolon", "(module ;x\n)", `1:9: found ';', expected a word, a name, a string or a parenthesis`},
		{"control character", "(module \x01)", `1:9: found '\x01', expected a word, a name, a string or a parenthesis`},
		{"open comment", "(module (; (; ;) )", `1:9: found a comment without its end, expected ";)"`},
		{"open comment at first", "(;", `1:1: found a comment without its end, expected ";)"`},
		{"open comment at last", "(module)(;", `1:9: found a comment without its end, expected ";)"`},
		{"open line comment", "(module ;; )", `1:13: found the end of the text, expected ")"`},
		{"empty name", "(module $ )", `1:9: found "$", expected a name after it`},
		{"glued", `(module (export "a""b"))`, `1:20: found '"', expected a space before the next word`},
		{"annotation", "(module (@name))", `1:9: found "(@name", expected a module field`},

		// strings
		{"open string", `(module (data "abc`, `1:15: found a string without its end, expected '"'`},
		{"newline in string", "(module (data \"a\nb\"))", `1:17: found '\n', expected an escape: a string holds no control characters`},
		{"escape", `(module (data "\q"))`, `1:16: found '\\', expected one of the escapes \t \n \r \" \' \\ \hh \u{h...}`},
		{"half an escape", `(module (data "\`, `1:16: found '\\', expected one of the escapes`},
		{"half a byte", `(module (data "\a"))`, `1:16: found '\\', expected one of the escapes`},
		{"surrogate", `(module (data "\u{d800}"))`, `1:16: found "\\u{d800}", expected a Unicode scalar value in hex`},
		{"export not UTF-8", `(module (func (export "\ff")))`, `1:23: found the string "\xff", expected the name of the export, a string in UTF-8`},

		// fields
		{"unknown field", "(module (fnc))", `1:9: found "(fnc", expected a module field`},
		{"word as field", "(module func)", `1:9: found "func", expected a module field`},
		{"empty field", "(module ())", `1:9: found "(", expected a module field`},
		{"second memory", "(module (memory 1) (memory 1))", `1:20: found a second memory, expected one`},
		{"second start", "(module (func) (start 0) (start 0))", `1:26: found a second start, expected one`},
		{"late import", `(module (func) (func (import "a" "b")))`, `1:16: found an import, expected imports before the first function, table, memory or global`},
		{"import of a type", `(module (import "a" "b" (type 0)))`, `1:25: found "(type", expected "(func ...)", "(table ...)", "(memory ...)" or "(global ...)"`},
		{"import without name", `(module (import "a" (func)))`, `1:21: found "(func", expected the name of the import, a string in UTF-8`},
		{"import with body", `(module (import "a" "b" (func nop)))`, `1:31: found "nop", expected ")" after the type of the import`},
		{"memory without size", "(module (memory $m))", `1:19: found ")", expected a minimum size, at most 4294967295`},
		{"memory too large", "(module (memory 1 4294967296))", `1:19: found "4294967296", expected a maximum size, at most 4294967295`},
		{"memory with data", `(module (memory (data "x")))`, `1:17: found "(data", expected a minimum size`},
		{"table of numbers", "(module (table 1 i32))", `1:18: found "i32", expected funcref or externref`},
		{"table without func", "(module (table funcref (elem $f)))", `1:30: found "$f", expected the name or number of a function, of which there are 0`},
		{"sized table of elements", "(module (table 1 funcref (elem)))", `1:16: found "1", expected funcref before the elements`},
		{"not only elements", "(module (table funcref (offset) (elem)))", `1:24: found "(offset", expected "(elem ...)"`},
		{"type without func", "(module (type $t))", `1:17: found ")", expected "(func ...)"`},
		{"global without value", "(module (global i32))", `1:20: found ")", expected a constant expression`},
		{"global type", "(module (global v128 (i32.const 0)))", `1:17: found "v128", expected a value type: i32, i64, f32, f64, funcref or externref`},
		{"data without offset", `(module (memory 1) (data i32.const 0 "x"))`, `1:26: found "i32.const", expected a string of data`},
		{"elem without offset", "(module (table 1 funcref) (elem (table 0) 0))", `1:43: found "0", expected "(offset ...)" or a folded constant instruction`},
		{"passive elem without func", "(module (func $f) (elem $f))", `1:27: found ")", expected "func" and functions`},
		{"export of a type", `(module (export "x" (type 0)))`, `1:21: found "(type", expected "(func ...)"`},
		{"export of nothing", `(module (export "x" (func $f)))`, `1:27: found "$f", expected the name or number of a function, of which there are 0`},

		// names
		{"second function", "(module (func $f)\n (func $f))", `2:8: found a second "$f", expected a new name for the function`},
		{"second local", "(module (func (param $x i32) (local $x i32)))", `1:37: found a second "$x", expected a new name for the local`},
		{"second parameter of a type", "(module (type (func (param $x i32) (param $x i32))))", `1:43: found a second "$x", expected a new name for the parameter`},
		{"second data", `(module (data $d) (data $d))`, `1:25: found a second "$d", expected a new name for the data segment`},
		{"second export", `(module (func (export "a")) (func (export "a")))`, `1:43: found the string "a", expected a name that is not exported yet`},
		{"second export by field", `(module (memory (export "a") 1) (export "a" (memory 0)))`, `1:41: found the string "a", expected a name that is not exported yet`},
		{"two types to a name", "(module (func (param $x i32 i32)))", `1:29: found "i32", expected ")": a name has one type`},
		{"name for a result", "(module (func (result $x i32)))", `1:23: found "$x", expected a value type`},
		{"name in a block", "(module (func (block (param $x i32))))", `1:29: found "$x", expected a value type`},

		// types
		{"unknown type", "(module (func (type $t)))", `1:21: found "$t", expected the name or number of a type, of which there are 0`},
		{"contradicting type", "(module (type $t (func (param i32)))\n(func (type $t) (result i32)))", `2:17: found "(result", expected the parameters and results of the type before it`},
		{"param after result", "(module (func (result i32) (param i32)))", `1:29: found "param", expected an instruction`},

		// instructions
		{"unknown instruction", "(module (func i32.addd))", `1:15: found "i32.addd", expected an instruction`},
		{"unknown folded", "(module\n (func\n  (i32.foo (i32.const 1))))", `3:4: found "i32.foo", expected an instruction`},
		{"vector", "(module (func v128.const i32x4 0 0 0 0))", `1:15: found "v128.const", expected an instruction`},
		{"string", `(module (func "nop"))`, `1:15: found the string "nop", expected an instruction`},
		{"empty list", "(module (func ()))", `1:16: found ")", expected an instruction`},
		{"local after code", "(module (func nop (local i32)))", `1:20: found "local", expected an instruction`},
		{"unknown call", "(module (func call $g))", `1:20: found "$g", expected the name or number of a function, of which there are 1`},
		{"call out of range", "(module (func (call 1)))", `1:21: found "1", expected the name or number of a function, of which there are 1`},
		{"string as name", `(module (func $f call "$f"))`, `1:23: found the string "$f", expected the name or number of a function`},
		{"unknown local", "(module (func (param $x i32) local.get $y))", `1:40: found "$y", expected the name or number of a local, of which there are 1`},
		{"unknown global", "(module (func global.get 0))", `1:26: found "0", expected the name or number of a global, of which there are 0`},
		{"unknown segment", `(module (data "") (func memory.init 1))`, `1:37: found "1", expected the name or number of a data segment, of which there are 1`},
		{"one of two tables", "(module (table 1 funcref) (func table.copy 0))", `1:45: found ")", expected the name or number of a table, of which there are 1`},
		{"label", "(module (func (block $a) br $a))", `1:29: found "$a", expected the name of an open block or a depth up to 0`},
		{"depth", "(module (func (block br 2)))", `1:25: found "2", expected the name of an open block or a depth up to 1`},
		{"br_table", "(module (func (br_table (i32.const 0))))", `1:25: found "(i32.const", expected the name of an open block or a depth up to 0`},
		{"end without block", "(module (func end))", `1:15: found "end", expected an instruction: no block is open`},
		{"flat end of folded", "(module (func (block end)))", `1:22: found "end", expected an instruction: no block is open`},
		{"else without if", "(module (func block else end))", `1:21: found "else", expected an instruction: the open block is not an "if"`},
		{"two elses", "(module (func i32.const 0 if else else end))", `1:35: found "else", expected an instruction: the open block is not an "if"`},
		{"block without end", "(module (func loop block end))", `1:29: found ")", expected the "end" of "loop"`},
		{"end of another", "(module (func block $a end $b))", `1:28: found "$b", expected the name of the open block, "$a", or none`},
		{"if without then", "(module (func (if (i32.const 1))))", `1:32: found ")", expected a folded condition or "(then ...)"`},
		{"after else", "(module (func (if (then) (else) nop)))", `1:33: found "nop", expected "(else ...)" or ")"`},
		{"flat operand", "(module (func (drop i32.const 1)))", `1:21: found "i32.const", expected a folded operand or ")"`},
		{"two constants", "(module (func (i32.const 1 2)))", `1:28: found "2", expected a folded operand or ")"`},
		{"select with param", "(module (func (select (param i32))))", `1:24: found "param", expected an instruction`},
		{"ref.null of nothing", "(module (func ref.null))", `1:23: found ")", expected func or extern`},

		// numbers
		{"no number", "(module (func i32.const))", `1:24: found ")", expected an integer of 32 bits`},
		{"i32 too large", "(module (func i32.const 4294967296))", `1:25: found "4294967296", expected an integer of 32 bits`},
		{"i32 too small", "(module (func i32.const -2147483649))", `1:25: found "-2147483649", expected an integer of 32 bits`},
		{"i64 too large", "(module (func i64.const 0x1_0000_0000_0000_0000))", `1:25: found "0x1_0000_0000_0000_0000", expected an integer of 64 bits`},
		{"float as integer", "(module (func i32.const 1.0))", `1:25: found "1.0", expected an integer of 32 bits`},
		{"two signs", "(module (func i32.const --1))", `1:25: found "--1", expected an integer of 32 bits`},
		{"last underscore", "(module (func i32.const 1_))", `1:25: found "1_", expected an integer of 32 bits`},
		{"double underscore", "(module (func i32.const 1__0))", `1:25: found "1__0", expected an integer of 32 bits`},
		{"hex without digits", "(module (func i32.const 0x))", `1:25: found "0x", expected an integer of 32 bits`},
		{"capital X", "(module (func i32.const 0X1))", `1:25: found "0X1", expected an integer of 32 bits`},
		{"float too large", "(module (func f32.const 1e39))", `1:25: found "1e39", expected a float of 32 bits`},
		{"float without whole", "(module (func f64.const .5))", `1:25: found ".5", expected a float of 64 bits`},
		{"float without power", "(module (func f64.const 1e))", `1:25: found "1e", expected a float of 64 bits`},
		{"Go's infinity", "(module (func f64.const infinity))", `1:25: found "infinity", expected a float of 64 bits`},
		{"empty payload", "(module (func f32.const nan:0x0))", `1:25: found "nan:0x0", expected a float of 32 bits`},
		{"payload too large", "(module (func f32.const nan:0x800000))", `1:25: found "nan:0x800000", expected a float of 32 bits`},
		{"decimal payload", "(module (func f32.const nan:1))", `1:25: found "nan:1", expected a float of 32 bits`},
		{"align", "(module (func i32.load align=3))", `1:24: found "align=3", expected align= and a power of two`},
		{"align 0", "(module (func i32.load align=0))", `1:24: found "align=0", expected align= and a power of two`},
		{"offset", "(module (func i32.load offset=-1))", `1:24: found "offset=-1", expected offset= and a number of 32 bits`},
		{"align before offset", "(module (func i32.load align=4 offset=4))", `1:32: found "offset=4", expected an instruction`},
		{"string as offset", `(module (func (i32.load "offset=4")))`, `1:25: found the string "offset=4", expected a folded operand or ")"`},

		// bounds
		{"long word", "(module (" + strings.Repeat("x", 1000) + "))", `1:9: found "(` + strings.Repeat("x", 39) + `...", expected a module field`},
		{"deep lists", strings.Repeat("(", 1001), `1:1001: found "(", expected at most 1000 parentheses inside each other`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := wat.Assemble([]byte(tc.src))
			if err == nil || out != nil {
				t.Fatalf("it assembles, to % x", out)
			}
			e, ok := errors.AsType[*wat.Error](err)
			if !ok {
				t.Fatalf("%T, want *wat.Error", err)
			}
			if e.Line < 1 || e.Column < 1 || e.Found == "" || e.Expected == "" {
				t.Errorf("incomplete: %#v", e)
			}
			if !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got  %s\nwant %s", err, tc.want)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	flat := func(n int) []byte {
		return []byte("(module (func\n" + strings.Repeat("block ", n) + strings.Repeat("end ", n) + "))")
	}
	folded := func(n int) []byte { // the module and the function are two more
		return []byte("(module (func\n" + strings.Repeat("(block ", n-2) + strings.Repeat(")", n))
	}
	for _, nested := range []func(int) []byte{flat, folded} {
		if _, err := wat.Assemble(nested(1000)); err != nil {
			t.Errorf("1,000 inside each other: %v", err)
		}
		if _, err := wat.Assemble(nested(1001)); err == nil || !strings.Contains(err.Error(), "at most 1000") {
			t.Errorf("1,001 inside each other: %v", err)
		}
	}
	text := append([]byte("(module)"), bytes.Repeat([]byte(" "), 4<<20-len("(module)"))...)
	if _, err := wat.Assemble(text); err != nil {
		t.Errorf("4 MiB: %v", err)
	}
	if _, err := wat.Assemble(append(text, ' ')); err == nil {
		t.Error("more than 4 MiB assemble")
	}
}
