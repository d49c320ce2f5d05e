// Package gate reads a WebAssembly module before any engine does, and refuses what is malformed, beyond a cap or hard to
// compile.
//
// # Why
//
// The engine allocates by counts that it reads from the file: fifteen bytes end the process. It compiles without looking
// at its context: a file of a few kilobytes takes minutes or gigabytes. So nothing untrusted reaches it unread.
//
// # The story
//
// Walk goes through the bytes once, without recursion. Each count is compared with its cap and with the bytes that are
// left before anything is read by it; each section, body, segment and subsection has to end exactly where its size says;
// every instruction of every body is read with its immediates, so that blocks balance and every index exists. What a
// body costs to compile is estimated from its shape (work.go), and the sum is a cap like the others. The first violation
// is the *Error that Walk returns.
//
// Types are not checked: the engine does that, and it is good at it. Encodings that the engine would read in another way
// than the specification are refused, so that whoever uses the positions sees the instructions that the engine sees.
//
// With Caps.Positions the Module says where the things stand that a rewriter changes: every function index, the ends of
// basic blocks, the sizes around them. They are kept in slices of small numbers; without, Walk keeps four bytes for each
// function and little else.
//
// # What it accepts
//
// WebAssembly 2.0, as wazero's default features are: with vectors, bulk memory, reference types, multiple values, sign
// extension and saturating conversions. No threads, tail calls, exceptions, 64-bit or several memories, typed function
// references, extended constant expressions, relaxed vectors.
//
// # What it may import
//
// The standard library. It holds no state between calls and is safe for concurrent use; a Module keeps offsets only, not
// the bytes.
package gate
