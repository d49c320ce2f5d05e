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
// # As a library
//
// The daemon is one user of this package. Another one opens a store and the runtimes that
// it wants, and the host:
//
//	st, err := store.Open(filepath.Join(home, "vanth.db"))
//	rt, err := wasm.New(ctx, wasm.Options{})
//	h, err := host.Open(ctx, host.Options{Home: home, Store: st, Runtimes: []host.Runtime{rt}})
//	_, err = h.Install(ctx, host.Request{ID: host.ID{Class: host.ClassWASM, Name: "geo"}, Archive: zip})
//	f, err := h.Function("geohash")
//	v, err := f.Exec(ctx, nil, []any{52.52, 13.405, 9})
//
// Package wasm has this as examples that run. A [Handle] serves any number of goroutines;
// one that calls millions of times has a [Pin]. [Handle.Exec] takes boxed values; numbers
// go as they are by ExecScalar, encoded values by ExecBytes, many rows by ExecBatch or, as
// columns of numbers, by ExecColumns: each is an order of magnitude cheaper for what it fits.
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
