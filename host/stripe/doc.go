// Package stripe spreads what many goroutines write over places that few share.
//
// A word that all processors write costs each of them a trip to the others. Who can bear company asks [Index] for a place: each
// goroutine has a stack of its own, and few run at once, so the address of the stack tells which of some places to use.
// Two goroutines may meet in one: whatever is kept there must bear that. Who needs a thing for itself takes it from a
// [Pool], which asks the runtime for the number of the processor.
//
// It imports the standard library and holds no state.
package stripe
