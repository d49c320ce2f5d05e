// Peers does the same work on Vanth and on other ways to run plugins from Go, in one
// process, and tells how many times the floor each takes.
//
//	make bench-peers                           five minutes; build/bench/peers
//	go -C bench/peers run . -quick             seconds: everything once, results checked
//	go -C bench/peers run . -work echo         only works of that name
//
// It is a module of its own, so that what the peers depend on never reaches ours. It
// needs Go and a shell. Guests are built from the folder guests when it starts. A
// subject that cannot run on a machine is skipped, by name, in the output and in the
// report.
//
// # What is compared
//
// The floor is wazero with nothing around it: one instance, exports looked up before,
// CallWithStack. Vanth is called through a pin, through a handle, with []any, and in
// its portable runtime, once over its own lane and once over eKuiper's wire. The peers:
//
//   - waPC-go: one instance; several goroutines share its Pool. Its guest takes and gives
//     bytes in one piece each, so that of large ones the copies are all that counts.
//   - knqyf263/go-plugin: the generated client, one loaded plugin a goroutine. Its guest
//     is built with standard Go, as its documentation shows.
//   - Extism go-sdk: compiled once, an instance a goroutine. Its guest takes and gives
//     bytes as its plugin kits do, by load_u64 and store_u64.
//   - goja: a runtime a goroutine, functions resolved before. Bytes are an ArrayBuffer.
//   - hashicorp/go-plugin: a child process over gRPC and one over net/rpc, on its
//     default Unix sockets without TLS; goroutines share the connection.
//   - the host's side of eKuiper's portable plugins: a mangos REP socket a function, one
//     call at a time, encoding/json, bytes as base64; the plugin is the loop of eKuiper's
//     SDK. What both log is left out. It is the code path, not eKuiper itself.
//
// # How
//
// Subjects take turns, in rounds of a tenth of a second each (package report). A ratio
// is made within a round, and the median of the rounds counts. All run in one process,
// also with one garbage collector: who makes much garbage pays for most of it in its own
// turn, not for all.
//
// Every result is checked within the timed loop. Arguments differ from call to call; of
// bytes the first and the last 8 do, and these are compared, and once a turn all of them.
// The call through a variable and the check are in every figure, the floor's too: 1.3 ns
// for numbers, 3.5 ns for bytes.
//
// Who calls gets a result of its own to keep. waPC lends the guest's memory, so that
// is copied out. Vanth's lanes and the floor take a frame in which the payload already
// lies, as bytes that were read into one do; "Vanth, Exec" encodes it in the call. All of
// Vanth's calls are metered and have the limits of time, memory and stack that plugins
// get when nothing is configured; but as many instances may run as there are callers. No
// other subject limits a call but that of eKuiper.
//
// # What is not comparable
//
//   - A peer's guest does what its protocol asks for. Those of the floor, Vanth, waPC and
//     Extism have the same bodies; the one in Go decodes and encodes messages, has a
//     garbage collector and is slower at fib. Children are native code.
//   - A row of 8 fields is a map[string]any where the peer has no schema: as a frame with
//     Vanth, as JSON with waPC, Extism and eKuiper, as an object with goja. It is a typed
//     message with protobuf and a struct with net/rpc, which is less work and theirs by
//     design. waPC names no codec; what it costs with MessagePack is told too. The floor has
//     no codec and borrows Vanth's.
//   - goja and the floor isolate nothing: an endless loop there is the host's.
//   - A process can be killed and a native crash stays in it. That is what its distance buys.
package main
