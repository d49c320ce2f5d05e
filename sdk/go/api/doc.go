// Package api is what sources, sinks and functions of a portable plugin are written against. Its
// shape is that of eKuiper's Go SDK, so that a plugin written for that one moves over by changing
// its imports; state and counters in the contexts are Vanth's.
//
// It imports the standard library only and has no code but that of DefaultSourceTuple and Failure.
// Package runtime serves what implements it.
package api
