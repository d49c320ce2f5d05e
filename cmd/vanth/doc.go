// Command vanth is the one binary: the plugin host (serve), its client, and the
// tool that packs plugins. It turns flags into a configuration, wires the
// packages and runs them; it decides nothing else.
//
// It may import everything of this module; nobody imports it. There is no
// package-level state: commands are built by functions and get what they use,
// standard streams and environment included, from [run].
//
// serve opens profiles (if they are asked for), store, wasm runtime, host, API and
// listeners in this order and closes them in the exact reverse, within a bounded time.
//
// Some tests are on demand, each by a target of the Makefile: kill, footprint, arm.
package main
