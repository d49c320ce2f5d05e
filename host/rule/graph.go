package rule

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

// builder makes the plan of a graph, from the sinks back to the sources.
type builder struct {
	r     *Rules
	p     *plan
	g     *graph
	built map[string]step
	path  []string // nodes being built, for loops
}

func invalid(format string, a ...any) error { return host.Errorf(host.ErrInvalid, format, a...) }

func (r *Rules) compileGraph(p *plan, g *graph) error {
	b := &builder{r: r, p: p, g: g, built: map[string]step{}}
	if len(g.Topo.Sources) == 0 {
		return invalid("no source node is defined in topo.sources")
	}
	if err := b.checkInputs(); err != nil {
		return err
	}
	for _, name := range g.Topo.Sources {
		n, ok := g.Nodes[name]
		if !ok || n.Type != "source" {
			return invalid("source node %s not defined", name)
		}
		if _, ok := g.Topo.Edges[name]; !ok {
			return invalid("no edge defined for source node %s", name)
		}
		s, err := b.source(name, n)
		if err != nil {
			return err
		}
		if s.next, err = b.targets(name, "source_"+name); err != nil {
			return err
		}
	}
	for name := range g.Nodes {
		if b.built[name] == nil && g.Nodes[name].Type != "source" {
			return invalid("operator %s of type %s has no input", name, g.Nodes[name].NodeType)
		}
	}
	return nil
}

// checkInputs refuses edges from or to what is not there.
func (b *builder) checkInputs() error {
	for _, from := range slices.Sorted(maps.Keys(b.g.Topo.Edges)) {
		n, ok := b.g.Nodes[from]
		if !ok {
			return invalid("node %s is not defined", from)
		}
		if n.Type == "sink" {
			return invalid("sink %s has edge", from)
		}
	}
	return nil
}

// source makes a source node, in line or of a created stream.
func (b *builder) source(name string, n graphNode) (*sourceNode, error) {
	o := map[string]string{}
	for key, option := range map[string]string{
		"datasource": "DATASOURCE", "key": "KEY", "format": "FORMAT", "confKey": "CONF_KEY", "timestamp": "TIMESTAMP",
		"timestampFormat": "TIMESTAMP_FORMAT", "schemaid": "SCHEMAID", "delimiter": "DELIMITER", "extra": "EXTRA",
	} {
		switch v := prop(n.Props, key).(type) {
		case nil:
		case string:
			o[option] = v
		default:
			return nil, invalid("source %s: property %s: found %v, expected a text", name, key, v)
		}
	}
	o["TYPE"] = n.NodeType
	streamName := name
	if of, _ := prop(n.Props, "sourceName").(string); of != "" {
		b.r.mu.Lock()
		s := b.r.streams[of]
		b.r.mu.Unlock()
		if s == nil {
			return nil, host.Errorf(host.ErrNotFound, "fail to get stream %s, please check if stream is created", of)
		}
		if have := valueOr(s.Options["TYPE"], "mqtt"); have != n.NodeType {
			return nil, invalid("source type %s does not match the stream type %s", n.NodeType, have)
		}
		o, streamName = s.Options, of
		b.p.reads = append(b.p.reads, of)
	}
	return b.r.source(b.p, name, streamName, o)
}

// prop finds a property whatever the case of its key.
func prop(props map[string]any, key string) any {
	if v, ok := props[key]; ok {
		return v
	}
	for k, v := range props {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return nil
}

// targets builds what the edges of a node lead to.
func (b *builder) targets(from, title string) ([]step, error) {
	var next []step
	for _, raw := range b.g.Topo.Edges[from] {
		var to string
		if err := json.Unmarshal(raw, &to); err != nil {
			return nil, invalid("edges of node %s: found %.80s, expected names of nodes", from, raw)
		}
		s, err := b.target(from, title, to)
		if err != nil {
			return nil, err
		}
		next = append(next, s)
	}
	return next, nil
}

func (b *builder) target(from, title, to string) (step, error) {
	s, err := b.build(to)
	if err != nil {
		return nil, err
	}
	shown := "op_" + to
	if b.g.Nodes[to].Type == "sink" {
		shown = "sink_" + to
	}
	b.p.edges[title] = append(b.p.edges[title], shown)
	return s, nil
}

// build makes a node and all behind it, once.
func (b *builder) build(name string) (step, error) {
	if s := b.built[name]; s != nil {
		if _, sink := s.(*sinkNode); !sink {
			return nil, invalid("operator %s of type %s does not allow multiple inputs", name, b.g.Nodes[name].NodeType)
		}
		return s, nil
	}
	if slices.Contains(b.path, name) {
		return nil, invalid("node %s leads back to itself: %s", name, strings.Join(append(b.path, name), " -> "))
	}
	n, ok := b.g.Nodes[name]
	if !ok {
		return nil, invalid("node %s is not defined", name)
	}
	b.path = append(b.path, name)
	defer func() { b.path = b.path[:len(b.path)-1] }()
	var s step
	var err error
	switch n.Type {
	case "sink":
		s, err = b.r.sink(b.p, name, n.NodeType, n.Props)
	case "operator":
		s, err = b.operator(name, n)
	case "source":
		err = invalid("source node %s cannot be the target of an edge", name)
	default:
		err = invalid("unknown node type %s", n.Type)
	}
	if err != nil {
		return nil, err
	}
	b.built[name] = s
	return s, nil
}

// operator makes a node of a type that eKuiper knows and that is one row at a
// time.
func (b *builder) operator(name string, n graphNode) (step, error) {
	if _, ok := b.g.Topo.Edges[name]; !ok {
		return nil, invalid("no edge defined for operator node %s", name)
	}
	if kind := strings.ToLower(n.NodeType); kind == "switch" {
		return b.switchNode(name, n)
	}
	o := &opNode{node: node{name: name}}
	b.p.ops = append(b.p.ops, o)
	var err error
	switch strings.ToLower(n.NodeType) {
	case "filter":
		err = b.filter(o, n)
	case "function":
		err = b.function(o, n)
	case "pick":
		err = b.pick(o, n)
	case "aggfunc", "window", "join", "groupby", "orderby", "watermark":
		err = host.Errorf(host.ErrUnsupported, "operator %s of type %s: rows are worked on one at a time here; there are filter, function, pick and switch", name, n.NodeType)
	case "script":
		err = host.Errorf(host.ErrUnsupported, "operator %s of type script: there is no JavaScript here: write a plugin, or use function and filter", name)
	default:
		err = invalid("unknown operator type %s", n.NodeType)
	}
	if err != nil {
		return nil, err
	}
	o.next, err = b.targets(name, "op_"+name)
	return o, err
}

func (b *builder) expression(name, what string, v any) (*query.Expr, error) {
	text, ok := v.(string)
	if !ok || text == "" {
		return nil, invalid("parse %s %s: found %v, expected an expression in expr", what, name, v)
	}
	e, err := query.CompileExpr(text, env{b.r.opts.Host})
	if err != nil && !missing(err) {
		return nil, host.Errorf(host.ErrInvalid, "parse %s %s with %s error: %v", what, name, text, err)
	}
	return e, err
}

func (b *builder) filter(o *opNode, n graphNode) error {
	e, err := b.expression(o.name, "filter", prop(n.Props, "expr"))
	if err != nil {
		return err
	}
	o.id = b.p.bind(func() any {
		bound := e.Bind(b.p.rule, o.name, 0, b.p.run)
		return &operator{ahead: bound.Ahead, apply: func(ctx context.Context, row *query.Row) (*query.Row, error) {
			keep, err := bound.Bool(ctx, row)
			if err != nil || !keep {
				return nil, err
			}
			return row, nil
		}}
	})
	return nil
}

// function adds a field, and leaves the row that others may share as it was.
func (b *builder) function(o *opNode, n graphNode) error {
	e, err := b.expression(o.name, "function", prop(n.Props, "expr"))
	if err != nil {
		return err
	}
	field := e.Alias()
	o.id = b.p.bind(func() any {
		bound := e.Bind(b.p.rule, o.name, 0, b.p.run)
		var out query.Row // no step keeps a row
		return &operator{ahead: bound.Ahead, apply: func(ctx context.Context, row *query.Row) (*query.Row, error) {
			v, err := bound.Eval(ctx, row)
			if err != nil {
				return nil, err
			}
			fields := make(map[string]any, len(row.Fields)+1)
			maps.Copy(fields, row.Fields)
			fields[field] = v
			out = *row
			out.Fields = fields
			return &out, nil
		}}
	})
	return nil
}

func (b *builder) pick(o *opNode, n graphNode) error {
	if agg, err := boolProp(n.Props, "isAgg"); err != nil || agg {
		return host.Errorf(host.ErrUnsupported, "operator %s of type pick: isAgg: rows are worked on one at a time here", o.name)
	}
	list, ok := prop(n.Props, "fields").([]any)
	if !ok || len(list) == 0 {
		return invalid("parse pick %s: found fields %v, expected a list of fields", o.name, prop(n.Props, "fields"))
	}
	fields := make([]string, len(list))
	for i, v := range list {
		if fields[i], ok = v.(string); !ok {
			return invalid("parse pick %s: found field %v, expected a text", o.name, v)
		}
	}
	sel, err := query.ParseFields(fields)
	if err != nil {
		return invalid("parse pick %s: %v", o.name, err)
	}
	compiled, err := sel.Compile(env{b.r.opts.Host})
	if err != nil {
		return err
	}
	o.id = b.p.bind(func() any {
		bound := compiled.Bind(b.p.rule, o.name, 0, b.p.run)
		var out query.Row // no step keeps a row
		return &operator{ahead: bound.Ahead, apply: func(ctx context.Context, row *query.Row) (*query.Row, error) {
			fields, _, err := bound.Eval(ctx, row)
			if err != nil {
				return nil, err
			}
			out = *row
			out.Fields = fields
			return &out, nil
		}}
	})
	return nil
}

// switchOp sends a row to the targets of each case that it fits.
type switchOp struct {
	node
	id    int // of what workers have of it: []*query.BoundExpr, one a case
	next  [][]step
	first bool // only the first case that fits
}

func (s *switchOp) ends() (list []*sinkNode) {
	for _, n := range s.next {
		for _, k := range endsOf(n) {
			if !slices.Contains(list, k) {
				list = append(list, k)
			}
		}
	}
	return list
}

func (s *switchOp) take(w *worker, row *query.Row) {
	s.metrics.in(1)
	t := s.metrics.begin()
	defer s.metrics.end(t, w.now)
	for i, c := range w.bound[s.id].([]*query.BoundExpr) {
		fits, err := c.Bool(w.ctx, row)
		if err != nil {
			s.metrics.fail(err)
			w.tell(endsOf(s.next[i]), err)
			continue
		}
		if !fits {
			continue
		}
		s.metrics.out(1)
		for _, n := range s.next[i] {
			n.take(w, row)
		}
		if s.first {
			return
		}
	}
}

func (b *builder) switchNode(name string, n graphNode) (step, error) {
	s := &switchOp{node: node{name: name}}
	var err error
	if s.first, err = boolProp(n.Props, "stopAtFirstMatch"); err != nil {
		return nil, fmt.Errorf("operator %s: %w", name, err)
	}
	list, _ := prop(n.Props, "cases").([]any)
	if edges := b.g.Topo.Edges[name]; len(list) == 0 || len(edges) != len(list) {
		return nil, invalid("operator %s of type switch: found %d cases and %d lists of edges, expected one list a case", name, len(list), len(edges))
	}
	b.p.switches = append(b.p.switches, s)
	var cases []*query.Expr
	s.id = b.p.bind(func() any {
		bound := make([]*query.BoundExpr, len(cases))
		for i, e := range cases {
			bound[i] = e.Bind(b.p.rule, name, 0, b.p.run)
		}
		return bound
	})
	for i, c := range list {
		e, err := b.expression(name, "switch", c)
		if err != nil {
			return nil, err
		}
		cases = append(cases, e)
		var targets []string
		if err := json.Unmarshal(b.g.Topo.Edges[name][i], &targets); err != nil {
			return nil, invalid("edges of node %s: found %.80s, expected a list of names for each case", name, b.g.Topo.Edges[name][i])
		}
		var next []step
		for _, to := range targets {
			t, err := b.target(name, "op_"+name, to)
			if err != nil {
				return nil, err
			}
			next = append(next, t)
		}
		s.next = append(s.next, next)
	}
	return s, nil
}
