// Package vanth is what a Vanth plugin in Go is written with. An author registers functions in
// init; the package carries arguments and results across the boundary and gives access to the
// host's log, state, counters and clock. The contract it implements is sdk/abi/README.md.
//
//	package main
//
//	import "github.com/vanth-io/vanth/sdk/go" // package vanth
//
//	func init() {
//		vanth.Func1("hello", func(name string) string { return "hello, " + name })
//	}
//
//	func main() { vanth.Serve() }
//
// Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags="-s -w" -o hello.wasm .
//
// SourceFunc registers a source and SinkFunc a sink in the same way, HTTP makes a request; these are
// for modules.
//
// It imports the standard library only, and of that no fmt: a module is about 2.4 MB, nearly all of
// it the Go runtime. Only the host functions a plugin calls become imports of its module. TinyGo is
// meant to build the same source (-target=wasip1 -buildmode=c-shared), but this is untested, and
// there recover may do nothing, so that a panic ends the instance.
//
// A plugin lives from _initialize, when init runs and main does not, until the host closes it. One
// call runs at a time. A function that panics answers with an error of class Fatal and the instance
// lives on. What the Go runtime itself cannot survive ends the instance: memory or stack exhausted,
// a deadlock, concurrent map writes, os.Exit. The host then starts a fresh one, in which package
// variables are as init leaves them; what must last goes to Put.
//
// Goroutines an author starts make progress only while a call runs.
//
// Built natively the same file is a portable plugin: a process that serves what is registered over
// the fast lane (sdk/abi/lane.md) or, where the host does not offer that, over eKuiper's wire; see
// Serve. Its sources and sinks are written against package api. None of this is part of a module: the
// files of the native build are callee, lane*, ekuiper and serve. Under go test the host is simulated:
// see Sim, Call, OpenSource and OpenSink.
package vanth
