package portable_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"

	"github.com/vanth-io/vanth/host/frame"
)

// A plugin on the fast lane, written by hand from sdk/abi/lane.md.

// laneFrame is a frame.
type laneFrame struct {
	op, flags byte
	symbol    uint16
	id, ctx   uint32
	payload   []byte
}

func (f laneFrame) bytes() []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(f.payload)))
	b = append(b, f.op, f.flags)
	b = binary.LittleEndian.AppendUint16(b, f.symbol)
	b = binary.LittleEndian.AppendUint32(b, f.id)
	b = binary.LittleEndian.AppendUint32(b, f.ctx)
	return append(b, f.payload...)
}

func readFrame(r io.Reader) (f laneFrame, err error) {
	var h [16]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return f, err
	}
	f = laneFrame{
		op: h[4], flags: h[5], symbol: binary.LittleEndian.Uint16(h[6:]),
		id: binary.LittleEndian.Uint32(h[8:]), ctx: binary.LittleEndian.Uint32(h[12:]),
	}
	f.payload = make([]byte, binary.LittleEndian.Uint32(h[:]))
	_, err = io.ReadFull(r, f.payload)
	return f, err
}

// laneEnd is the plugin's end of the lane.
type laneEnd struct {
	p *player
	r io.Reader
	w io.Writer

	queues map[uint16]chan func() // one call of a function at a time

	mu     sync.Mutex // guards what follows
	nodes  map[uint32]*laneStream
	calls  map[uint32]chan struct{} // closed when cancelled
	asked  map[uint32]chan laneFrame
	lastID uint32
	rules  map[uint32][]any
	order  sync.Mutex // of writes
}

// laneStream is an open source or sink.
type laneStream struct {
	config map[string]any
	credit chan int
	over   chan struct{}
	taken  int
}

func (p *player) lane() {
	n, err := strconv.Atoi(os.Getenv("VANTH_LANE"))
	if err != nil {
		fmt.Println("no lane is offered")
		os.Exit(3)
	}
	conn := os.NewFile(uintptr(n), "lane")
	e := &laneEnd{
		p: p, r: bufio.NewReader(conn), w: conn, queues: map[uint16]chan func(){}, nodes: map[uint32]*laneStream{},
		calls: map[uint32]chan struct{}{}, asked: map[uint32]chan laneFrame{}, rules: map[uint32][]any{},
	}
	if p.Hostile != "" {
		e.hostile()
	}
	var shared *peerRing
	if m, err := strconv.Atoi(os.Getenv("VANTH_RING")); err == nil && p.SDK == "ring" {
		shared = mapRing(m)
	}
	e.send(laneFrame{op: 1, payload: e.hello(shared != nil)})
	f, err := readFrame(e.r)
	if err != nil || f.op != 2 {
		fmt.Println("welcome:", f.op, err)
		os.Exit(4)
	}
	if w, _ := frame.Decode(f.payload); w.(map[string]any)["ring"] == true {
		e.r, e.w = bufio.NewReader(shared), shared
		go func() {
			_, _ = conn.Read(make([]byte, 1))
			os.Exit(0)
		}()
	}
	if p.Bytes != nil {
		_, _ = e.w.Write(p.Bytes)
	}
	for {
		f, err := readFrame(e.r)
		if err != nil {
			os.Exit(0) // the end of the host
		}
		e.take(f)
	}
}

func (e *laneEnd) hello(ring bool) []byte {
	return pack(map[string]any{
		"lane": int64(1), "name": e.p.Name, "sdk": "test", "ring": ring, "functions": texts(e.p.Functions),
		"sources": texts(e.p.Sources), "sinks": texts(e.p.Sinks), "aggregate": texts(e.p.Aggregate),
	})
}

// hostile says something else than hello, and then waits for what comes of it.
func (e *laneEnd) hostile() {
	hello := laneFrame{op: 1, payload: e.hello(false)}
	switch e.p.Hostile {
	case "bytes":
		_, _ = e.w.Write(e.p.Bytes)
	case "half":
		_, _ = e.w.Write(hello.bytes()[:20])
	case "huge":
		_, _ = e.w.Write([]byte{255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	case "op":
		hello.op = 32
		e.send(hello)
	case "version":
		hello.payload = pack(map[string]any{"lane": int64(2), "name": e.p.Name})
		e.send(hello)
	case "name":
		e.p.Name = "other"
		e.send(laneFrame{op: 1, payload: e.hello(false)})
	case "lacking":
		e.p.Functions = nil
		e.send(laneFrame{op: 1, payload: e.hello(false)})
	}
	select {}
}

func (e *laneEnd) send(f laneFrame) {
	e.order.Lock()
	defer e.order.Unlock()
	_, _ = e.w.Write(f.bytes())
}

// ask sends a request of the plugin.
func (e *laneEnd) ask(op byte, ctx uint32, list ...any) (any, error) {
	e.mu.Lock()
	e.lastID++
	id, answer := e.lastID, make(chan laneFrame, 1)
	e.asked[id] = answer
	e.mu.Unlock()
	e.send(laneFrame{op: op, id: id, ctx: ctx, payload: packArgs(list)})
	f := <-answer
	if len(f.payload) == 0 {
		return nil, nil
	}
	v, err := frame.Decode(f.payload)
	if f.flags&1 != 0 {
		return nil, v.(*frame.Error)
	}
	return v, err
}

func (e *laneEnd) result(id uint32, v any) {
	f := laneFrame{op: 32, id: id, payload: pack(v)}
	if _, bad := v.(*frame.Error); bad {
		f.flags = 1
	}
	e.send(f)
}

func usage(text string) *frame.Error { return &frame.Error{Msg: text, Class: "usage"} }

// take does what the host asks. It never blocks.
func (e *laneEnd) take(f laneFrame) {
	switch f.op {
	case 3:
		os.Exit(0)
	case 16, 17, 18:
		e.begin(f)
	case 19:
		e.mu.Lock()
		if c := e.calls[f.id]; c != nil {
			close(c)
			delete(e.calls, f.id)
		}
		e.mu.Unlock()
	case 20:
		list, _ := frame.DecodeArgs(f.payload)
		e.mu.Lock()
		e.rules[f.ctx] = list
		e.mu.Unlock()
	case 48, 49:
		e.open(f)
	case 50, 51, 55:
		e.onStream(f)
	case 79:
		e.mu.Lock()
		c := e.asked[f.id]
		delete(e.asked, f.id)
		e.mu.Unlock()
		if c != nil {
			c <- f
		}
	}
}

// begin queues a call.
func (e *laneEnd) begin(f laneFrame) {
	q := e.queues[f.symbol]
	if q == nil {
		q = make(chan func(), 1<<14)
		e.queues[f.symbol] = q
		go func() {
			for do := range q {
				do()
			}
		}()
	}
	cancelled := make(chan struct{})
	e.mu.Lock()
	e.calls[f.id] = cancelled
	e.mu.Unlock()
	name := e.p.Functions[f.symbol]
	q <- func() {
		e.result(f.id, e.run(name, f, cancelled))
		e.mu.Lock()
		if e.calls[f.id] == cancelled {
			delete(e.calls, f.id)
		}
		e.mu.Unlock()
	}
}

func (e *laneEnd) run(name string, f laneFrame, cancelled chan struct{}) any {
	args, err := frame.DecodeArgs(f.payload)
	if err != nil {
		return usage(err.Error())
	}
	switch f.op {
	case 18:
		if text := e.p.validate(name, args); text != "" {
			return usage(text)
		}
		return nil
	case 17:
		out := make([]any, len(args))
		for i, row := range args {
			out[i] = e.exec(name, f.ctx, row.([]any), cancelled)
		}
		return out
	}
	return e.exec(name, f.ctx, args, cancelled)
}

func (e *laneEnd) exec(name string, ctx uint32, args []any, cancelled chan struct{}) any {
	var v any
	var err error
	switch base(name) {
	case "spin":
		<-cancelled // it never returns by itself
		return usage("cancelled")
	case "context":
		e.mu.Lock()
		defer e.mu.Unlock()
		list := e.rules[ctx]
		if ctx == 0 {
			return "none"
		}
		return fmt.Sprint(list...)
	case "put":
		v, err = e.ask(65, ctx, args...)
	case "get":
		v, err = e.ask(64, ctx, args...)
	case "delete":
		v, err = e.ask(66, ctx, args...)
	case "add":
		v, err = e.ask(67, ctx, args...)
	case "total":
		v, err = e.ask(68, ctx, args...)
	default:
		w := e.p.exec(name, args, "")
		switch {
		case w.quit:
			os.Exit(0)
		case w.state || w.result == nil:
			return w.result
		}
		return usage(fmt.Sprint(w.result))
	}
	var bad *frame.Error
	if errors.As(err, &bad) {
		return bad
	} else if err != nil {
		return usage(err.Error())
	}
	return v
}

// Values of the lane.

func pack(v any) []byte {
	b, err := frame.Append(nil, v)
	if err != nil {
		b, _ = frame.Append(nil, err.Error())
	}
	return b
}

func packArgs(list []any) []byte {
	b, err := frame.AppendArgs(nil, list)
	if err != nil {
		fmt.Println(err)
	}
	return b
}

func texts(list []string) []any {
	out := []any{}
	for _, s := range list {
		out = append(out, s)
	}
	return out
}

// asJSON is what a sink of the lane writes down.
func asJSON(v any) []byte {
	if b, ok := v.([]byte); ok {
		return b
	}
	b, err := json.Marshal(v)
	if err != nil {
		return []byte(err.Error())
	}
	return b
}
