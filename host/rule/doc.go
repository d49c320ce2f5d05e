// Package rule will hold streams and rules: sources to functions to sinks, from
// eKuiper's SQL or its graph form, compiled into a running pipeline.
//
// It will import host and the SQL parser; no other package imports that.
// Nothing is in it yet.
package rule
