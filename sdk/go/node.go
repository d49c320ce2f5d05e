package vanth

import (
	"errors"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"
)

// Poller is a source that is running.
type Poller interface {
	// Poll emits what there is, without waiting, and says how long the host is to wait before it polls
	// again; 0 is at once, or soon if nothing was emitted. io.EOF ends the source, after what this poll emitted. Any other error is
	// told as that of one message and the source goes on: the host polls again later and later while
	// polls fail. An error of class Fatal ends the source. now is the host's clock.
	Poll(now time.Time, out *Out) (next time.Duration, err error)
}

// SourceFunc registers a source. open is called for each use of it, with what the rule says: its
// error fails the start, and one of class IO may be tried again. Of what open returns, a method
//
//	Rewind(offset any) error  makes the source one that can go back; it calls Out.Mark
//	Close() error             is called at the end
//
// and S should be a type of the plugin's, not an interface, for they are looked for when the source
// is registered. Names are registered as those of functions are, see Func.
func SourceFunc[S Poller](name string, open func(Config) (S, error)) {
	var none S
	words := []string{"source", name}
	if _, ok := any(none).(rewinder); ok {
		words = append(words, "rewind")
	}
	registerNode(words, open == nil, &node{open: func(c Config) (any, error) { return open(c) }, poll: poll})
}

// Collector is a sink that is running.
type Collector interface {
	// Collect takes one row, which it may keep.
	Collect(row map[string]any) error
}

// SinkFunc registers a sink, see SourceFunc. Of what open returns, a method
//
//	CollectList(rows []map[string]any) error  takes the rows that come together
//	CollectBytes(payload []byte) error        takes what the rule has encoded
//	Flush() error                             writes what is held: without it nothing may be held
//	Close() error                             is called at the end, after Flush
//
// An error of class IO says that the row was not taken and may be sent again.
func SinkFunc[S Collector](name string, open func(Config) (S, error)) {
	var none S
	words := []string{"sink", name, "collect"}
	if _, ok := any(none).(listCollector); ok {
		words = append(words, "list")
	}
	if _, ok := any(none).(bytesCollector); ok {
		words = append(words, "bytes")
	}
	if _, ok := any(none).(flusher); ok {
		words = append(words, "flush")
	}
	registerNode(words, open == nil, &node{open: func(c Config) (any, error) { return open(c) }})
}

type (
	rewinder      interface{ Rewind(offset any) error }
	listCollector interface {
		CollectList(rows []map[string]any) error
	}
	bytesCollector interface{ CollectBytes(payload []byte) error }
	flusher        interface{ Flush() error }
)

// nodes are the sources and sinks of this guest: package state for the reason that this is.
var nodes struct {
	registered []*node
	open       map[int32]any
}

// node is a registered source or sink. poll is nil for a sink; that only SourceFunc mentions it keeps
// the imports of sources out of other modules.
type node struct {
	words []string // kind, name, operations
	open  func(Config) (any, error)
	poll  func(h int32, source any, now time.Time) int64
}

func registerNode(words []string, isNil bool, n *node) {
	kind, name := words[0], words[1]
	if name == "" || !utf8.ValidString(name) {
		panic("vanth: a " + kind + " is registered without a name in UTF-8")
	}
	if isNil {
		panic("vanth: " + kind + " " + name + " is nil")
	}
	if nodeNumber(kind, name) >= 0 {
		panic("vanth: " + kind + " " + name + " is registered twice")
	}
	n.words = words
	nodes.registered = append(nodes.registered, n)
}

// nodeNumber is the place of a source or sink among those that are registered, -1 for none.
func nodeNumber(kind, name string) int {
	for i, n := range nodes.registered {
		if n.words[0] == kind && n.words[1] == name {
			return i
		}
	}
	return -1
}

// nodeList is the frame that tells the host what is registered.
func (g *guest) nodeList() []byte {
	out := appendHead(g.result[:0], kList, len(nodes.registered))
	for _, n := range nodes.registered {
		out = appendHead(out, kList, len(n.words))
		for _, w := range n.words {
			out = appendString(out, w)
		}
	}
	g.result = out
	return out
}

// The operations of the ABI.
const (
	doOpen int32 = iota
	doClose
	doRewind
	doCollect
	doList
	doBytes
	doFlush
)

// operate runs an operation of node i under handle h. A panic of its code is an error of class Fatal.
func (g *guest) operate(i, op, h int32, frame []byte) (out []byte, failed bool) {
	defer func() {
		if p := recover(); p != nil {
			out, failed = g.fail(&Error{Msg: "panic: " + panicText(p), Class: Fatal})
		}
	}()
	if cap(g.result) > keepResult {
		g.result = nil
	}
	if err := operate(i, op, h, frame); err != nil {
		return g.fail(err)
	}
	return nil, false
}

func operate(i, op, h int32, frame []byte) error {
	if i < 0 || int(i) >= len(nodes.registered) {
		return &Error{Msg: "no source or sink " + strconv.Itoa(int(i)) + " of " + strconv.Itoa(len(nodes.registered)), Class: Fatal}
	}
	n := nodes.registered[i]
	if op == doOpen {
		c, err := readConfig(frame)
		if err != nil {
			return err
		}
		x, err := n.open(c)
		if err == nil {
			if nodes.open == nil {
				nodes.open = map[int32]any{}
			}
			nodes.open[h] = x
		}
		return err
	}
	x, ok := nodes.open[h]
	if !ok {
		return &Error{Msg: n.words[0] + " " + n.words[1] + " is not open", Class: Fatal}
	}
	switch op {
	case doClose:
		delete(nodes.open, h)
		if c, ok := x.(io.Closer); ok {
			return c.Close()
		}
		return nil
	case doFlush:
		if f, ok := x.(flusher); ok {
			return f.Flush()
		}
		return nil
	case doBytes:
		if b, ok := x.(bytesCollector); ok {
			return b.CollectBytes(append(make([]byte, 0, len(frame)), frame...))
		}
		return &Error{Msg: "it takes no bytes", Class: Usage}
	}
	v, err := Value(frame)
	if err != nil {
		return &Error{Msg: err.Error(), Class: Fatal}
	}
	return deliver(x, op, v)
}

// deliver hands a value to what is open.
func deliver(x any, op int32, v any) error {
	switch op {
	case doRewind:
		if r, ok := x.(rewinder); ok {
			return r.Rewind(v)
		}
	case doCollect:
		if row, ok := v.(map[string]any); ok {
			return x.(Collector).Collect(row)
		}
		return &Error{Msg: "found a value that is no row, expected a map", Class: Usage}
	case doList:
		list, ok := v.([]any)
		rows := make([]map[string]any, len(list))
		for i := range list {
			row, isMap := list[i].(map[string]any)
			rows[i], ok = row, ok && isMap
		}
		if !ok {
			return &Error{Msg: "found a value that is no list of rows", Class: Usage}
		}
		if c, ok := x.(listCollector); ok {
			return c.CollectList(rows)
		}
		for _, row := range rows {
			if err := x.(Collector).Collect(row); err != nil {
				return err
			}
		}
		return nil
	}
	return &Error{Msg: "operation " + strconv.Itoa(int(op)) + " is not known", Class: Fatal}
}

// What a poll answers instead of a wait.
const (
	pollEnd    = -1
	pollFailed = -2
)

// pollNode polls node i under handle h.
func pollNode(i, h int32, now int64) int64 {
	if i < 0 || int(i) >= len(nodes.registered) || nodes.registered[i].poll == nil {
		return pollFailed
	}
	return nodes.registered[i].poll(h, nodes.open[h], time.UnixMilli(now).UTC())
}

// poll polls a source. A panic of its code is an error after which the source goes on.
func poll(h int32, source any, now time.Time) (answer int64) {
	out := &Out{h: h}
	defer func() {
		if p := recover(); p != nil {
			out.Fail(&Error{Msg: "panic: " + panicText(p), Class: Usage})
			answer = pollFailed
		}
	}()
	p, ok := source.(Poller)
	if !ok {
		out.Fail(&Error{Msg: "the source is not open", Class: Fatal})
		return pollFailed
	}
	next, err := p.Poll(now, out)
	if err == nil {
		err = out.err
	}
	switch {
	case errors.Is(err, io.EOF):
		return pollEnd
	case err != nil:
		out.Fail(err)
		return pollFailed
	case next > math.MaxInt64-time.Millisecond:
		next = math.MaxInt64 - time.Millisecond
	}
	return int64(max(0, next+time.Millisecond-1) / time.Millisecond)
}

// Out takes what a source emits during one poll.
type Out struct {
	h    int32
	buf  []byte
	err  error // the first value that has no frame
	full bool
}

// Emit emits one row. False says that it was not taken: the host has enough, or is closing. Then
// return, and emit it at the next poll.
func (o *Out) Emit(row map[string]any) bool { return o.EmitMessage(row, nil, time.Time{}) }

// EmitMessage emits a row or a list of rows (map[string]any, []any or []map[string]any), what is known
// about it, and when it happened, if that is known. See Emit.
func (o *Out) EmitMessage(rows any, meta map[string]any, at time.Time) bool {
	if o.full || o.err != nil {
		return false
	}
	b, err := Append(o.buf[:0], rows)
	n := len(b)
	if err == nil && meta != nil {
		b, err = Append(b, meta)
	}
	if err != nil {
		o.err = err
		return false
	}
	o.buf = b
	return o.taken(hostEmit(o.h, b[:n], b[n:], milliseconds(at)))
}

// EmitBytes emits a payload that the rule decodes. See EmitMessage.
func (o *Out) EmitBytes(payload []byte, meta map[string]any, at time.Time) bool {
	if o.full || o.err != nil {
		return false
	}
	b := o.buf[:0]
	if meta != nil {
		var err error
		if b, err = Append(b, meta); err != nil {
			o.err = err
			return false
		}
	}
	o.buf = b
	return o.taken(hostEmitBytes(o.h, payload, b, milliseconds(at)))
}

func (o *Out) taken(code int32) bool {
	if code < 0 {
		o.err = &HostError{Op: "emit", Code: code}
	}
	o.full = o.full || code > 0
	return code == 0
}

// Mark says that a source which is rewound to offset goes on behind what it has emitted so far. Each
// row that may be the last to be read needs one behind it; without, it is read twice.
func (o *Out) Mark(offset any) {
	b, err := Append(o.buf[:0], offset)
	if err != nil {
		o.err = err
		return
	}
	o.buf = b
	if code := hostMark(o.h, b); code < 0 {
		o.err = &HostError{Op: "mark", Code: code}
	}
}

// Fail tells an error of one message, in its place among the messages; Poll goes on. One of class
// Fatal ends the source.
func (o *Out) Fail(err error) {
	o.buf = appendError(o.buf[:0], asError(err))
	hostFail(o.h, o.buf)
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Config is what a rule says to a source or a sink.
type Config struct {
	// DataSource is the stream's DATASOURCE, empty for a sink.
	DataSource string
	// Props are the properties. Integers are int64, other numbers float64.
	Props map[string]any
}

func readConfig(frame []byte) (c Config, err error) {
	v, err := Value(frame)
	m, ok := v.(map[string]any)
	if err != nil || !ok {
		return c, &Error{Msg: "the configuration is not a map", Class: Fatal}
	}
	c.DataSource, _ = m["datasource"].(string)
	c.Props, _ = m["props"].(map[string]any)
	return c, nil
}

// String is a property, otherwise if it is absent.
func (c Config) String(key, otherwise string) (string, error) {
	return property(c, key, otherwise, tString)
}

// Bool is a property, otherwise if it is absent.
func (c Config) Bool(key string, otherwise bool) (bool, error) {
	return property(c, key, otherwise, tBool)
}

// Int is a property that is a whole number, otherwise if it is absent.
func (c Config) Int(key string, otherwise int64) (int64, error) {
	return property(c, key, otherwise, tInt64)
}

// Float is a property that is a number, otherwise if it is absent.
func (c Config) Float(key string, otherwise float64) (float64, error) {
	return property(c, key, otherwise, tFloat64)
}

// Duration is a property like "1.5s", or a number of milliseconds; otherwise if it is absent. It is not
// negative.
func (c Config) Duration(key string, otherwise time.Duration) (time.Duration, error) {
	var d time.Duration
	var err error
	if text, ok := c.Props[key].(string); ok {
		d, err = time.ParseDuration(text)
	} else {
		var ms int64
		ms, err = property(c, key, int64(otherwise/time.Millisecond), tInt64)
		if d = time.Duration(ms) * time.Millisecond; c.Props[key] == nil {
			d = otherwise
		} else if ms > math.MaxInt64/int64(time.Millisecond) {
			d = math.MaxInt64
		}
	}
	if err != nil || d < 0 {
		return 0, &Error{Msg: "property " + key + `: expected a duration like "1.5s", or milliseconds`, Class: Usage}
	}
	return d, nil
}

func property[T any](c Config, key string, otherwise T, want goType) (v T, err error) {
	x := c.Props[key]
	if x == nil {
		return otherwise, nil
	}
	frame, err := Append(nil, x)
	if err == nil {
		d := decoder{rest: frame}
		err = d.into(want, unsafe.Pointer(&v))
	}
	if err != nil {
		return otherwise, &Error{Msg: "property " + key + ": " + err.Error(), Class: Usage}
	}
	return v, nil
}
