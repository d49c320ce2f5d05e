// Package rule runs streams and rules: what a source of any runtime yields goes
// through functions of any runtime into sinks of any runtime.
//
// It is not a stream-SQL engine: there are no windows, joins, or aggregates over
// time, and each is refused by name. A rule has one of two forms, which become
// the same thing: SQL with actions, or a graph of nodes.
//
// # How a rule lives
//
//  1. create: the definition is read and compiled; every source and sink is
//     made, not opened, and every function validated; nothing is stored before
//  2. start: sinks open, then sources
//  3. flow: each source has a goroutine that reads it and runs each row through
//     the nodes as far as the queues of the sinks; each sink has a goroutine
//     that writes. A full queue blocks the source: that is the back-pressure
//  4. stop: sources close, what is in the queues is written, sinks close
//
// The rows of one message go one after another, in their order. The first operators
// behind the source look at them together, where that is cheaper, without telling
// anybody: see the functions of internal/query. With concurrency they do not.
//
// A fault of a row is counted where it happened, with its text, and the next row
// flows. A source or a sink whose plugin was replaced is opened anew in the next
// one; when there is none the rule waits until a plugin of that name returns.
// When a source fails for good, or all have come to their end, the rule ends; its
// restart strategy may start it again.
//
// With qos 1 a rule remembers how far it has read, after its sinks have what it
// read; the next run goes on from there. Rows may come twice, and none is lost.
//
// # What it may import
//
// host, and internal/query of its own, which has the SQL parser.
package rule
