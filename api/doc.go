// Package api is the REST API: eKuiper's routes for plugins, streams, rules and
// uploads to the byte, and our own for calling functions, on fasthttp.
//
// # The story of a request
//
// The gate accepts a connection or turns it away. fasthttp reads the header
// under [Options.HeaderTimeout] and hands over a body that is still a stream.
// serve finds the route in the one table (routes.go), looks whether the server
// is closing, checks the name it was called by, the token and the origin, and
// runs the handler. A handler returns an error instead of writing one;
// errors.go decides its status, code and advice, in one place. Whatever the
// handler left of the body is read up to a bound, or the connection ends with
// the answer: the next request never begins inside the last one's body.
//
// # The story of a call
//
// A call has a lane (lane.go). Numbers go from the request's bytes into words and
// from a word into the answer; other arguments into a frame, and the result's frame
// into the answer, without values between, which the function gets by
// host.Scalar and host.Bytes. The lanes take what is of the declared types as it
// stands and has one meaning. All else - a null, a number to be converted, what is
// wrong - is left to values, which know every rule and every error; where a lane
// does take it, it answers what values would, to the byte. A body may also be a
// frame (application/msgpack), and then many rows of a batch go to the host at once
// where it has lanes for that.
//
// Rows that are many run on a pin. The time is looked at by a timer, and deadlines
// of connections are set when a read or a write may have to wait: on a call's way
// there are the system calls that carry it, and little else.
//
// # What holds
//
//   - Only canonical paths exist: nothing is redirected, cleaned or decoded
//     except inside the {name} segment, which can never hold a slash.
//   - Nothing of a request outlives its handler uncopied, and no handler passes
//     a *fasthttp.RequestCtx as a context: calls get the server's own, which
//     ends when Close has waited long enough.
//   - A panic of a handler, or of plugin code below it, is the answer 500 of
//     that request. So is the end of its goroutine where the answer can still be
//     given; else the connection ends.
//   - What piles up in front of plugins is bounded: connections (Options.MaxConns),
//     calls without an answer (MaxCalls), bytes of bodies that wait (MaxBuffered),
//     and instances by the runtimes. What would be more is answered with 429 and
//     Retry-After, or 503 for connections, and never waits.
//   - An upload has its name when all of it is on the disk, and no name leads out
//     of its folder.
//   - Every answer carries X-Content-Type-Options: nosniff. There are no CORS
//     headers, and a request by which a page of another origin would change
//     something is refused.
//
// # What it may import
//
// The standard library, fasthttp, the JWT library, minisign, package host and its
// frame.
//
// # How it lives and dies
//
// [New] makes a server, [Server.Serve] blocks on one listener and may be called
// for several, [Server.Close] stops listening, waits for the requests in
// flight until its context ends and then ends them by force.
package api
