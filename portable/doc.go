// Package portable is the host.Runtime for child processes: eKuiper's portable
// plugins, unmodified, and those of Vanth's SDKs.
//
// # How it lives
//
// A bundle becomes a module. A module has one process, or as many as its
// manifest's "instances" says, each in a slot of its own with a supervisor:
//
//  1. start: the sockets listen, the process starts, its handshake comes
//  2. serve: every function is started, every source and sink that is open is
//     started, or, after a restart, started again
//  3. end: the process dies, or is told to end
//  4. unless the module was closed: back to 1, at once if the process had done
//     useful work, else with a growing delay
//
// With Options.Outside, for authors, step 1 starts nothing: it waits for a process
// that a person starts, and from then on the sockets listen for the next (outside.go).
//
// Functions, sources and sinks belong to the module and outlive the process. A
// call that was in a process when it died fails; the next waits for the
// successor, for a bounded time.
//
// # How it talks
//
// A link is how the host and one process talk. There are two: the wire is
// eKuiper's, with a socket for each function, source and sink, where the plugin
// dials and asks for work (wire*.go, internal/sp); the lane is ours, one stream
// with many requests under way at once (lane*.go, sdk/abi/lane.md). The host
// offers the lane to every process, and what the process does first decides.
// A lone call reads its own answer on either; where several are under way one
// goroutine reads for all (lane_reader.go, internal/sp). Over the ring a hot call costs
// little more than what carries its bytes from one processor to the other and back: so
// it takes no lock twice, asks for no clock, and looks at no word of the other side that
// it need not (ring_linux.go). Whether it looks for its answer or sleeps is decided by
// how long calls take either way (internal/trial).
//
// What the child can do to the host is bounded: every wait, every queue, every
// message. It is a peer that is believed about its own plugin only.
//
// # What it may import
//
// host, and internal/sp, internal/child and internal/trial of its own. No other package speaks
// eKuiper's wire.
package portable
