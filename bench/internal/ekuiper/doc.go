// Package ekuiper is both sides of eKuiper 2.4's wire for functions, to measure beside: what goes over it, and how it is
// made and read. The sockets are the caller's.
//
// It imports the standard library only.
package ekuiper
