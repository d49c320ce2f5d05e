package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vanth-io/vanth/host"
)

// definition is a rule's JSON, in eKuiper's words.
type definition struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	Triggered *bool    `json:"triggered"`
	Temp      bool     `json:"temp"`
	SQL       string   `json:"sql"`
	Actions   []action `json:"actions"`
	Graph     *graph   `json:"graph"`
	Options   options  `json:"options"`
	Tags      []string `json:"tags"`

	text []byte // as it was sent
}

// action is one sink of a SQL rule: an object of one key, the sink's type.
type action struct {
	kind  string
	props map[string]any
}

// UnmarshalJSON reads {"type":{props}}.
func (a *action) UnmarshalJSON(b []byte) error {
	var m map[string]map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("an action: found %.80s, expected {\"SINK\":{...}}: %w", b, err)
	}
	if len(m) != 1 {
		return fmt.Errorf("an action: found %d keys, expected one, the type of a sink", len(m))
	}
	for kind, props := range m {
		a.kind, a.props = kind, props
	}
	return nil
}

// graph is the other form of a rule.
type graph struct {
	Nodes map[string]graphNode `json:"nodes"`
	Topo  struct {
		Sources []string                     `json:"sources"`
		Edges   map[string][]json.RawMessage `json:"edges"`
	} `json:"topo"`
}

type graphNode struct {
	Type     string         `json:"type"`     // source, operator, sink
	NodeType string         `json:"nodeType"` // of the source, operator or sink
	Props    map[string]any `json:"props"`
}

// options are what a rule may set. Zero means the default stated.
type options struct {
	SendError    *bool        `json:"sendError"`    // send the text of a fault to the sinks; true
	QoS          int          `json:"qos"`          // 0 or 1
	Concurrency  int          `json:"concurrency"`  // rows processed at once; 1
	BufferLength int          `json:"bufferLength"` // rows that wait for a sink; 1024
	Checkpoint   milliseconds `json:"checkpointInterval"`
	Restart      *strategy    `json:"restartStrategy"`
	IsEventTime  bool         `json:"isEventTime"`
	Cron         string       `json:"cron"`
}

// strategy says how often, and when, a rule that failed is started again.
type strategy struct {
	Attempts   int          `json:"attempts"` // 0 none, -1 for ever
	Delay      milliseconds `json:"delay"`
	Multiplier float64      `json:"multiplier"`
	MaxDelay   milliseconds `json:"maxDelay"`
	Jitter     float64      `json:"jitterFactor"`
}

// milliseconds reads a number of milliseconds, or a text such as 5s.
type milliseconds time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (m *milliseconds) UnmarshalJSON(b []byte) error {
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil && n >= 0 && n < int64(365*24*time.Hour/time.Millisecond) {
		*m = milliseconds(time.Duration(n) * time.Millisecond)
		return nil
	}
	var s string
	if json.Unmarshal(b, &s) == nil {
		if d, err := time.ParseDuration(s); err == nil && d >= 0 {
			*m = milliseconds(d)
			return nil
		}
	}
	return fmt.Errorf("found %.40s, expected milliseconds or a duration such as \"5s\"", b)
}

// The bounds and defaults of a rule.
const (
	maxRule        = 1 << 20 // bytes of its JSON
	maxConcurrency = 1024
	maxBuffer      = 1 << 20
	defaultBuffer  = 1024
	checkpoint     = time.Second
)

// badDefinition is what is wrong with a definition, its statement or its
// expressions. It wraps host.ErrInvalid beside its reason, which may be a
// function that is missing.
type badDefinition struct{ reason error }

func (e *badDefinition) Error() string   { return "invalid rule json: " + e.reason.Error() }
func (e *badDefinition) Unwrap() []error { return []error{host.ErrInvalid, e.reason} }

// parse reads a definition; id is the one that it has if it does not say. The
// errors are eKuiper's where it has them, and wrap host.ErrInvalid.
func parse(text []byte, id string) (*definition, error) {
	bad := func(format string, a ...any) (*definition, error) {
		return nil, &badDefinition{fmt.Errorf(format, a...)}
	}
	if len(text) > maxRule {
		return bad("found %d bytes, expected at most %d", len(text), maxRule)
	}
	d := &definition{text: bytes.TrimSpace(slices.Clone(text))}
	if err := json.Unmarshal(text, d); err != nil {
		return bad("%w", err)
	}
	if d.ID == "" {
		d.ID = id
	}
	if d.ID == "" {
		return bad("Missing rule id.")
	}
	if err := host.CheckName(d.ID); err != nil {
		return nil, &badDefinition{err}
	}
	switch {
	case d.SQL != "" && d.Graph != nil:
		return bad("Rule %s has both sql and graph.", d.ID)
	case d.SQL == "" && d.Graph == nil:
		return bad("Rule %s has neither sql nor graph.", d.ID)
	case d.SQL != "" && len(d.Actions) == 0:
		return bad("Missing rule actions.")
	}
	return d, d.Options.check()
}

func (o *options) check() error {
	var errs []error
	limit := func(key string, v, least, most int) {
		if v < least || v > most {
			errs = append(errs, host.Errorf(host.ErrInvalid, "options.%s: found %d, expected %d to %d", key, v, least, most))
		}
	}
	limit("qos", o.QoS, 0, 1)
	limit("concurrency", o.Concurrency, 0, maxConcurrency)
	limit("bufferLength", o.BufferLength, 0, maxBuffer)
	if o.IsEventTime {
		errs = append(errs, host.Errorf(host.ErrUnsupported, "options.isEventTime: there are no windows here, so time does not order rows: leave it out"))
	}
	if o.Cron != "" {
		errs = append(errs, host.Errorf(host.ErrUnsupported, "options.cron: rules here run until they are stopped: leave it out, and start and stop the rule by its routes"))
	}
	return errors.Join(errs...)
}

func (o *options) buffer() int {
	if o.BufferLength == 0 {
		return defaultBuffer
	}
	return o.BufferLength
}

func (o *options) sendError() bool { return o.SendError == nil || *o.SendError }

func (o *options) checkpoint() time.Duration {
	if o.Checkpoint == 0 {
		return checkpoint
	}
	return time.Duration(o.Checkpoint)
}

// triggered tells whether the rule runs after its creation.
func (d *definition) triggered() bool { return d.Triggered == nil || *d.Triggered }

// title is the name that lists show.
func (d *definition) title() string {
	if d.Name != "" {
		return d.Name
	}
	return d.ID
}

// stored is the text to be kept: as it was sent, with triggered as it is now once
// somebody started or stopped the rule.
func (d *definition) stored(triggered bool) []byte {
	if triggered == d.triggered() {
		return d.text
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(d.text, &m) != nil {
		return d.text
	}
	m["triggered"] = json.RawMessage(strconv.FormatBool(triggered))
	for k := range m { // one spelling: JSON's keys match in any case
		if k != "triggered" && strings.EqualFold(k, "triggered") {
			delete(m, k)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return d.text
	}
	return b
}
