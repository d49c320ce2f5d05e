// Package builtin is a [host.Module] with the sources and sinks that every host
// has: memory, simulator, file, httppull, httppush, mqtt and host (the machine
// itself) to read from, and memory, file, rest, mqtt, log and nop to write to.
//
// Properties have eKuiper's names, whatever their case. Those that are not known
// are ignored, those of a wrong type are an error that names them. What is known
// in eKuiper and not done here is refused with ErrUnsupported.
//
// Errors that may pass when tried again wrap host.ErrUnavailable (a server does
// not answer, a disk is full) or host.ErrBusy (a reader is too slow); those that
// will not wrap host.ErrInvalid. Each names the object, and what was found and
// expected.
//
// # Bounds
//
// Every queue is bounded by number and by bytes, and slows down whoever fills
// it. One message has at most 64 MiB. Every wait ends with its context, with
// Close, or with a time limit.
//
// # What it may import
//
// host, the standard library, and of paho the codec of MQTT's packets. Paho's
// client is not used: it blocks its own pings while a message waits to be taken,
// and returns from Disconnect before its goroutines end.
//
// # How it lives and dies
//
// [New] starts nothing. Sources and sinks take what they need in Open and give it
// back in Close, with every goroutine; the first open httppush source starts the
// listener, the last to close ends it. Close may be called while Next or Write
// runs, which then fails with ErrClosed. [Module.Close] closes what is still open.
package builtin
