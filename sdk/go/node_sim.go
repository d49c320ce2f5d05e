//go:build !wasip1

package vanth

import (
	"errors"
	"io"
	"maps"
	"time"
)

// Polled is what a source did in one poll.
type Polled struct {
	Messages []Emitted
	Errors   []error       // *Error, in order
	Offset   any           // the last that was marked, nil for none
	Next     time.Duration // how long it wants to wait
	End      bool          // it has ended
}

// Emitted is one message of a source.
type Emitted struct {
	Value any // map[string]any, []any, or []byte
	Meta  map[string]any
	Time  time.Time // zero: not known
}

// Rows are the values that are single rows.
func (p Polled) Rows() []map[string]any {
	var rows []map[string]any
	for _, m := range p.Messages {
		if row, ok := m.Value.(map[string]any); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// SimSource is a registered source that was opened as the host would.
type SimSource struct{ simNode }

// SimSink is a registered sink that was opened as the host would.
type SimSink struct{ simNode }

type simNode struct {
	number, h int32
}

// simHandles counts what was opened; polls holds what the poll under way emits. They belong to this
// process as sim does.
var (
	simHandles int32
	polls      = map[int32]*Polled{}
)

// OpenSource opens a registered source. The error is an *Error.
func OpenSource(name string, c Config) (*SimSource, error) {
	n, err := openNode("source", name, c)
	return &SimSource{n}, err
}

// OpenSink opens a registered sink. The error is an *Error.
func OpenSink(name string, c Config) (*SimSink, error) {
	n, err := openNode("sink", name, c)
	return &SimSink{n}, err
}

func openNode(kind, name string, c Config) (simNode, error) {
	simHandles++
	n := simNode{int32(nodeNumber(kind, name)), simHandles}
	if n.number < 0 {
		return n, &Error{Msg: kind + " " + name + " is not registered", Class: Usage}
	}
	props := c.Props
	if props == nil {
		props = map[string]any{}
	}
	return n, n.send(doOpen, map[string]any{"props": props, "datasource": c.DataSource})
}

// send runs an operation by way of its frame.
func (n simNode) send(op int32, v any) error {
	frame, err := Append(nil, v)
	if err != nil {
		return asError(err)
	}
	return n.run(op, frame)
}

func (n simNode) run(op int32, frame []byte) error {
	out, failed := this.operate(n.number, op, n.h, append(this.buf(len(frame))[:0], frame...))
	if !failed {
		return nil
	}
	v, err := Value(out)
	if err != nil {
		return err
	}
	return v.(*Error)
}

// Close closes it; a sink is flushed before.
func (n simNode) Close() error {
	var flushed error
	if nodes.registered[n.number].poll == nil {
		flushed = n.run(doFlush, nil)
	}
	return errors.Join(flushed, n.run(doClose, nil))
}

// Poll polls once, at the host's time (Sim.Now). The simulated host takes Sim.Room messages.
func (s *SimSource) Poll() Polled {
	p := &Polled{}
	polls[s.h] = p
	defer delete(polls, s.h)
	switch n := pollNode(s.number, s.h, hostNow()); n {
	case pollEnd:
		p.End = true
	case pollFailed:
	default:
		p.Next = time.Duration(n) * time.Millisecond
	}
	for _, err := range p.Errors {
		var e *Error
		p.End = p.End || errors.As(err, &e) && e.Class == Fatal
	}
	return *p
}

// Rewind has the source go to an offset.
func (s *SimSource) Rewind(offset any) error { return s.send(doRewind, offset) }

// Write hands over a message: a row, a list of rows, or bytes.
func (s *SimSink) Write(v any) error {
	switch v := v.(type) {
	case map[string]any:
		return s.send(doCollect, v)
	case []byte:
		return s.run(doBytes, v)
	}
	return s.send(doList, v)
}

// Flush has the sink write what it holds.
func (s *SimSink) Flush() error { return s.run(doFlush, nil) }

// defaultRoom is how many messages the host takes in one poll.
const defaultRoom = 1024

func hostEmit(h int32, rows, meta []byte, at int64) int32 {
	v, err := Value(rows)
	if err != nil {
		panic(err)
	}
	return simEmit(h, v, meta, at)
}

func hostEmitBytes(h int32, payload, meta []byte, at int64) int32 {
	return simEmit(h, append([]byte{}, payload...), meta, at)
}

func simEmit(h int32, v any, meta []byte, at int64) int32 {
	p := polls[h]
	room := sim.Room
	if room == 0 {
		room = defaultRoom
	}
	switch {
	case p == nil:
		return codeDenied
	case len(p.Messages) >= room:
		return 1
	}
	m := Emitted{Value: v}
	if len(meta) > 0 {
		known, err := Value(meta)
		if err != nil {
			panic(err)
		}
		m.Meta, _ = known.(map[string]any)
	}
	if at != 0 {
		m.Time = time.UnixMilli(at).UTC()
	}
	p.Messages = append(p.Messages, m)
	return 0
}

func hostMark(h int32, offset []byte) int32 {
	p := polls[h]
	if p == nil {
		return codeDenied
	}
	var err error
	if p.Offset, err = Value(offset); err != nil {
		panic(err)
	}
	return 0
}

func hostFail(h int32, frame []byte) int32 {
	p := polls[h]
	if p == nil {
		return codeDenied
	}
	v, err := Value(frame)
	if err != nil {
		panic(err)
	}
	p.Errors = append(p.Errors, v.(*Error))
	return 0
}

// hostHTTP has Sim.HTTP answer.
func hostHTTP(request []byte) ([]byte, int32) {
	if live() != nil || sim.HTTP == nil {
		return nil, codeDenied
	}
	v, err := Value(request)
	if err != nil {
		panic(err)
	}
	m := v.(map[string]any)
	r := Request{}
	r.Method, _ = m["method"].(string)
	r.URL, _ = m["url"].(string)
	r.Body, _ = m["body"].([]byte)
	if r.Method == "" {
		r.Method = "GET"
		if r.Body != nil {
			r.Method = "POST"
		}
	}
	if ms, ok := m["timeout"].(int64); ok {
		r.Timeout = time.Duration(ms) * time.Millisecond
	}
	if h, ok := m["headers"].(map[string]any); ok {
		r.Headers = map[string]string{}
		for k, v := range h {
			r.Headers[k], _ = v.(string)
		}
	}
	p, err := sim.HTTP(r)
	if err == nil && p == nil {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return appendError(nil, asError(err)), 0
	}
	headers := maps.Clone(p.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	body := p.Body
	if body == nil {
		body = []byte{}
	}
	out, err := Append(nil, map[string]any{"status": p.Status, "headers": headers, "body": body})
	if err != nil {
		panic(err)
	}
	return out, 0
}
