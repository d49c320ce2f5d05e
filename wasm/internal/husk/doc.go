// Package husk makes of a WebAssembly module what an engine has to read when it has the machine code already.
//
// # Why
//
// The engine decodes and type-checks every body of a module before it looks whether its cache has the code: of a guest in
// Go that is most of a warm start, and the bodies stay in memory for nothing. A husk is the module with each body replaced
// by one that traps at once. All that the code relies on - types, imports, tables, globals, exports, segments, names - is
// what it was, so the code of the whole module runs on an instance of the husk.
//
// # What must be true
//
// A husk is never to be compiled and run: it would only trap. Whoever shows it to an engine sees to it that the engine finds
// code and makes none. A husk names the module that it was made from, so that two modules that differ in their bodies only
// have two husks.
//
// # What it may import
//
// The standard library. It holds no state and is safe for concurrent use.
package husk
