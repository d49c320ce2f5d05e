// Command assemble turns a module in the WebAssembly text format, in the subset of package wat, into a binary.
//
//	assemble IN.wat OUT.wasm
//
// It exits with 0, with 1 and one line on standard error if the file cannot be read, assembled or written, and with 2 if
// it is called otherwise. OUT.wasm is written only if IN.wat assembles.
package main
