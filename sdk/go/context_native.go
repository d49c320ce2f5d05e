//go:build !wasip1

package vanth

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// use is one use of a symbol in one rule: what the lane calls a context.
type use struct {
	id                uint32 // on the lane
	rule, op          string
	instance, run, fn int64
	contexts          []*functionContext // by function; each is touched by its executor only
}

// keeper has the state and the counters of uses: the host on the lane, else this process.
type keeper interface {
	get(u *use, key string) (any, bool, error)
	put(u *use, key string, v any) error
	remove(u *use, key string) error
	add(u *use, key string, by int64) (int64, error)
	count(u *use, key string) (int64, error)
}

// streamContext is a use as user code sees it.
type streamContext struct {
	context.Context
	use      *use
	rule, op string
	instance int
	keep     keeper
	log      *logger

	mu  sync.Mutex // guards err
	err error
}

var _ api.StreamContext = (*streamContext)(nil)

func newContext(ctx context.Context, u *use, keep keeper, log *logger) *streamContext {
	return &streamContext{Context: ctx, use: u, rule: u.rule, op: u.op, instance: int(u.instance), keep: keep, log: log}
}

func (c *streamContext) with(ctx context.Context) *streamContext {
	return &streamContext{Context: ctx, use: c.use, rule: c.rule, op: c.op, instance: c.instance, keep: c.keep, log: c.log}
}

func (c *streamContext) GetLogger() api.Logger { return ruleLogger{c.log, c.prefix()} }

// prefix is what log lines begin with.
func (c *streamContext) prefix() string {
	if c.op == "" {
		return c.rule
	}
	return c.rule + "/" + c.op
}

func (c *streamContext) GetRuleId() string  { return c.rule }
func (c *streamContext) GetOpId() string    { return c.op }
func (c *streamContext) GetInstanceId() int { return c.instance }

func (c *streamContext) WithMeta(ruleID, opID string) api.StreamContext {
	n := c.with(c.Context)
	n.rule, n.op = ruleID, opID
	return n
}

func (c *streamContext) WithInstance(instanceID int) api.StreamContext {
	n := c.with(c.Context)
	n.instance = instanceID
	return n
}

func (c *streamContext) WithCancel() (api.StreamContext, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.Context)
	return c.with(ctx), cancel
}

func (c *streamContext) SetError(e error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = e
}

func (c *streamContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return c.Context.Err()
}

func (c *streamContext) PutState(key string, value interface{}) error {
	return c.keep.put(c.use, key, value)
}

func (c *streamContext) GetState(key string) (interface{}, error) {
	v, _, err := c.keep.get(c.use, key)
	return v, err
}

func (c *streamContext) DeleteState(key string) error { return c.keep.remove(c.use, key) }

func (c *streamContext) IncrCounter(key string, amount int) error {
	_, err := c.keep.add(c.use, key, int64(amount))
	return err
}

func (c *streamContext) GetCounter(key string) (int, error) {
	n, err := c.keep.count(c.use, key)
	return int(n), err
}

// functionContext is a use by one function. Its Done is that of the call under way.
type functionContext struct {
	*streamContext
	plugin   *plugin
	function *function
	executor *executor
	wired    wired
	args     argSlots
}

var _ api.FunctionContext = (*functionContext)(nil)

func (c *functionContext) GetFuncId() int { return int(c.use.fn) }

func (c *functionContext) Done() <-chan struct{} { return c.executor.done() }

func (c *functionContext) Err() error {
	if c.executor.stopped.Load() {
		return context.Canceled
	}
	return c.streamContext.Err()
}

// contextOf makes the context of u for f, once. f's executor calls it.
func (u *use) contextOf(ctx context.Context, p *plugin, f *function, keep keeper) *functionContext {
	if u.contexts[f.index] == nil {
		c := &functionContext{streamContext: newContext(ctx, u, keep, p.log), plugin: p, function: f, executor: f.executor}
		c.wired.at = c
		u.contexts[f.index] = c
	}
	return u.contexts[f.index]
}

func (p *plugin) newUse(id uint32) *use {
	return &use{id: id, contexts: make([]*functionContext, len(p.functions))}
}

// memory keeps state where there is no host to do it. What is kept are frames, so that values come
// back as they do from a host.
type memory struct {
	mu       sync.Mutex // guards the maps
	state    map[memoryKey][]byte
	counters map[memoryKey]int64
}

type memoryKey struct {
	use *use
	key string
}

func newMemory() *memory {
	return &memory{state: map[memoryKey][]byte{}, counters: map[memoryKey]int64{}}
}

func (m *memory) get(u *use, key string) (any, bool, error) {
	m.mu.Lock()
	frame, ok := m.state[memoryKey{u, key}]
	m.mu.Unlock()
	if !ok {
		return nil, false, nil
	}
	v, err := Value(frame)
	return v, err == nil, err
}

func (m *memory) put(u *use, key string, v any) error {
	frame, err := Append(nil, v)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state[memoryKey{u, key}] = frame
	return nil
}

func (m *memory) remove(u *use, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.state, memoryKey{u, key})
	return nil
}

func (m *memory) add(u *use, key string, by int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := memoryKey{u, key}
	m.counters[k] = addSaturated(m.counters[k], by)
	return m.counters[k], nil
}

func (m *memory) count(u *use, key string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counters[memoryKey{u, key}], nil
}

// forget drops what is kept for a source or sink that has ended.
func (m *memory) forget(u *use) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.state {
		if k.use == u {
			delete(m.state, k)
		}
	}
	for k := range m.counters {
		if k.use == u {
			delete(m.counters, k)
		}
	}
}

// logger writes lines to the process's stderr, which every host keeps.
type logger struct {
	level Level
	mu    sync.Mutex // keeps lines whole
	to    io.Writer
}

func newLogger(to io.Writer, level string) *logger {
	l := &logger{level: LevelInfo, to: to}
	for i, name := range levelNames {
		if name == level {
			l.level = Level(i)
		}
	}
	return l
}

var levelNames = [...]string{"debug", "info", "warn", "error"}

func (l *logger) line(level Level, prefix, text string) {
	if level < l.level {
		return
	}
	name := levelNames[min(max(level, LevelDebug), LevelError)]
	b := time.Now().UTC().AppendFormat(make([]byte, 0, 64+len(text)), "2006-01-02T15:04:05.000Z ")
	b = append(append(b, name...), ' ')
	if prefix != "" {
		b = append(append(b, prefix...), ": "...)
	}
	b = append(append(b, text...), '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.to.Write(b)
}

// ruleLogger is a logger in one use.
type ruleLogger struct {
	*logger
	prefix string
}

func (l ruleLogger) print(level Level, args []any) {
	if level >= l.level {
		text := fmt.Sprintln(args...)
		l.line(level, l.prefix, text[:len(text)-1])
	}
}

func (l ruleLogger) printf(level Level, format string, args []any) {
	if level >= l.level {
		l.line(level, l.prefix, fmt.Sprintf(format, args...))
	}
}

func (l ruleLogger) Debug(args ...interface{})                 { l.print(LevelDebug, args) }
func (l ruleLogger) Info(args ...interface{})                  { l.print(LevelInfo, args) }
func (l ruleLogger) Warn(args ...interface{})                  { l.print(LevelWarn, args) }
func (l ruleLogger) Error(args ...interface{})                 { l.print(LevelError, args) }
func (l ruleLogger) Debugln(args ...interface{})               { l.print(LevelDebug, args) }
func (l ruleLogger) Infoln(args ...interface{})                { l.print(LevelInfo, args) }
func (l ruleLogger) Warnln(args ...interface{})                { l.print(LevelWarn, args) }
func (l ruleLogger) Errorln(args ...interface{})               { l.print(LevelError, args) }
func (l ruleLogger) Debugf(format string, args ...interface{}) { l.printf(LevelDebug, format, args) }
func (l ruleLogger) Infof(format string, args ...interface{})  { l.printf(LevelInfo, format, args) }
func (l ruleLogger) Warnf(format string, args ...interface{})  { l.printf(LevelWarn, format, args) }
func (l ruleLogger) Errorf(format string, args ...interface{}) { l.printf(LevelError, format, args) }

// wired is the host as the functions of this package see it in a served process: the use and the
// symbol of the registered function that runs, of which there is one at a time.
type wired struct{ at *functionContext }

func (w *wired) get(key string) (any, bool, error) { return w.at.keep.get(w.at.use, key) }
func (w *wired) put(key string, v any) error       { return w.at.keep.put(w.at.use, key, v) }
func (w *wired) remove(key string) error           { return w.at.keep.remove(w.at.use, key) }

// add and count have no error to give: a refusal ends the call, as it does in a module.
func (w *wired) add(key string, by int64) int64 {
	n, err := w.at.keep.add(w.at.use, key, by)
	if err != nil {
		panic(err)
	}
	return n
}

func (w *wired) count(key string) int64 {
	n, err := w.at.keep.count(w.at.use, key)
	if err != nil {
		panic(err)
	}
	return n
}

func (w *wired) log(level Level, text string) {
	w.at.log.line(level, w.at.prefix(), text)
}

// text and number answer as the imports ctx_str and ctx_i64 do.
func (w *wired) text(which int32) string {
	switch which {
	case 0:
		return w.at.rule
	case 1:
		return w.at.op
	case 3:
		return w.at.plugin.name
	case 4:
		return w.at.function.name
	}
	return ""
}

func (w *wired) number(which int32) int64 {
	switch which {
	case 0:
		return w.at.use.instance
	case 1:
		return w.at.use.run
	case 2:
		return w.at.use.fn
	}
	return 0
}

// wire is where live finds it. It is package state for the reason that this is.
var wire atomic.Pointer[wired]

// live is the host of the call under way, nil in a process that serves nothing.
func live() *wired { return wire.Load() }
