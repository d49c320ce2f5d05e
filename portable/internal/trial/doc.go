// Package trial finds out which of two ways of waiting is answered sooner on the
// machine as it is now, by making some calls either way.
//
// It imports the standard library only. A [Trial] holds nothing that must be
// closed.
package trial
