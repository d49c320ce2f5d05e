package host

import (
	"errors"
	"fmt"
	"strings"
)

// The sentinels. Every error of the host wraps at most one of them; test with
// errors.Is. A call that ran out of time wraps context.DeadlineExceeded, one
// that was given up by its caller context.Canceled.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("exists")
	ErrInvalid     = errors.New("invalid")
	ErrUnsupported = errors.New("unsupported")
	ErrInUse       = errors.New("in use")
	ErrUnavailable = errors.New("unavailable") // installed, but not able to serve
	ErrBusy        = errors.New("busy")        // every instance is taken: try again soon
	ErrClosed      = errors.New("closed")      // nothing was begun
	ErrInterrupted = errors.New("interrupted") // forced to end: what was done by then is not known
	ErrRestart     = errors.New("takes effect at the next start")
	ErrDamaged     = errors.New("damaged") // stored data does not match its checksum
)

// plainError carries a sentence and its sentinel without printing the sentinel:
// eKuiper's clients see the sentence alone.
type plainError struct {
	text     string
	sentinel error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.sentinel }

func invalid(format string, a ...any) error {
	return &plainError{fmt.Sprintf(format, a...), ErrInvalid}
}

// Errorf formats an error that wraps sentinel without printing it.
func Errorf(sentinel error, format string, a ...any) error {
	return &plainError{fmt.Sprintf(format, a...), sentinel}
}

// Step is a stage of an installation; it tells a reader of an error how far
// the installation came.
type Step string

// The steps, in order.
const (
	StepReserve  Step = "reserve"
	StepFetch    Step = "fetch"
	StepUnpack   Step = "unpack"
	StepManifest Step = "manifest"
	StepPlace    Step = "place"
	StepConfig   Step = "configuration files"
	StepScript   Step = "install script"
	StepLoad     Step = "load"
	StepStore    Step = "store"
)

// InstallError says which plugin's installation failed at which step. Nothing
// of a failed installation remains.
type InstallError struct {
	ID   ID
	Step Step
	Err  error
}

func (e *InstallError) Error() string {
	return fmt.Sprintf("%s: %s: %v", e.ID, e.Step, e.Err)
}
func (e *InstallError) Unwrap() error { return e.Err }

// Fault says what kind of wrong a guest did.
type Fault string

// The faults. FaultReturned is an error the plugin's code returned in an
// orderly way; after every other fault its instance or process was discarded.
const (
	FaultReturned Fault = "error"
	FaultTrap     Fault = "trap"
	FaultExit     Fault = "exit"
	FaultMemory   Fault = "bad memory reference"
	FaultResult   Fault = "bad result"
	FaultDeadline Fault = "deadline"
	FaultFuel     Fault = "fuel"  // the call used more than limits.fuel
	FaultStack    Fault = "stack" // it called itself too deep
)

// GuestError is a fault in plugin code: the error of one call, never of the
// host.
type GuestError struct {
	Plugin  ID
	Version string
	Symbol  string
	Fault   Fault
	// Class is "usage", "io" or "fatal" for FaultReturned, else "". Errors of
	// class io may pass when retried.
	Class string
	// Output is the end of what the guest printed during the call.
	Output string
	Err    error
}

func (e *GuestError) Error() string {
	var b strings.Builder
	b.WriteString(e.Plugin.String())
	if e.Version != "" {
		b.WriteString(" " + e.Version)
	}
	b.WriteString(": " + e.Symbol + ": ")
	if e.Fault != FaultReturned {
		b.WriteString(string(e.Fault) + ": ")
	}
	b.WriteString(e.Err.Error())
	if e.Output != "" {
		fmt.Fprintf(&b, " (printed: %q)", e.Output)
	}
	return b.String()
}
func (e *GuestError) Unwrap() error { return e.Err }
