package host

import (
	"context"
	"iter"
	"time"
)

// Supervised is a [Module] whose health is watched: it runs in processes of its
// own, or in a sandbox.
type Supervised interface {
	// Status tells the truth of this moment, and never waits for the plugin.
	Status() Status
	// Restart ends what runs of the plugin and starts anew. It returns when that
	// serves, or with the error of why it does not; the supervisor goes on trying.
	Restart(context.Context) error
}

// Printing is a [Module] whose processes print.
type Printing interface {
	// Output is what the processes printed.
	Output() Output
}

// Output is what a plugin printed to its standard output and error.
type Output interface {
	// Tail returns the last lines, at most n.
	Tail(n int) []string
	// Follow yields the last lines, at most n, and then those that come, until
	// ctx ends. A slow reader loses lines and is told how many.
	Follow(ctx context.Context, n int) iter.Seq[string]
}

// The states of a supervised module, in eKuiper's words.
const (
	StateInitializing = "initializing" // started, the handshake is not done
	StateRunning      = "running"
	StateError        = "error" // no process serves; Message says why
	StateStop         = "stop"  // it is being removed
)

// Status is what is known of a supervised module.
type Status struct {
	// RefCount counts the open sources and sinks by rule.
	RefCount map[string]int
	State    string
	// Message says what is wrong, with the end of what the plugin printed.
	Message string
	// Restarts counts the starts that were not asked for.
	Restarts int
	// LastExit says how the process that ended last ended, "" before one did.
	LastExit   string
	LastExitAt time.Time
	// Lane is how host and plugin talk: "ekuiper", "socket" or "ring".
	Lane string
	// Sandbox is what holds the processes.
	Sandbox   string
	Processes []Process
	// Instances tells of what runs in a sandbox within the host; nil for nothing.
	Instances *Instances
	Symbols   []SymbolStatus
}

// Instances are the sandboxes of a module.
type Instances struct {
	Alive  int
	Most   int           // that may be
	Memory int64         // bytes that they have
	Grant  int64         // bytes that they may have, all together
	Faults int           // of calls, so far
	Waited time.Duration // of calls, so far, for the plugin's share of processors
}

// Process is one process of a module.
type Process struct {
	PID     int
	Started time.Time
	RSS     int64         // bytes
	CPU     time.Duration // user and system, of the process and those it started
}

// SymbolStatus is the health of one symbol.
type SymbolStatus struct {
	Symbol
	// Err says why it does not serve, nil when it does.
	Err error
	// Open counts the open sources or sinks of this name.
	Open int
	// Delivery is what a sink promises: "at least once" or "at most once".
	Delivery string
}
