package rule

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/vanth-io/vanth/host"
)

// What eKuiper's clients get of streams and rules, in its keys.

// ListJSON lists the rules.
func (r *Rules) ListJSON() []byte {
	type entry struct {
		ID      string   `json:"id"`
		Name    string   `json:"name"`
		Status  State    `json:"status"`
		Tags    []string `json:"tags"`
		Trace   bool     `json:"trace"`
		Version string   `json:"version"`
	}
	list := []entry{}
	for _, i := range r.List() {
		list = append(list, entry{ID: i.ID, Name: i.Name, Status: i.State, Tags: i.Tags, Version: i.Version})
	}
	return plain(list)
}

// plain is JSON without the escapes that browsers want.
func plain(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte("null") // nothing here has no form
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// object is a JSON object whose keys keep their order.
type object struct {
	bytes.Buffer
}

func (o *object) put(key string, v any) {
	if o.Len() == 0 {
		o.WriteByte('{')
	} else {
		o.WriteByte(',')
	}
	o.Write(plain(key))
	o.WriteByte(':')
	o.Write(plain(v))
}

func (o *object) end() []byte {
	o.WriteByte('}')
	return o.Bytes()
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// StatusJSON is the status of a rule. The error is host.ErrNotFound.
func (r *Rules) StatusJSON(id string) ([]byte, error) {
	s, err := r.Status(id)
	if err != nil {
		return nil, err
	}
	var o object
	o.put("status", s.State)
	o.put("message", s.Message)
	o.put("lastStartTimestamp", millis(s.Began))
	o.put("lastStopTimestamp", millis(s.Ended))
	o.put("nextStartTimestamp", 0)
	for _, n := range s.Nodes {
		n.put(&o)
	}
	if slow := s.slowest(); slow != "" {
		o.put("slowest_node", slow)
	}
	return o.end(), nil
}

func (n *NodeStatus) put(o *object) {
	key := n.Key()
	o.put(key+"records_in_total", n.Records)
	o.put(key+"records_out_total", n.Emitted)
	o.put(key+"messages_processed_total", n.Processed)
	o.put(key+"process_latency_us", n.Latency.Microseconds())
	o.put(key+"buffer_length", n.Queue)
	o.put(key+"last_invocation", millis(n.Invoked))
	o.put(key+"exceptions_total", n.Faults)
	o.put(key+"last_exception", n.Fault)
	o.put(key+"last_exception_time", millis(n.FaultAt))
	if c := n.Connection; c != nil {
		o.put(key+"connection_status", c.Status)
		o.put(key+"connection_last_connected_time", millis(c.Up))
		o.put(key+"connection_last_disconnected_time", millis(c.Down))
		o.put(key+"connection_last_disconnected_message", c.Message)
		o.put(key+"connection_last_try_time", millis(c.Tried))
	}
}

// slowest names the node that holds the others up: the sink whose queue is
// fullest, else the one whose rows take longest; "" while nothing is known.
func (s *Status) slowest() string {
	var name string
	queue, latency := 0, time.Duration(0)
	for _, n := range s.Nodes {
		if n.Queue > queue || (n.Queue == queue && n.Latency > latency && n.Kind != "source") {
			name, queue, latency = n.Kind+"_"+n.Name, n.Queue, n.Latency
		}
	}
	return name
}

// StatusesJSON is the state of every rule, with its last fault.
func (r *Rules) StatusesJSON() []byte {
	all := r.Statuses()
	var o object
	for _, id := range slices.Sorted(maps.Keys(all)) {
		s := all[id]
		var one object
		var total int64
		last, at := "", time.Time{}
		for _, n := range s.Nodes {
			total += n.Faults
			if n.FaultAt.After(at) {
				last, at = n.Fault, n.FaultAt
			}
		}
		one.put("status", s.State)
		one.put("last_exception", last)
		one.put("exceptions_total", total)
		o.put(id, json.RawMessage(one.end()))
	}
	if o.Len() == 0 {
		return []byte("{}")
	}
	return o.end()
}

// TopoJSON is the topology of a rule. The error is host.ErrNotFound.
func (r *Rules) TopoJSON(id string) ([]byte, error) {
	t, err := r.Topo(id)
	if err != nil {
		return nil, err
	}
	return plain(t), nil
}

// StreamJSON describes a stream. The error is host.ErrNotFound.
func (r *Rules) StreamJSON(name string) ([]byte, error) {
	s, err := r.Stream(name)
	if err != nil {
		return nil, host.Errorf(host.ErrNotFound, "Describe stream fails, %s is not found.", name)
	}
	type field struct {
		Name string `json:"Name"`
		Type string `json:"FieldType"`
	}
	fields := []field{}
	for _, f := range s.Fields {
		fields = append(fields, field{f.Name, f.Type.Kind})
	}
	options := map[string]string{}
	words := map[string]string{
		"DATASOURCE": "datasource", "FORMAT": "format", "KEY": "key", "CONF_KEY": "confKey", "TYPE": "type", "SHARED": "shared",
		"TIMESTAMP": "timestamp", "TIMESTAMP_FORMAT": "timestampFormat", "STRICT_VALIDATION": "strictValidation",
		"DELIMITER": "delimiter", "SCHEMAID": "schemaId", "RETAIN_SIZE": "retainSize", "KIND": "kind", "EXTRA": "extra",
	}
	for k, v := range s.Options {
		if w, ok := words[k]; ok {
			options[w] = v
		}
	}
	var o object
	o.put("Name", s.Name)
	o.put("StreamFields", fields)
	o.put("Options", options)
	o.put("StreamType", 0)
	o.put("Statement", s.Text)
	return o.end(), nil
}
