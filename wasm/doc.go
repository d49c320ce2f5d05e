// Package wasm is the host.Runtime for WebAssembly, on wazero.
//
// # The story
//
// A bundle holds <name>.json and <name>.wasm. Loading it has the gate walk the
// module (internal/gate), the meter rewrite it so that it pays for what it does
// (internal/meter), and a child process compile it (jail.go) into a cache on disk
// (cache.go), where what the gate and the meter made of it lies too: the next start
// needs neither, and shows the engine a husk (internal/husk), not the bodies. Then it
// compares what it exports and imports with the manifest and with what the operator
// grants - every mismatch is named in one error - and starts its first instance. What
// that has when it has started is kept, and other instances begin with it (snapshot.go):
// they cost no start, and share its pages until they write to them.
// A call takes an
// instance from the plugin's bounded pool, writes its arguments straight into
// the guest's memory, runs, reads the result and gives the instance back. Any
// trap, exit, bad pointer or timeout throws the instance away: a module may
// have been left half way through anything. A manifest may ask for more: "reset" is
// "reuse", or "snapshot" to have each call find what the first instance started with, or
// "fresh" to have an instance started for it.
//
// Many rows cross at once where the guest exports a function for that (batch.go,
// columns.go); else numbers go one after another through one instance.
//
// A guest that runs for longer than some tens of microseconds asks for fuel
// (fuel.go): that is when deadlines and cancellation are looked at, and others run.
// Long calls leave a processor to the rest (seats.go), and those of a plugin that has used
// its share of processors wait (budget.go). What a guest says is bounded
// (volume.go), its memory is a reservation of its grant's size (internal/reserve),
// and a plugin that only fails is refused for a while (breaker.go).
//
// A source or a sink that is open has an instance to itself, counted among the
// plugin's. A source is polled when its reader waits and the time has come that
// the guest asked for; what it emits goes to a bounded box, which is read before
// it is polled again. After a fault it is opened in a fresh instance and goes on
// behind the last offset it marked.
//
// Guests that are granted http make requests through the host, to what both the
// manifest and the operator name; addresses are judged when they are dialed.
//
// The guest contract is written down in sdk/abi. A module without its marker
// runs as eKuiper's old documentation describes: bare exports of numbers.
//
// # What it may import
//
// host, host/frame and wazero; no other package imports wazero. Files have the
// names of what they are about: abi_node and node for what sources and sinks
// share, http and pattern for requests, jail_* for the child that compiles.
//
// # How it lives and dies
//
// Each plugin has a wazero runtime and a compilation cache of its own, since limits
// are set there and code is given back there. New starts one goroutine, the janitor;
// Close ends compilations, modules and the janitor, in that order.
package wasm
