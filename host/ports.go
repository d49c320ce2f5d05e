package host

import (
	"context"
	"iter"
	"time"
)

// Runtime turns bundles into modules. Package hosttest holds a check for each
// sentence below; every runtime must pass it.
//
//  1. Name is constant, non-empty and unique in a host.
//  2. Accepts looks at the bundle and never runs any of it. It may be called
//     from many goroutines.
//  3. Load either returns a module that is ready to be called or an error that
//     says what was found, what was expected and what to do; after an error
//     nothing of the bundle runs or is held. An error that wraps ErrRestart
//     says that the bundle is good and can be loaded by a new process only; the
//     host then installs it, and goes on with what it has.
//  4. Load honours ctx: when it ends, Load returns soon.
//  5. Two bundles may be loaded at once, also two generations of one plugin.
//  6. Close ends every module that is still loaded. Closing twice is fine. Load
//     after Close fails with ErrClosed.
type Runtime interface {
	Name() string
	Accepts(Bundle) bool
	Load(context.Context, Bundle) (Module, error)
	Close(context.Context) error
}

// Keeper is a [Runtime] that keeps something of a plugin beside its modules.
type Keeper interface {
	// Forget is told that a plugin was removed.
	Forget(ID)
}

// Module is a loaded bundle. The Call that a source or a sink gets says on whose
// behalf it runs; nil for nobody's.
//
//  1. Symbols lists what the code really exports, in the manifest's order, and
//     is constant.
//  2. Function returns ErrNotFound for a name that is not among the symbols.
//     Source and Sink likewise.
//  3. Close refuses further calls, waits for those in flight until ctx ends and
//     then forces them to end. Closing twice is fine. A call that was refused
//     fails with ErrClosed and has done nothing; one that was forced to end
//     fails with ErrInterrupted.
type Module interface {
	Symbols() []Symbol
	Function(name string) (Function, error)
	Source(name string, c *Call, props Props) (Source, error)
	Sink(name string, c *Call, props Props) (Sink, error)
	Close(context.Context) error
}

// Granted is a [Module] that is bounded.
type Granted interface {
	// Grant is what the module may take. It is constant.
	Grant() Grant
}

// Grant is what a plugin gets: the least of what its manifest asks for and what
// the operator allows. 0 is no limit.
type Grant struct {
	Limits Limits
	// Capabilities are those of the manifest's "requires" that it has.
	Capabilities []string
}

// Meter is a [Module] whose calls are counted in units of about one instruction.
type Meter interface {
	// Fuel is what the calls of the module used so far. It never falls, and may
	// count in steps that are larger than a call.
	Fuel() uint64
	// Waited is for how long calls of the module had to wait so far, since it had used its
	// share of processors. It never falls.
	Waited() time.Duration
}

// Function is a function of a module, safe for concurrent use.
//
//  1. Signature is constant.
//  2. Validate judges arguments before the first call: arity and, where they
//     are declared, types. nil arguments stand for values not yet known.
//  3. Exec runs the function. It does not keep args, nor any part of them, and
//     its result shares no memory with the guest.
//  4. Exec returns an ErrInvalid error for wrong arguments, a *GuestError for
//     a fault of the guest, ErrBusy when the plugin's instances are all taken,
//     ErrClosed or ErrInterrupted when its module closes. A fault of one call does not
//     disturb another.
//  5. Exec ends soon after ctx does, with an error that wraps ctx's.
//
// Values are nil, bool, int64, uint64 (above the int64 range only), float64,
// string, []byte, []any, map[string]any and time.Time. Exec also takes Go's
// other integer types and float32.
type Function interface {
	Signature() *Signature
	Validate(args []any) error
	Exec(ctx context.Context, c *Call, args []any) (any, error)
}

// Scalar is the lane of a Function whose arguments and result are all numbers
// or bools. Nothing is boxed and nothing is allocated.
type Scalar interface {
	// ExecScalar runs the function on words, which holds one argument a word
	// as [Signature.Word] encodes it and is at least one long, and leaves the
	// result in words[0].
	ExecScalar(ctx context.Context, c *Call, words []uint64) error
}

// Bytes is the lane of a Function that takes and returns values in encoded
// form (package frame). The caller owns both buffers.
type Bytes interface {
	// ExecBytes runs the function on args, one encoded array of arguments, and
	// appends the encoded result to dst. On an error dst is returned as it was.
	// It does not judge the arguments' types: the guest does.
	ExecBytes(ctx context.Context, c *Call, dst, args []byte) ([]byte, error)
}

// Batch is the lane of a Function that takes many rows in one crossing. The
// caller owns both buffers.
type Batch interface {
	// ExecBatch runs the function on rows, an encoded list of argument lists
	// (package frame), and appends the encoded list of results to dst: one item a
	// row, an error value where the row failed. On an error, which is that of all
	// rows, dst is returned as it was. It does not judge the arguments' types, and
	// whoever calls it judges the results: [Handle.ExecBatch] does both.
	ExecBatch(ctx context.Context, c *Call, dst, rows []byte) ([]byte, error)
}

// Columns is the lane of a [Signature.Columnar] Function that takes many rows as
// columns of numbers. The caller owns both buffers, whose lengths
// [Signature.ColumnSizes] tells and whose layout columns.go describes.
type Columns interface {
	// ExecColumns runs the function on so many rows of in and leaves their results
	// in out, whose content means nothing before. It reads in only, and takes the
	// bytes of a bool for true unless they are 0. Each row, or each crossing of many
	// rows, has the limits of a call. An error after the first row is a *[RowsError];
	// what out says of rows that are not done means nothing.
	ExecColumns(ctx context.Context, c *Call, rows int, in, out []byte) error
}

// Metered is the lane of a Function that tells what a call used.
type Metered interface {
	// ExecMetered runs the function as Exec does and returns the fuel that the
	// call used, in units of about one instruction, also beside an error. Equal
	// calls of instances in the same state use the same.
	ExecMetered(ctx context.Context, c *Call, args []any) (v any, fuel uint64, err error)
}

// Pinner is a [Module] that is cheaper for goroutines which call it many times.
type Pinner interface {
	// Pin returns what it keeps for one goroutine at a time.
	Pin() Pinned
}

// Pinned is what a module keeps for a goroutine between its calls. The module takes it
// back when others need it or it closes: a pin takes nothing from anybody.
type Pinned interface {
	// Function returns a function of the module as that goroutine has it, with at
	// least the lanes of single calls that f has.
	Function(f Function) Function
	// Unpin is the end, between calls.
	Unpin()
}

// Message is one row or one payload on its way from a source to a sink.
type Message struct {
	Value any            // map[string]any, []any of maps, or []byte
	Meta  map[string]any // what the source knows about it; nil for none
	Time  time.Time      // event time; zero when unknown
}

// Source is pulled, which gives back-pressure for free. One goroutine uses it.
type Source interface {
	Open(context.Context) error
	// Next blocks until there is a message, ctx ends, or the source does
	// (io.EOF). An error that is none of these nor ErrClosed is that of one
	// message: the source goes on.
	Next(context.Context) (Message, error)
	Close(context.Context) error
}

// Rewinder is a Source that can be read again from where it was.
type Rewinder interface {
	// Offset is the point behind the last message that Next returned, in the
	// values of Function; nil before there was one.
	Offset() (any, error)
	// Rewind goes to an offset that an earlier Source of the same properties
	// gave. It is called after Open and before Next.
	Rewind(offset any) error
}

// Sink takes messages. One goroutine uses it. The caller does not change a
// message that it wrote.
type Sink interface {
	Open(context.Context) error
	Write(context.Context, Message) error
	Close(context.Context) error
}

// Flusher is a Sink whose Write may return before the message has arrived. Its
// errors may be those of earlier messages.
type Flusher interface {
	// Flush waits until every message written has arrived, or says which did not.
	Flush(context.Context) error
}

// Document is something else that the store keeps: a stream, a rule, how far a
// rule has read.
type Document struct {
	Kind string // a word of the one who keeps it
	Name string
	Body []byte
}

// Record is what the store keeps of an installed plugin.
type Record struct {
	ID         ID        `json:"id"`
	Bundle     string    `json:"bundle"` // folder name of the generation that serves
	Source     string    `json:"source,omitempty"`
	SHA256     string    `json:"sha256"`
	ShellParas []string  `json:"shellParas,omitempty"`
	Functions  []string  `json:"functions,omitempty"` // names it exports, so that they stay reserved while it cannot load
	Files      []string  `json:"files,omitempty"`     // configuration files it brought, below etc/
	Installed  time.Time `json:"installed"`
}

// StateKey names one value of a plugin's state.
type StateKey struct {
	Scope   string // see [Call.Scope]
	Key     string
	Counter bool // counters have names of their own
}

// StateChange is one write; a nil Value deletes.
type StateChange struct {
	StateKey
	Value []byte
}

// Store keeps what must survive the process. Package hosttest holds a check
// for each sentence below.
//
//  1. A method that returned nil has made its change durable: it survives a
//     kill and a power cut.
//  2. Each method's change is atomic: after a kill all of it is there or none.
//  3. Plugins yields the records in the order of their classes, then names. A
//     damaged record is yielded with an error that wraps ErrDamaged and names
//     it, with as much of its ID as is known, and the iteration goes on.
//  4. PutPlugin replaces the record of its ID. DeletePlugin removes the record
//     and the state of an ID; one that is not there is not an error.
//  5. State yields a plugin's values. A damaged one is an error that wraps
//     ErrDamaged and names it, and the iteration goes on; values that vanished
//     are one more such error at the end.
//  6. SaveState applies the changes in order. Keys may be any string, also
//     empty, within the bounds of [State].
//  7. All methods may be called from many goroutines, and from within the
//     loops over Plugins and State, which see one moment of the store.
//  8. A method that failed has changed nothing.
//  9. Documents yields those of a kind in the order of their names; a damaged one
//     is an error that wraps ErrDamaged and names it, and the iteration goes on.
//     PutDocument replaces the one of its kind and name. DeleteDocument of one
//     that is not there is not an error.
type Store interface {
	Plugins() iter.Seq2[Record, error]
	PutPlugin(Record) error
	DeletePlugin(ID) error
	StateStore
	Documents(kind string) iter.Seq2[Document, error]
	PutDocument(Document) error
	DeleteDocument(kind, name string) error
}

// StateStore is the part of a Store that a [State] needs.
type StateStore interface {
	State(ID) iter.Seq2[StateChange, error]
	SaveState(ID, []StateChange) error
}
