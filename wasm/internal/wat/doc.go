// Package wat assembles a strict subset of the WebAssembly text format into the binary format.
//
// It exists so that hand-written guests, the sample plugin and the misbehaving guests of tests, build on a machine that
// has Go alone. The host never imports it. It imports the standard library only, holds no state between calls, and is
// safe for concurrent use.
//
// The text is read in three steps:
//
//  1. lexer.go and tree.go turn it into a list of words, names, strings and lists;
//  2. module.go gives each declared thing its index, so that a use may stand before its declaration;
//  3. fields.go, types.go, code.go and immediate.go encode field by field into the sections of encode.go.
//
// # The subset
//
// One (module $name? field...), with these fields:
//
//	(type $t? (func (param ...) (result ...)))
//	(import "module" "name" (func|table|memory|global $x? ...))
//	(func $f? (export "n")... (import "m" "n")? (type $t)? (param ...) (result ...) (local ...) instruction...)
//	(table $t? (export "n")... (import "m" "n")? min max? funcref|externref)
//	(table $t? (export "n")... funcref (elem $f...))
//	(memory $m? (export "n")... (import "m" "n")? min max?)
//	(global $g? (export "n")... (import "m" "n")? t|(mut t) instruction...)
//	(export "n" (func|table|memory|global $x))
//	(start $f)
//	(elem $e? (table $t)? (offset instruction...)|(instruction) func? $f...)
//	(elem $e? declare? func $f...)
//	(data $d? (memory $m)? (offset instruction...)|(instruction) "bytes"...)
//	(data $d? "bytes"...)
//
// Value types are i32, i64, f32, f64, funcref and externref. Instructions are those of WebAssembly 2.0 without vectors:
// the first version's, sign extension, saturating truncation, bulk memory, reference types and multiple values. They are
// written flat, folded, or mixed. Numbers, strings, escapes and comments are those of the specification.
//
// Left out: vectors, threads, tail calls, exceptions, more than one memory, element segments of expressions,
// (memory (data ...)), the index of a type that no (type) declares, quoted names ($"x"), annotations, several modules in
// one text, a text without (module), and the script commands.
//
// # What is checked
//
// Words, shapes, literals and their ranges, names and indices: an unknown word, a name declared twice in its index
// space, a name or an index that nothing declares are errors. Types and limits are not, nor the memory or the table that
// an instruction uses without writing it: a function that adds an i32 to an f64 assembles, and the runtime that compiles
// it says so. Nesting deeper than 1,000 and texts over 4 MiB are refused.
//
// The binary carries a name section with the names of the module and its functions, for readable stack traces.
package wat
