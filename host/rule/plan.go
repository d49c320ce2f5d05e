package rule

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

// plan is a compiled rule: sources, steps and sinks, tied together.
type plan struct {
	binds    []func() any // of operators by id: what each worker has of its own
	rule     string
	run      int64
	reads    []string // streams
	sources  []*sourceNode
	ops      []*opNode // in the order of the status
	switches []*switchOp
	sinks    []*sinkNode
	edges    map[string][]string // of the topology, by node names as eKuiper shows them
}

// step is what a row goes to next.
type step interface {
	// take does its work and gives what comes of it to the next steps.
	take(w *worker, row *query.Row)
	// ends are the sinks that can be reached.
	ends() []*sinkNode
}

// node is what sources, operators and sinks have in common.
type node struct {
	name    string // the operator id
	metrics metrics
}

// sourceNode is a source of a rule.
type sourceNode struct {
	node
	kind   string
	call   *host.Call
	props  host.Props
	decode decoder
	stream string
	next   []step
}

// operator is what a worker has of an opNode. It belongs to one goroutine.
type operator struct {
	// apply makes a row of a row, or none.
	apply func(ctx context.Context, row *query.Row) (*query.Row, error)
	// ahead may look at the rows that apply gets next.
	ahead func(ctx context.Context, rows []query.Row)
	// of those so many are left, for each of which that took so long.
	left   int
	before time.Duration
}

// opNode is an operator.
type opNode struct {
	node
	id    int // of what workers have of it
	index int // its place in the plan, from 2 as in eKuiper
	next  []step
}

// bind says what each worker has of an operator, and returns its id.
func (p *plan) bind(make_ func() any) (id int) {
	p.binds = append(p.binds, make_)
	return len(p.binds) - 1
}

func (o *opNode) take(w *worker, row *query.Row) {
	o.metrics.in(1)
	t := o.metrics.begin()
	op := w.bound[o.id].(*operator)
	if op.left > 0 {
		op.left--
		if !t.IsZero() {
			t = t.Add(-op.before)
		}
	}
	out, err := op.apply(w.ctx, row)
	o.metrics.end(t, w.now)
	if err != nil {
		o.metrics.fail(err)
		w.tell(o.ends(), err)
		return
	}
	if out == nil {
		return
	}
	o.metrics.out(1)
	for _, n := range o.next {
		n.take(w, out)
	}
}

// ahead has the operator look at the rows that it takes next.
func (o *opNode) ahead(w *worker, rows []query.Row) {
	op, t := w.bound[o.id].(*operator), time.Now()
	op.ahead(w.ctx, rows)
	op.left, op.before = len(rows), time.Since(t)/time.Duration(len(rows))
}

func (o *opNode) ends() []*sinkNode { return endsOf(o.next) }

func endsOf(next []step) (list []*sinkNode) {
	for _, n := range next {
		for _, s := range n.ends() {
			if !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}

// title is the node's name in the status: 2_project, or its own in a graph.
func (o *opNode) title() string {
	if o.index == 0 {
		return o.name
	}
	return strconv.Itoa(o.index) + "_" + o.name
}

// compile makes a plan of a definition. The error wraps host.ErrNotFound or
// host.ErrUnavailable when a plugin is what it lacks.
func (r *Rules) compile(d *definition, run int64) (*plan, error) {
	p := &plan{rule: d.ID, run: run, edges: map[string][]string{}}
	if d.Graph != nil {
		return p, r.compileGraph(p, d.Graph)
	}
	return p, r.compileSQL(p, d)
}

// compileSQL ties a stream, a filter, a projection and the actions in a line.
func (r *Rules) compileSQL(p *plan, d *definition) error {
	sel, err := query.ParseSelect(d.SQL)
	if err != nil {
		return &badDefinition{err}
	}
	r.mu.Lock()
	s := r.streams[sel.From]
	r.mu.Unlock()
	if s == nil {
		return host.Errorf(host.ErrNotFound, "fail to get stream %s, please check if stream is created", sel.From)
	}
	source, err := r.source(p, s.Name, s.Name, s.Options)
	if err != nil {
		return err
	}
	p.reads = []string{s.Name}
	compiled, err := sel.Compile(env{r.opts.Host})
	if err != nil {
		return &badDefinition{err}
	}
	// eKuiper counts its operators from 2, and a filter before the projection.
	// Here both are one, which counts what comes in and what is kept.
	o := &opNode{node: node{name: "project"}, index: 2}
	o.id = p.bind(func() any {
		bound := compiled.Bind(p.rule, o.title(), 0, p.run)
		var out query.Row // no step keeps a row
		return &operator{ahead: bound.Ahead, apply: func(ctx context.Context, row *query.Row) (*query.Row, error) {
			fields, keep, err := bound.Eval(ctx, row)
			if err != nil || !keep {
				return nil, err
			}
			out = *row
			out.Fields = fields
			return &out, nil
		}}
	})
	p.ops = append(p.ops, o)
	source.next = []step{o}
	last := "op_" + o.title()
	p.edges["source_"+source.name] = []string{last}
	for i, a := range d.Actions {
		k, err := r.sink(p, fmt.Sprintf("%s_%d", a.kind, i), a.kind, a.props)
		if err != nil {
			return err
		}
		o.next = append(o.next, k)
		p.edges[last] = append(p.edges[last], "sink_"+k.name)
	}
	return nil
}

// env resolves the functions of plugins.
type env struct{ host Host }

// Function implements query.Env.
func (e env) Function(name string) (query.Function, error) {
	f, err := e.host.Function(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// source makes a source node. name is its operator id.
func (r *Rules) source(p *plan, name, streamName string, o map[string]string) (*sourceNode, error) {
	kind := valueOr(o["TYPE"], "mqtt")
	props, err := r.config(kind, o)
	if err != nil {
		return nil, err
	}
	s := &sourceNode{node: node{name: name}, kind: kind, props: props, stream: streamName}
	s.call = &host.Call{Rule: p.rule, Op: name, Run: p.run}
	if s.decode, err = decoderOf(o); err != nil {
		return nil, err
	}
	p.sources = append(p.sources, s)
	return s, nil
}
