//go:build !wasip1

package vanth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/sdk/go/api"
)

// Option says something about a plugin to Serve.
type Option func(*plugin)

// Name is the plugin's name, that of its manifest. Without it the name is that of the executable.
func Name(name string) Option { return func(p *plugin) { p.name = name } }

// Aggregate names functions whose arguments are the lists of a group's values.
func Aggregate(functions ...string) Option {
	return func(p *plugin) { p.aggregate = append(p.aggregate, functions...) }
}

// Source, Function and Sink add symbols of package api to those that were registered. They exist in
// native builds only: a file with them does not build as a WebAssembly module, whose own are
// registered with SourceFunc and SinkFunc.
func Source(name string, f func() api.Source) Option {
	return func(p *plugin) { p.sources = append(p.sources, symbol[func() api.Source]{name, f}) }
}

// Function adds a function; see Source.
func Function(name string, f func() api.Function) Option {
	return func(p *plugin) { p.made = append(p.made, symbol[func() api.Function]{name, f}) }
}

// Sink adds a sink; see Source.
func Sink(name string, f func() api.Sink) Option {
	return func(p *plugin) { p.sinks = append(p.sinks, symbol[func() api.Sink]{name, f}) }
}

// Serve makes this process a portable plugin that offers the registered functions, and does not
// return: the process exits when the host has gone or wants it to. The host that started it says
// with VANTH_LANE that it knows the fast lane; without it Serve speaks eKuiper's wire. It is the
// whole of main:
//
//	func main() { vanth.Serve() }
//
// Registered functions share one goroutine, as they do in a WebAssembly instance. State, counters,
// log and context reach the host over the wire; Now is the wall clock. Where eKuiper is the host,
// state lasts as long as the process.
func Serve(options ...Option) { os.Exit(serve(options)) }

func serve(options []Option) (status int) {
	p, err := newPlugin(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vanth:", err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if lane := os.Getenv("VANTH_LANE"); lane != "" {
		err = serveLane(ctx, p, lane, os.Getenv("VANTH_RING"))
	} else {
		err = serveEkuiper(ctx, p)
	}
	if err != nil {
		p.log.line(LevelError, "", err.Error())
		return 1
	}
	return 0
}

// farewell bounds what user code may take for its Close when the process ends.
const farewell = 3 * time.Second

type symbol[T any] struct {
	name string
	make T
}

// plugin is what is served. It does not change once newPlugin has returned it.
type plugin struct {
	name      string
	aggregate []string
	functions []*function
	made      []symbol[func() api.Function]
	sources   []symbol[func() api.Source]
	sinks     []symbol[func() api.Sink]
	log       *logger
}

// function is one function with the executor that runs its calls one at a time.
type function struct {
	name      string
	index     int
	aggregate bool
	callee    callee
	executor  *executor
}

// callee is the function itself, called by its executor only.
type callee interface {
	// answer appends the result of the call with this list of arguments to out, an error value if
	// it failed. It does not panic.
	answer(c *functionContext, frame, out []byte) (_ []byte, failed bool)
	// exec is the same with what encoding/json makes of arguments, numbers being json.Number.
	exec(c *functionContext, args []any) (any, error)
	validate(args []any) error
	isAggregate() bool
}

func newPlugin(options []Option) (*plugin, error) {
	p := &plugin{log: newLogger(os.Stderr, os.Getenv("VANTH_LOG"))}
	p.name = strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	for _, o := range options {
		o(p)
	}
	if p.name == "" || strings.ContainsAny(p.name, "/\x00") {
		return nil, fmt.Errorf("plugin %q: invalid name", p.name)
	}
	if len(nodes.registered) > 0 {
		w := nodes.registered[0].words
		return nil, fmt.Errorf("%s %s: SourceFunc and SinkFunc are for WebAssembly modules: a process serves those of package api", w[0], w[1])
	}
	shared := new(executor) // one memory, one call at a time
	for i := range this.entries {
		p.add(this.entries[i].name, typedFunction{i}, shared)
	}
	for _, f := range p.made {
		c, err := newMade(f.name, f.make)
		if err != nil {
			return nil, err
		}
		p.add(f.name, c, new(executor))
	}
	byName := func(a, b *function) int { return strings.Compare(a.name, b.name) }
	slices.SortFunc(p.functions, byName)
	slices.SortFunc(p.sources, func(a, b symbol[func() api.Source]) int { return strings.Compare(a.name, b.name) })
	slices.SortFunc(p.sinks, func(a, b symbol[func() api.Sink]) int { return strings.Compare(a.name, b.name) })
	for i, f := range p.functions {
		f.index = i
		if i > 0 && p.functions[i-1].name == f.name {
			return nil, fmt.Errorf("function %s: registered twice", f.name)
		}
	}
	for _, name := range p.aggregate {
		f := p.function(name)
		if f == nil {
			return nil, fmt.Errorf("aggregate %s: there is no such function", name)
		}
		f.aggregate = true
	}
	if len(p.functions)+len(p.sources)+len(p.sinks) == 0 {
		return nil, errors.New("nothing is registered")
	}
	return p, nil
}

func (p *plugin) add(name string, c callee, ex *executor) {
	p.functions = append(p.functions, &function{name: name, callee: c, executor: ex, aggregate: c.isAggregate()})
}

func (p *plugin) function(name string) *function {
	i, ok := slices.BinarySearchFunc(p.functions, name, func(f *function, name string) int { return strings.Compare(f.name, name) })
	if !ok {
		return nil
	}
	return p.functions[i]
}
