// Package bench measures the same work on raw wazero, on Vanth's call path and
// through its HTTP API, side by side in one process. It wires everything and is
// imported by nobody; `make bench` runs it.
//
// Subjects with "trusted" run without the engine's deadline switch; the others
// pay for it.
package bench
