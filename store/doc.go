// Package store keeps what must survive the process - the records of installed
// plugins and their state - in one bbolt file. [Store] is a host.Store.
//
// bbolt is durable but trusting: it notices neither a flipped byte in a record
// nor a page that went missing, and it follows a damaged page reference until
// it panics, faults or never comes back. So four things stand around it:
//
//   - Each value carries a checksum over its bucket, its key and itself, so
//     that a changed value is noticed, and a value under another key too.
//   - Each plugin has a tally of what must be there, kept apart from the
//     records, so that a record that vanished, or came back in an older
//     version, is noticed.
//   - The structure of the file is walked with plain bounded reads before bbolt
//     maps it; a file that is not sound is refused whole.
//   - Each change is committed twice, so that both of bbolt's two meta pages
//     describe it. bbolt falls back to the other page when one is damaged; with
//     one commit that would take back the last change without a word.
//
// What is left - a file that changes under the running process - surfaces as
// a panic or a memory fault inside bbolt; it is caught and becomes an error of
// this and every later call.
//
// # What it may import
//
// host and bbolt. It is the one package that imports bbolt.
//
// # How it lives and dies
//
// [Open] creates or opens the file and holds its lock until [Store.Close],
// which waits for the calls under way. Nothing runs in between calls: the
// package starts no goroutine.
package store
