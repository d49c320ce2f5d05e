package native

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
)

// streamContext is what a plugin sees of the host. Unlike other contexts of this
// module it is kept - by plugins, as eKuiper's is - and so it never changes
// after it was made, apart from the error and the switch of the tracer, and is
// safe for concurrent use. The error is that of one call: the next call of the
// plugin begins without it.
type streamContext struct {
	context.Context // cancellation, deadline and values

	guest    *guest
	log      api.Logger
	rule, op string
	instance int
	run      int
	state    ledger
	prefix   string // of the state's keys
	trace    *atomic.Bool
	report   func(error) // takes what the plugin sets as an error; may be nil

	err atomic.Pointer[error]
}

var _ api.StreamContext = (*streamContext)(nil)

// newContext makes the context of a symbol. Without a call, or outside of any
// rule, the state is the symbol's own.
func (g *guest) newContext(ctx context.Context, s host.Symbol, c *host.Call, report func(error)) *streamContext {
	sc := &streamContext{Context: ctx, guest: g, trace: new(atomic.Bool), report: report}
	scope := c.Scope()
	if c != nil {
		sc.rule, sc.op, sc.instance, sc.run = c.Rule, c.Op, int(c.Instance), int(c.Run)
	}
	if scope == "" {
		scope = "\x00" + s.String() // a rule's name is not empty, so no scope of a call begins so
	}
	sc.state = scoped{g.memory, scope}
	sc.log = g.newLogger(sc.rule, sc.op)
	return sc
}

func (g *guest) newLogger(rule, op string) *logger {
	l := g.log
	if rule != "" {
		l = l.With("rule", rule)
	}
	if op != "" {
		l = l.With("op", op)
	}
	return &logger{l}
}

// derive copies the context without the error.
func (c *streamContext) derive() *streamContext {
	return &streamContext{
		Context: c.Context, guest: c.guest, log: c.log, rule: c.rule, op: c.op, instance: c.instance, run: c.run,
		state: c.state, prefix: c.prefix, trace: c.trace, report: c.report,
	}
}

// Err returns the error that the plugin set, or says that the context ended.
func (c *streamContext) Err() error {
	if e := c.err.Load(); e != nil {
		return *e
	}
	return c.Context.Err()
}

// SetError keeps an error for the rest of the call: Err returns it, to the calls
// too that share the context and run at the same time. It is logged, or it is the
// next error of a source, or that of the write of a sink. nil takes it back.
func (c *streamContext) SetError(err error) {
	if err == nil {
		c.err.Store(nil)
		return
	}
	c.err.Store(&err)
	if c.report == nil {
		c.log.Errorf("plugin set an error: %v", err)
		return
	}
	c.report(err)
}

// forget begins another call: what an earlier one set was reported then, and a
// plugin that asks Err whether it should go on would never work again.
func (c *streamContext) forget() { c.err.Store(nil) }

// GetLogger implements api.StreamContext, as do the methods below.
func (c *streamContext) GetLogger() api.Logger { return c.log }

func (c *streamContext) GetRuleId() string { return c.rule }

func (c *streamContext) GetOpId() string { return c.op }

func (c *streamContext) GetInstanceId() int { return c.instance }

func (c *streamContext) GetRunId() int { return c.run }

// GetRootPath returns the home of the host; a plugin's files are below it in
// etc/<type>/<plugin>.
func (c *streamContext) GetRootPath() string { return c.guest.opts.Home }

// WithMeta returns a context of another rule and operator. Its state is that of
// the store, if it gives one: whoever made the store checkpoints it. Otherwise
// it is the host's.
func (c *streamContext) WithMeta(rule, op string, store api.Store) api.StreamContext {
	d := c.derive()
	d.rule, d.op, d.instance, d.run, d.prefix = rule, op, 0, 0, ""
	d.log = c.guest.newLogger(rule, op)
	d.state = scoped{c.guest.memory, (&host.Call{Rule: rule, Op: op}).Scope()}
	if store == nil {
		return d
	}
	switch m, err := store.GetOpState(op); {
	case err != nil:
		d.log.Warnf("Initialize context store error for %s: %s", op, err)
	case m != nil:
		d.state = shared{m}
	}
	return d
}

func (c *streamContext) WithInstance(instance int) api.StreamContext {
	d := c.derive()
	d.instance = instance
	return d
}

func (c *streamContext) WithRun(run int) api.StreamContext {
	d := c.derive()
	d.run = run
	return d
}

func (c *streamContext) WithCancel() (api.StreamContext, context.CancelFunc) {
	d := c.derive()
	var cancel context.CancelFunc
	d.Context, cancel = context.WithCancel(c.Context)
	return d, cancel
}

// EnableTracer switches a mark that the contexts derived from one another
// share. The host has no tracer: nothing else comes of it.
func (c *streamContext) EnableTracer(enabled bool) { c.trace.Store(enabled) }

func (c *streamContext) IsTraceEnabled() bool { return c.trace.Load() }

func (c *streamContext) IncrCounter(key string, amount int) error {
	return c.state.add(c.prefix+key, amount)
}

func (c *streamContext) GetCounter(key string) (int, error) { return c.state.counter(c.prefix + key) }

func (c *streamContext) PutState(key string, value any) error {
	return c.state.put(c.prefix+key, value)
}

func (c *streamContext) GetState(key string) (any, error) { return c.state.get(c.prefix + key) }

func (c *streamContext) DeleteState(key string) error { return c.state.remove(c.prefix + key) }

// ParseTemplate evaluates the subset of Go's templates that parseTemplate
// describes.
func (c *streamContext) ParseTemplate(template string, data any) (string, error) {
	t, err := parseTemplate(template)
	if err != nil {
		return "", fmt.Errorf("Template Invalid: %w", err) //nolint:staticcheck // eKuiper's text
	}
	return t.execute(data)
}

// ParseJsonPath evaluates the subset of JSONPath that parsePath describes.
func (c *streamContext) ParseJsonPath(path string, data any) (any, error) {
	p, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	return p.eval(data)
}

// functionContext is the context of a function: its keys are those of its place
// in the statement, as in eKuiper.
type functionContext struct {
	*streamContext
	id   int
	done <-chan struct{} // of the caller's context it was made for
}

var _ api.FunctionContext = (*functionContext)(nil)

// GetFuncId implements api.FunctionContext.
func (c *functionContext) GetFuncId() int { return c.id }

func functionPrefix(id int) string { return "$$func" + strconv.Itoa(id) + "_" }

// joined is the caller's context, and ends with a life too. What that costs is
// paid by who asks for Done.
type joined struct {
	context.Context
	life context.Context
	once sync.Once
	done <-chan struct{}
}

// Done implements context.Context.
func (j *joined) Done() <-chan struct{} {
	if j.Context.Done() == nil {
		return j.life.Done()
	}
	j.once.Do(func() {
		both, cancel := context.WithCancel(j.Context)
		stop := context.AfterFunc(j.life, cancel)
		context.AfterFunc(both, func() { stop() })
		j.done = both.Done()
	})
	return j.done
}

// Err implements context.Context.
func (j *joined) Err() error {
	if err := j.Context.Err(); err != nil {
		return err
	}
	return j.life.Err()
}
