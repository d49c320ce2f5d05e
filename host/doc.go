// Package host is the centre of Vanth: the words every other package speaks,
// the ports they implement, and [Host], which joins them.
//
// # The story
//
// A user installs a plugin: an archive with a manifest. The host fetches and
// unpacks it, picks the one [Runtime] that accepts it, loads it into a
// [Module], records it in the [Store] and publishes what it exports - its
// symbols: sources, functions and sinks. From then on anybody may resolve a
// function by name into a [Handle] and call it. Updating a plugin loads the new
// module beside the old one, swaps the published symbols in one atomic step,
// lets the calls in flight finish on the old module and only then closes it.
//
// # What it may import
//
// The standard library and semver. The packages that do heavy work (wasm,
// store, api, ...) import host and never each other; cmd wires them.
//
// # How it lives and dies
//
// [Open] sweeps what a killed process left behind, loads every plugin that the
// store or the drop-in folder names and returns a serving host; a plugin that
// cannot load is listed with its error and stops nobody. [Host.Close] is the
// exact reverse, takes effect once, and waits for the calls in flight.
package host
