// Package gate counts the calls in flight in a module, for runtimes that keep
// the third sentence of host.Module: after Shut no call enters, and Wait tells
// when the last one has left.
//
// It imports the standard library only.
package gate
