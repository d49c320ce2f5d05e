// Package hold lends a thing to one goroutine that uses it millions of times, and that somebody else may take back.
//
// The goroutine says when it uses the thing and when not; a lock would do, or an atomic word, if they did not cost as
// much as a short call of a function. Here the goroutine pays for two plain stores and two loads, and all the rest is
// paid by who takes back, which is rare: it stops the world once. A goroutine that was stopped either had said that it
// uses the thing, and now everybody sees that; or it says so when it runs again, and then sees the recall.
//
//	owner: mark := in use; if recalled { give up } ...use... mark := free; if recalled { give back }
//	taker: recalled := true; stop the world; if mark is free { take } else { it will be given back }
//
// That is Dekker's algorithm, with the fence of both sides moved to the one.
//
// It imports the standard library and holds no state.
package hold
