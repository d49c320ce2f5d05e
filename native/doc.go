// Package native is the host.Runtime for Go plugins: .so files that implement
// eKuiper's contract/v2 API.
//
// # The story
//
// A .so file is judged three times before its code runs here. It is read, not
// opened, and everything for which Go would refuse it, or end the process, is
// named in one error (internal/inspect). Then a child process, which is the
// same binary, opens it, looks for its symbols and makes its functions: a file
// that kills its loader, or does not let go of it, does so to that child, and is
// quarantined. Only then is it opened here. Its symbols are adapted to the ports of host: functions,
// sources, sinks; a panic in one of them is that call's error, and so is a result
// beyond the bounds of a value (budget.go).
//
// Go cannot unload a plugin, nor load another version of one: an update is
// installed and runs after a restart, and its Load says so with
// host.ErrRestart, once the child has found its symbols. The same file loads
// again at once, and another list of its functions is served by what is loaded.
//
// What a plugin does in the process once it runs is its operator's trust: it
// can end the process from a goroutine of its own. With Options.Worker each
// plugin runs in a child instead, the same binary again, over an inherited
// socket: updates are hot, and a plugin that ends its process fails its calls and
// is started anew.
//
// # What it may import
//
// host, its parts, the standard plugin package and eKuiper's contract; no other
// package imports the last two. Without cgo there is no plugin package: then
// every Load is refused with what to do, and what would run plugins is not linked.
//
// # How it lives and dies
//
// New reads the running binary's own facts. A probe lives for one Load, a worker
// as long as its module; both die with the host. Close ends the modules; mapped
// code stays until the process ends.
package native
