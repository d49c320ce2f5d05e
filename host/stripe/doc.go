// Package stripe spreads what many goroutines write over places that few share.
//
// A word that all processors write costs each of them a trip to the others. There is no number of the present processor
// to be had in Go; but each goroutine has a stack of its own, and few run at once. So the address of a stack tells which
// of some places to use. Two goroutines may meet in one: whatever is kept there must bear that.
//
// It imports the standard library and holds no state.
package stripe
