// Package sp speaks the part of nanomsg's scalability protocols that eKuiper's portable plugins
// use, over Unix sockets, at the level of frames: REQ, PUSH and PULL.
//
// It imports the standard library only. What it opens, its owner closes; a context that is done ends
// each wait.
package sp
