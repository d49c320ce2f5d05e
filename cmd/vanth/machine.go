package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/vanth-io/vanth/cmd/vanth/internal/config"
)

// fitMachine makes this process, and those it starts, fit into the memory that its
// control groups leave it, if they limit it.
//
// Go gets half: that is GOMEMLIMIT, unless it is set, which outweighs. It counts what
// Go allocates, and much of a host is beside that: the memories of guests, which are
// mapped, the compiled code of their modules, the pages of the binary and of the store
// that are in use, what the kernel holds for sockets, and the processes of portable
// plugins, which are in the same group. How much that is nobody knows before: one guest
// takes from nothing to wasm.memoryMiB. Half is enough for Go, which has 2 MiB when
// idle and some hundred KiB for a plugin. And the limit is soft: beyond it Go collects
// more often, and goes on.
//
// The other half is the most that a process may take which compiles a module, of which
// there is one at a time on up to three processors. It should come to the end that
// wasm.compileMiB gives it, with its error: where the kernel ends it for want of memory,
// service managers like to end the whole group.
//
// Processors need nothing here: Go reads from the groups itself how many it may use.
func fitMachine(c config.Config, log *slog.Logger) config.Config {
	limit, where := groupLimit(os.DirFS("/"))
	if limit == 0 {
		return c
	}
	half := limit / 2
	heap := os.Getenv("GOMEMLIMIT")
	if heap == "" {
		debug.SetMemoryLimit(half)
		heap = mebibytes(half)
	}
	c.WASM.CompileMiB = int(min(int64(c.WASM.CompileMiB), max(1, half>>20)))
	log.Info("memory is limited", "by", where, "to", mebibytes(limit), "heap", heap,
		"wasm.compileMiB", c.WASM.CompileMiB, "processors", runtime.GOMAXPROCS(0))
	return c
}

// mebibytes writes a number of bytes as GOMEMLIMIT is written.
func mebibytes(n int64) string { return fmt.Sprintf("%.1fMiB", float64(n)/(1<<20)) }
