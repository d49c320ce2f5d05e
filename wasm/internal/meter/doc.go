// Package meter rewrites a WebAssembly module so that whoever runs it can bound it in time and in stack, whatever it does
// and without a signal, a timer or a second thread.
//
// # Why
//
// Code that the engine generated cannot be preempted: while it runs without a call of the host, nothing in the process can
// stop it, and the garbage collector waits. The engine's own switch looks at loop heads only, and costs a loop many times
// its time. So the module itself is made to pay: it holds an amount of fuel, pays by what it runs, and calls the host when
// the fuel is gone. The host looks at the clock, lets others run, and gives more, or ends it. See RATIONALE.md.
//
// # The story
//
// Rewrite takes a module that passed the gate, and the places that the gate noted, and writes it anew in one pass:
//
//   - One import is added behind the module's own, refill; indices of functions behind it are shifted (module.go).
//   - Two globals are added: fuel, which is exported, and room, the stack that is left.
//   - Each function is planned (plan.go). It pays at its start and at the head of each loop for what is certain to follow,
//     and for the dearest of what may follow, if that is little; longer stretches behind a branch pay where they begin.
//     Starts and heads also look whether fuel is left, and so do places on the way where a path without them has become
//     long: what may wait for memory would else take milliseconds. Between two looks the code runs forward only, so it ends.
//   - Loops are arranged so that the engine makes good code of them (loops.go), small ones are unrolled, and a br_if
//     becomes a branch in an if, which the engine compiles better. That pays for most of the rest.
//   - A small function without loops and calls pays nothing itself. Those who call it pay for it, and its frame is small.
//   - A function that calls takes its frame from room and gives it back on its one way out; see frame in cost.go.
//   - Operations on many bytes or table entries pay by their number, and those on many bytes are done in pieces, by
//     functions that are added for them (bulk.go).
//   - References to functions are made once and kept in globals (refs.go).
//   - Tables get a maximum. Custom sections other than names are left out: their offsets would be wrong.
//
// Open does the same, and leaves the start to the host (open.go): data segments are taken out where that changes nothing, the
// start function becomes an export, and so do all mutable globals. Then whoever has the memory and the globals of an
// instance has its state, unless the code changes tables or drops segments; Open says so. The host can start an instance
// once and put its state in the place of all other starts. Of a guest in Go that also saves the engine thirty thousand
// segments, each an object of its own.
//
// What the guest computes, traps on, imports, exports and stores stays what it was. The same module and limits give the
// same bytes, and the same call of the same instance costs the same fuel, on every engine and machine. A call that traps
// has paid up to its last call or look, or a little more.
//
// # What it may import
//
// The gate, whose Module it reads. It holds no state and is safe for concurrent use.
package meter
