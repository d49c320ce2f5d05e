// Package modgen makes valid WebAssembly modules from seeds, for tests and fuzzing only.
//
// # Why
//
// A rewriter of modules has to keep what every program does, not what the samples do. These modules hold what programs
// of compilers seldom hold: branches to every label with values beneath, code behind a branch, blocks with parameters,
// tables of references, traps of every kind, indices that grow by a byte when they go up by one.
//
// # The story
//
// Module takes a seed and writes one module: plan.go decides on types, imports, tables and functions, code.go, expr.go,
// stmt.go and bulk.go write the bodies, sections.go the file. Code is made by type: an expression leaves one value, a
// statement none, so that the result is valid without a look back. The same seed gives the same bytes.
//
// # How they end
//
// A module need not end by itself. It exports a mutable global i32, Steps, which every function that calls and every loop
// that a branch may repeat takes down by one or more, and traps when it is below zero. So the guest bounds itself, at the
// same place whoever runs it. The host sets it before a call; recursion is never deeper than its value.
//
// # What a host may compare
//
// Results of calls, traps, what is passed to imports, the memory "memory", the globals "g0" and up, and for each table an
// export "table0" and up that returns the table's size and a number made of which entries are null. The bits of a NaN are
// not the guest's to know: a module never shows them to itself, and whoever compares floats must not look at them.
//
// # What it may import
//
// The standard library. It holds no state between calls and is safe for concurrent use.
package modgen
