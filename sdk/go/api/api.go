package api

// Source produces messages. The runtime makes one for each use in a rule and calls Configure, then
// Open, then Close once.
type Source interface {
	// Open runs the source on a goroutine of its own. It sends messages to consumer, blocks there
	// while the host wants none, and ends when ctx is done; it may also return and leave the work to
	// goroutines of its own. An error sent to errCh ends the source: io.EOF quietly, any other as its
	// fault. One wrapped by Failure is reported and the source goes on.
	Open(ctx StreamContext, consumer chan<- SourceTuple, errCh chan<- error)
	// Configure checks and keeps the stream's DATASOURCE and properties. Their Go types are those of
	// encoding/json, whatever the wire. Its error fails the start of the rule.
	Configure(datasource string, props map[string]interface{}) error
	Closable
}

// Sink takes rows. The runtime makes one for each use in a rule and calls Configure, Open, Collect
// for each message, one at a time and in order, and Close once.
type Sink interface {
	// Open connects. Its error fails the start of the rule.
	Open(ctx StreamContext) error
	// Configure checks and keeps the properties, as that of a Source does.
	Configure(props map[string]interface{}) error
	// Collect takes one message: data is a []byte, the encoded row or rows, JSON by default, which
	// the sink may keep. When it returns nil the host is told that the sink has the message.
	Collect(ctx StreamContext, data interface{}) error
	Closable
}

// Closable ends. The context given to Close is done, or about to be.
type Closable interface {
	Close(ctx StreamContext) error
}

// Function computes. There is one for each symbol of the process, and its calls come one at a time.
type Function interface {
	// Validate looks at the arguments of a statement before rows flow. Only their number is certain:
	// eKuiper hands parts of its syntax tree, Vanth values, and nil where none is known.
	Validate(args []interface{}) error
	// Exec answers one call. With true the value is the result; with false an error, or a value of
	// another type as the text of one, fails the row, and nil means that there is no result. The Go
	// types of args are those of encoding/json, whatever the wire: each number is a float64.
	Exec(args []interface{}, ctx FunctionContext) (interface{}, bool)
	// IsAggregate reports whether each argument is the list of a group's values.
	IsAggregate() bool
}

// SourceTuple is one message. One that also has a method Timestamp() time.Time tells when it
// happened; only Vanth's own wire carries that.
type SourceTuple interface {
	Message() map[string]interface{}
	Meta() map[string]interface{}
}

// DefaultSourceTuple is a message and what is known about it.
type DefaultSourceTuple struct {
	Mess map[string]interface{} `json:"message"`
	M    map[string]interface{} `json:"meta"`
}

// NewDefaultSourceTuple makes a tuple. meta may be nil.
func NewDefaultSourceTuple(message, meta map[string]interface{}) *DefaultSourceTuple {
	return &DefaultSourceTuple{Mess: message, M: meta}
}

// Message is the row.
func (t *DefaultSourceTuple) Message() map[string]interface{} { return t.Mess }

// Meta is what is known about the row.
func (t *DefaultSourceTuple) Meta() map[string]interface{} { return t.M }

// Failure marks err as one after which the source that reports it goes on.
func Failure(err error) error {
	if err == nil {
		return nil
	}
	return &failure{err}
}

type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

// Passing is how the runtime knows a Failure.
func (f *failure) Passing() bool { return true }
