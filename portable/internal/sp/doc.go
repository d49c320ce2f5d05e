// Package sp speaks the SP protocols ("nanomsg ipc") over Unix sockets, the host's end only, frame by frame.
//
// It imports the standard library, golang.org/x/sys and of ours internal/trial; only package portable and what is
// below it may import it. Linux is what it is made for; on other Unixes paths must be short. Tests put mangos at the other end, as eKuiper's plugins do.
//
// # The story
//
// A plugin's process and its host meet at socket files. Three kinds of ends are ours:
//
//   - [Caller] listens and is REP, used inside out: what the plugin sends as a request is the answer to the call before,
//     and our next call travels as the reply to it. The id of the plugin's newest request is the connection's token:
//     a call is addressed to it and uses it up.
//   - [Puller] listens and is PULL: rows of sources, acks of sinks.
//   - [Pusher] dials and is PUSH: rows for sinks.
//
// A [Hub] owns the listening sockets. A [Claim] asks for a path; two claims of one path share its socket, and each
// connection goes to the newest claim that owns the process at the other end.
//
// Plugins of different ages treat an idle connection differently: some send their last request again and again (the
// same id), some give it up and send "handshake" under a new id, some are silent. What makes all of them work is in
// exchange.go: everything is read at once, an id is looked at once, and only the newest is answered. A handshake is the
// nine bytes and nothing else, so that an answer may begin with an h.
//
// # What is never trusted
//
// The other end. A hello has a deadline. A length is looked at before anything is allocated, and a buffer grows with
// the bytes that have come, not with those announced. Whatever is wrong with a connection ends that connection only.
// Buffers kept for later are at most 256 KiB for each direction of a connection.
//
// # Life and death
//
// A claim listens when it is made, before the process is started. Each connection is read by one goroutine, which
// belongs to the Caller, Puller or Pusher that the connection was given to; each listening socket is accepted from by
// one goroutine of the Hub. Close of each waits for its goroutines, and so for callbacks that still run: a callback must
// not close what called it. Closing the last claim of a path removes the socket file, if it is still the one made here.
package sp
