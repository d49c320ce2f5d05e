// Package fake stands in for the host in the tests of the native samples. Only tests import it, so
// that no plugin shares a package with another one.
package fake

import (
	"context"
	"fmt"
	"sync"

	"github.com/lf-edge/ekuiper/contract/v2/api"
)

// Context is an api.FunctionContext that keeps state in memory. The zero value has no state to
// offer: use NewContext.
type Context struct {
	context.Context
	Root   string // what GetRootPath answers
	Refuse error  // if set, what every call on state answers

	mu    sync.Mutex // guards state and log
	state map[string]any
	log   []string
}

var _ api.FunctionContext = (*Context)(nil)

// NewContext returns a context with no state that ends with ctx.
func NewContext(ctx context.Context) *Context {
	return &Context{Context: ctx, state: map[string]any{}}
}

// Log is what was logged so far, a line each, with its level in front.
func (c *Context) Log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.log...)
}

func (c *Context) GetLogger() api.Logger                                { return logger{c} }
func (c *Context) GetRuleId() string                                    { return "rule" }
func (c *Context) GetOpId() string                                      { return "op" }
func (c *Context) GetInstanceId() int                                   { return 0 }
func (c *Context) GetRunId() int                                        { return 0 }
func (c *Context) GetFuncId() int                                       { return 0 }
func (c *Context) GetRootPath() string                                  { return c.Root }
func (c *Context) EnableTracer(bool)                                    {}
func (c *Context) IsTraceEnabled() bool                                 { return false }
func (c *Context) SetError(error)                                       {}
func (c *Context) WithMeta(string, string, api.Store) api.StreamContext { return c }
func (c *Context) WithInstance(int) api.StreamContext                   { return c }
func (c *Context) WithRun(int) api.StreamContext                        { return c }
func (c *Context) ParseTemplate(template string, _ any) (string, error) { return template, nil }
func (c *Context) ParseJsonPath(path string, data any) (any, error) {
	return nil, fmt.Errorf("%s: not here", path)
}

// WithCancel returns a context that can be cancelled and has no state of its own.
func (c *Context) WithCancel() (api.StreamContext, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.Context)
	return NewContext(ctx), cancel
}

func (c *Context) PutState(key string, value any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Refuse == nil {
		c.state[key] = value
	}
	return c.Refuse
}

func (c *Context) GetState(key string) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state[key], c.Refuse
}

func (c *Context) DeleteState(key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.state, key)
	return c.Refuse
}

func (c *Context) IncrCounter(key string, amount int) error {
	n, err := c.GetCounter(key)
	if err != nil {
		return err
	}
	return c.PutState(key, n+amount)
}

func (c *Context) GetCounter(key string) (int, error) {
	v, err := c.GetState(key)
	if v == nil || err != nil {
		return 0, err
	}
	n, ok := v.(int)
	if !ok {
		return 0, fmt.Errorf("state %s is not a number", key)
	}
	return n, nil
}

// logger keeps lines with their level in front.
type logger struct{ c *Context }

func (l logger) keep(level, line string) {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	l.c.log = append(l.c.log, level+": "+line)
}

func (l logger) Debug(args ...any)                 { l.keep("debug", fmt.Sprint(args...)) }
func (l logger) Info(args ...any)                  { l.keep("info", fmt.Sprint(args...)) }
func (l logger) Warn(args ...any)                  { l.keep("warn", fmt.Sprint(args...)) }
func (l logger) Error(args ...any)                 { l.keep("error", fmt.Sprint(args...)) }
func (l logger) Debugf(format string, args ...any) { l.keep("debug", fmt.Sprintf(format, args...)) }
func (l logger) Infof(format string, args ...any)  { l.keep("info", fmt.Sprintf(format, args...)) }
func (l logger) Warnf(format string, args ...any)  { l.keep("warn", fmt.Sprintf(format, args...)) }
func (l logger) Errorf(format string, args ...any) { l.keep("error", fmt.Sprintf(format, args...)) }
