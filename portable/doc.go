// Package portable will be the host.Runtime for child processes: eKuiper's
// portable plugins over their nanomsg wire, supervised.
//
// It will import host only; no other package speaks that wire. Nothing is in it
// yet: a bundle that asks for it is refused by name.
package portable
