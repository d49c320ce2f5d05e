// Package builtin will hold the sources and sinks that every host has: memory,
// simulator, file, http, mqtt, log and nop.
//
// It will import host. Nothing is in it yet.
package builtin
