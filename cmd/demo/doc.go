// Command demo shows what Vanth is for, with nothing but the binary and HTTP:
// it installs a plugin, checks its answers against a table, measures calls a
// second, kills the host and finds everything still there. `make demo` runs it.
package main
