// Package ring carries a byte stream each way through memory that two processes share: "The ring"
// of sdk/abi/lane.md. A Ring is one side of it.
//
// It imports the standard library only. Where there is no futex Map says so.
//
// A Ring lives from Map to Close. One goroutine reads and one writes at a time; End makes both give
// up, from any goroutine; Close unmaps, after both have returned.
package ring
