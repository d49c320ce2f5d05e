package rule

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host"
)

// Status is what is known of a rule.
type Status struct {
	State        State
	Message      string
	Began, Ended time.Time // zero for never
	Nodes        []NodeStatus
}

// NodeStatus are the counters of a node, in its last run.
type NodeStatus struct {
	Kind string // source, op, sink
	Name string
	// Records came in, Emitted went out, Processed were worked on.
	Records, Emitted, Processed int64
	Latency                     time.Duration // of a row that was timed
	Queue                       int           // rows that wait
	Invoked                     time.Time
	Faults                      int64
	Fault                       string
	FaultAt                     time.Time
	// Connected is 1 while a source or a sink is open, 0 while it is looked for,
	// -1 else; nil for an operator.
	Connection *Connection
}

// Connection is how a source or a sink is connected with its plugin.
type Connection struct {
	Status          int
	Up, Down, Tried time.Time
	Message         string
}

// Key is the beginning of the node's keys in eKuiper's status.
func (n *NodeStatus) Key() string { return n.Kind + "_" + n.Name + "_0_" }

// Status of a rule. The error is host.ErrNotFound.
func (r *Rules) Status(id string) (Status, error) {
	l := r.find(id)
	if l == nil {
		return Status{}, host.Errorf(host.ErrNotFound, "Rule %s is not found", id)
	}
	return l.status(), nil
}

// Statuses of all rules, by id.
func (r *Rules) Statuses() map[string]Status {
	r.mu.Lock()
	list := make([]*live, 0, len(r.rules))
	for _, l := range r.rules {
		list = append(list, l)
	}
	r.mu.Unlock()
	all := map[string]Status{}
	for _, l := range list {
		all[l.id] = l.status()
	}
	return all
}

func (l *live) status() Status {
	l.mu.Lock()
	s := Status{State: l.now, Message: l.message, Began: l.began, Ended: l.ended}
	p := l.plan
	l.mu.Unlock()
	if p == nil {
		return s
	}
	for _, n := range p.sources {
		s.Nodes = append(s.Nodes, n.metrics.read("source", n.name, 0, true))
	}
	for _, n := range p.ops {
		s.Nodes = append(s.Nodes, n.metrics.read("op", n.title(), 0, false))
	}
	for _, n := range p.switches {
		s.Nodes = append(s.Nodes, n.metrics.read("op", n.name, 0, false))
	}
	for _, n := range p.sinks {
		s.Nodes = append(s.Nodes, n.metrics.read("sink", n.name, len(n.queue), true))
	}
	return s
}

func (m *metrics) read(kind, name string, queue int, connects bool) NodeStatus {
	n := NodeStatus{
		Kind: kind, Name: name, Queue: queue,
		Records: m.records.Load(), Emitted: m.emitted.Load(), Processed: m.processed.Load(),
		Latency: time.Duration(m.latency.Load()), Faults: m.faults.Load(),
	}
	if ms := m.invoked.Load(); ms != 0 {
		n.Invoked = time.UnixMilli(ms)
	}
	if f := m.fault.Load(); f != nil {
		n.Fault, n.FaultAt = f.text, f.at
	}
	if connects {
		n.Connection = &Connection{Status: -1}
		if c := m.connection.Load(); c != nil {
			n.Connection = &Connection{c.status, c.up, c.down, c.tried, c.message}
		}
	}
	return n
}

// Topo is the topology of a rule, as eKuiper shows it.
type Topo struct {
	Sources []string            `json:"sources"`
	Edges   map[string][]string `json:"edges"`
}

// Topo compiles a rule and returns its topology. The error is host.ErrNotFound.
func (r *Rules) Topo(id string) (Topo, error) {
	l := r.find(id)
	if l == nil {
		return Topo{}, host.Errorf(host.ErrNotFound, "Rule %s is not found.", id)
	}
	p, err := r.compile(l.def, 0)
	if err != nil {
		return Topo{}, err
	}
	t := Topo{Edges: p.edges}
	for _, s := range p.sources {
		t.Sources = append(t.Sources, "source_"+s.name)
	}
	return t, nil
}

// Explain says in words what a rule does. The error is host.ErrNotFound.
func (r *Rules) Explain(id string) (string, error) {
	t, err := r.Topo(id)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	var walk func(name string, depth int)
	walk = func(name string, depth int) {
		b.WriteString(strings.Repeat("  ", depth) + name + "\n")
		for _, next := range t.Edges[name] {
			walk(next, depth+1)
		}
	}
	slices.Sort(t.Sources)
	for i, s := range t.Sources {
		b.WriteString(strconv.Itoa(i) + " ")
		walk(s, 0)
	}
	return b.String(), nil
}
