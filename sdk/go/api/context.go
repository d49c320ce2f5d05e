package api

import "context"

// StreamContext is one use of a symbol in one rule.
type StreamContext interface {
	context.Context
	// GetLogger writes lines to the process's stderr, which the host keeps.
	GetLogger() Logger
	// GetRuleId is the rule, empty outside one.
	GetRuleId() string
	// GetOpId is the operator within the rule.
	GetOpId() string
	// GetInstanceId counts the instances of the operator, from 0.
	GetInstanceId() int
	// WithMeta, WithInstance and WithCancel make a child. State stays that of the host's own context.
	WithMeta(ruleId, opId string) StreamContext
	WithInstance(instanceId int) StreamContext
	WithCancel() (StreamContext, context.CancelFunc)
	// SetError keeps e as what Err returns.
	SetError(e error)

	State
}

// State is kept by the host for one use of a symbol in one rule and outlives the process. On
// eKuiper's wire there is nobody to keep it: there it lasts as long as the process.
type State interface {
	// PutState keeps value: nil, bool, numbers, string, []byte, time.Time, and lists and maps of them.
	PutState(key string, value interface{}) error
	// GetState reads it, with integers as int64 and floats as float64; nil if there is none.
	GetState(key string) (interface{}, error)
	// DeleteState removes it. That there is none is no error.
	DeleteState(key string) error
	// IncrCounter adds amount to a counter, which starts at 0. Counters and state share no names.
	IncrCounter(key string, amount int) error
	// GetCounter reads a counter.
	GetCounter(key string) (int, error)
}

// FunctionContext is the context of a function's calls. Its Done is that of the call under way: it
// closes when the host gives that call up.
type FunctionContext interface {
	StreamContext
	// GetFuncId is the number of the call within its statement, from 0.
	GetFuncId() int
}

// Logger writes lines. What is below the level in VANTH_LOG (debug, info, warn, error; info if it
// is not set) is not written.
type Logger interface {
	Debug(args ...interface{})
	Info(args ...interface{})
	Warn(args ...interface{})
	Error(args ...interface{})
	Debugln(args ...interface{})
	Infoln(args ...interface{})
	Warnln(args ...interface{})
	Errorln(args ...interface{})
	Debugf(format string, args ...interface{})
	Infof(format string, args ...interface{})
	Warnf(format string, args ...interface{})
	Errorf(format string, args ...interface{})
}
