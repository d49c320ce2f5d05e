package portable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// lane is our own way to talk: one stream of frames in each direction, with many
// requests under way at once. See sdk/abi/lane.md.
//
// Callers append their frames to out. Whoever finds nobody writing writes all
// that is there, so a lone caller writes its own frame and busy ones share a
// write. One goroutine reads, and gives each answer to the caller that waits.
type lane struct {
	p      *process
	conn   *net.UnixConn
	ring   *ring // nil when the socket carries the frames
	hello  chan error
	down   chan struct{} // closed when the lane is no more
	reader sync.WaitGroup

	// What the plugin has, constant after hello: names to symbol numbers.
	symbols  map[host.Symbol]uint16
	collects map[string]bool

	pending pending
	nodes   laneNodes
	seats   seats

	out     sync.Mutex // guards what follows, not across a write
	queue   []byte
	spare   []byte
	writing bool
	room    sync.Cond // of out: the queue was taken
	reason  error     // valid once down is closed
	once    sync.Once
	told    atomic.Bool // hello has its value
}

var _ link = (*lane)(nil)

// errLaneUnused: the process ended its side without having said anything.
var errLaneUnused = errors.New("the lane is not used")

// The environment variables of the offer.
const (
	envLane = "VANTH_LANE"
	envRing = "VANTH_RING"
)

// newLane makes a lane and the files that the process gets, named after the
// variables that tell their numbers. The caller closes them after the fork.
func newLane(p *process) (_ *lane, files []*os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|socketFlags, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "lane"), os.NewFile(uintptr(fds[1]), envLane)
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	l := &lane{p: p, conn: conn.(*net.UnixConn), hello: make(chan error, 1), down: make(chan struct{})}
	l.room.L = &l.out
	l.nodes.init()
	l.seats.init()
	files = []*os.File{theirs}
	if f, r, err := newRing(); err == nil { // where there is none the socket does
		l.ring = r
		files = append(files, f)
	}
	l.reader.Go(l.read)
	return l, files, nil
}

func (l *lane) lane() string {
	if l.ring != nil {
		return "ring"
	}
	return "socket"
}

func isLane(k link) bool { _, ok := k.(*lane); return ok }

// say gives hello its value, once.
func (l *lane) say(err error) {
	if l.told.CompareAndSwap(false, true) {
		l.hello <- err
	}
}

// fail ends the lane; the first reason stays.
func (l *lane) fail(err error) {
	l.once.Do(func() {
		l.reason = err
		close(l.down)
		_ = l.conn.Close()
		if l.ring != nil {
			l.ring.shut()
		}
		l.out.Lock()
		l.room.Broadcast()
		l.out.Unlock()
		l.pending.end()
	})
}

// close implements link.
func (l *lane) close() {
	l.fail(errGone)
	l.reader.Wait()
	if l.ring != nil {
		l.ring.free()
	}
}

// bye implements link.
func (l *lane) bye() { _ = l.send(head{op: opBye}, nil) }

// read is the reader: the handshake, then what comes.
func (l *lane) read() {
	err := l.shake()
	if err == nil {
		err = l.serve()
	}
	if !l.told.Load() && (errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)) {
		err = errLaneUnused
	}
	l.say(err)
	if errors.Is(err, errProtocol) {
		l.p.m.log.Warn("the lane is ended, and its process with it", "err", err)
		<-l.p.forked
		if l.p.child != nil {
			l.p.child.Kill()
		}
	}
	l.fail(fmt.Errorf("%w: %w", errGone, err))
}

// shake takes hello and answers welcome.
func (l *lane) shake() error {
	h, payload, err := newFrameReader(&smallReads{l.conn}).next()
	if err != nil {
		return err
	}
	said, err := frame.Decode(payload)
	m, ok := said.(map[string]any)
	if err != nil || !ok || h.op != opHello || m["lane"] != int64(1) {
		return fmt.Errorf("%w: found op %d with %.200s first, expected hello of lane 1", errProtocol, h.op, host.Describe(said))
	}
	l.symbols, l.collects = map[host.Symbol]uint16{}, map[string]bool{}
	for key, k := range map[string]host.Kind{"functions": host.KindFunction, "sources": host.KindSource, "sinks": host.KindSink} {
		names, _ := m[key].([]any)
		for i, n := range names {
			if name, ok := n.(string); ok && i < 1<<16 {
				l.symbols[host.Symbol{Kind: k, Name: name}] = uint16(i)
			}
		}
	}
	list, _ := m["aggregate"].([]any)
	for _, n := range list {
		if name, ok := n.(string); ok {
			l.collects[name] = true
		}
	}
	if name, _ := m["name"].(string); name != l.p.m.id.Name {
		return fmt.Errorf("%w: the plugin calls itself %.64q, and is installed as %s", errProtocol, name, l.p.m.id.Name)
	}
	for _, s := range l.p.m.manifest.List() {
		if _, ok := l.symbols[s]; !ok {
			return fmt.Errorf("%s is in the manifest, but the plugin does not have it", s)
		}
	}
	if m["ring"] != true && l.ring != nil {
		l.ring.free()
		l.ring = nil
	}
	welcome, err := frame.Append(nil, map[string]any{"lane": int64(1), "host": "vanth", "ring": l.ring != nil})
	if err != nil {
		return err
	}
	b := end(append(begin(nil, head{op: opWelcome}), welcome...), 0)
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.p.m.rt.opts.SendTimeout)); err != nil {
		return err
	}
	if _, err := l.conn.Write(b); err != nil {
		return err
	}
	if l.ring != nil {
		l.reader.Go(func() { // the socket stays to tell the end
			_, _ = l.conn.Read(make([]byte, 1))
			l.fail(errGone)
		})
	}
	return nil
}

// smallReads keeps the handshake from reading what is not its own.
type smallReads struct{ r io.Reader }

func (s *smallReads) Read(p []byte) (int, error) { return s.r.Read(p) }

// serve reads frames until the lane ends.
func (l *lane) serve() error {
	var r io.Reader = l.conn
	if l.ring != nil {
		r = l.ring
	}
	frames := newFrameReader(r)
	l.say(nil)
	for {
		h, payload, err := frames.next()
		if err != nil {
			return err
		}
		switch h.op {
		case opResult:
			l.pending.answer(h, payload)
		case opMessage, opFailure, opEnd:
			err = l.nodes.take(h, payload)
		case opGet, opPut, opDelete, opAdd, opCount:
			err = l.state(h, payload)
		}
		if err != nil {
			return err
		}
		if !frames.buffered() {
			l.kick()
		}
	}
}

// maxUnwritten bounds what waits for the process to read, in bytes; one frame
// may be longer.
const maxUnwritten = 8 << 20

// send queues a frame whose payload build appends, and writes what is queued
// unless somebody does so.
func (l *lane) send(h head, build func([]byte) ([]byte, error)) error {
	l.out.Lock()
	for len(l.queue) > maxUnwritten && l.alive() {
		l.room.Wait()
	}
	if !l.alive() {
		l.out.Unlock()
		return fmt.Errorf("%w: %w", errNotSent, errGone)
	}
	if err := l.append(h, build); err != nil {
		l.out.Unlock()
		return err
	}
	return l.flush()
}

// enqueue queues a frame that the next one takes along.
func (l *lane) enqueue(h head, build func([]byte) ([]byte, error)) error {
	l.out.Lock()
	defer l.out.Unlock()
	return l.append(h, build)
}

// append puts a frame into the queue. It requires l.out.
func (l *lane) append(h head, build func([]byte) ([]byte, error)) error {
	start := len(l.queue)
	b := begin(l.queue, h)
	if build != nil {
		var err error
		if b, err = build(b); err != nil {
			l.queue = b[:start]
			return err
		}
	}
	l.queue = end(b, start)
	return nil
}

func (l *lane) alive() bool {
	select {
	case <-l.down:
		return false
	default:
		return true
	}
}

// kick writes what the reader has queued. When somebody writes already it does
// the rest too.
func (l *lane) kick() {
	l.out.Lock()
	if len(l.queue) == 0 || l.writing {
		l.out.Unlock()
		return
	}
	// The reader must not wait for a process that waits for it.
	l.writing = true
	l.out.Unlock()
	l.reader.Go(func() {
		l.out.Lock()
		l.writing = false
		_ = l.flush()
	})
}

// flush writes until the queue is empty, unless somebody does. It requires l.out
// and gives it up.
func (l *lane) flush() error {
	if l.writing {
		l.out.Unlock()
		return nil
	}
	l.writing = true
	for len(l.queue) > 0 && l.alive() {
		b := l.queue
		l.queue = l.spare[:0]
		l.room.Broadcast()
		l.out.Unlock()
		err := l.write(b)
		l.out.Lock()
		if cap(b) <= keepBytes {
			l.spare = b[:0]
		} else {
			l.spare = nil
		}
		if err != nil {
			l.writing = false
			l.out.Unlock()
			l.fail(fmt.Errorf("%w: %w", errGone, err))
			l.p.child.Kill() // half a frame may be out
			return nil       // the wait for the answer tells
		}
	}
	l.writing = false
	l.out.Unlock()
	return nil
}

func (l *lane) write(b []byte) error {
	if l.ring != nil {
		return l.ring.write(b, l.p.m.rt.opts.SendTimeout)
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(l.p.m.rt.opts.SendTimeout)); err != nil {
		return err
	}
	_, err := l.conn.Write(b)
	return err
}

// ask sends a request and waits for its answer, which is appended to dst.
func (l *lane) ask(ctx context.Context, dst []byte, h head, build func([]byte) ([]byte, error)) ([]byte, error) {
	w, err := l.pending.add(dst, nil)
	if err != nil {
		return dst, err
	}
	return l.askAs(ctx, w, h, build)
}

// askAs sends a request as the waiter w, which it drops.
func (l *lane) askAs(ctx context.Context, w *waiter, h head, build func([]byte) ([]byte, error)) ([]byte, error) {
	dst := w.dst
	h.id = w.id
	if err := l.send(h, build); err != nil {
		l.pending.drop(w)
		return dst, err
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		if l.pending.giveUp(w) {
			_ = l.send(head{op: opCancel, id: h.id}, nil)
			return dst, ctx.Err()
		}
		<-w.done // the answer was being written down
	}
	out, failed, err := w.dst, w.failed, w.err
	l.pending.drop(w)
	if err != nil {
		return dst, err
	}
	if failed {
		return dst, l.refused(out[len(dst):])
	}
	return out, nil
}

// laneError is an error value of the plugin.
type laneError struct{ text, class string }

func (e *laneError) Error() string { return e.text }

// refused decodes an error value.
func (l *lane) refused(payload []byte) error {
	v, err := frame.Decode(payload)
	if e, ok := v.(*frame.Error); ok && err == nil {
		return &laneError{e.Msg, e.Class}
	}
	return fmt.Errorf("%w: found %.200s where an error value must be", errProtocol, host.Describe(v))
}

// said turns the error of a request about a symbol into one of the host.
func (l *lane) said(symbol string, err error) error {
	e, ok := errors.AsType[*laneError](err)
	if !ok {
		return err
	}
	g := l.p.m.returned(symbol, e.text)
	g.Class = e.class
	if g.Class == "fatal" {
		g.Output = l.p.m.out.Last(outputTail)
	}
	return g
}

// function implements link: the lane knows all functions from the start.
func (l *lane) function(context.Context, string) error { return nil }

func (l *lane) aggregate(_ context.Context, name string) (bool, error) {
	return l.collects[name], nil
}

func (l *lane) number(k host.Kind, name string) uint16 {
	return l.symbols[host.Symbol{Kind: k, Name: name}]
}

func (l *lane) validate(ctx context.Context, name string, args []any) error {
	_, err := l.ask(ctx, nil, head{op: opValidate, symbol: l.number(host.KindFunction, name)}, arguments(args))
	if e, ok := errors.AsType[*laneError](err); ok {
		return host.Errorf(host.ErrInvalid, "%s", e.text)
	}
	return err
}

// arguments builds the payload of a list of arguments.
func arguments(args []any) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		b, err := frame.AppendArgs(b, args)
		if err != nil {
			err = host.Errorf(host.ErrInvalid, "%v", err)
		}
		return b, err
	}
}

func (l *lane) exec(ctx context.Context, name string, c *host.Call, args []any) (any, error) {
	rt := l.p.m.rt
	b := rt.borrow()
	defer rt.keep(b)
	var err error
	b.answer, err = l.execBytes(ctx, opCall, name, c, b.answer[:0], arguments(args))
	if err != nil {
		return nil, err
	}
	if len(b.answer) == 0 {
		return nil, nil
	}
	v, err := frame.Decode(b.answer)
	if err != nil {
		return nil, l.p.m.fault(name, host.FaultResult, err)
	}
	return v, nil
}

// execBytes calls a function, and appends the encoded result.
func (l *lane) execBytes(ctx context.Context, op byte, name string, c *host.Call, dst []byte, build func([]byte) ([]byte, error)) ([]byte, error) {
	seat, err := l.seat(c)
	if err != nil {
		return dst, err
	}
	out, err := l.ask(ctx, dst, head{op: op, symbol: l.number(host.KindFunction, name), context: seat}, build)
	return out, l.said(name, err)
}

// seats number the contexts that the plugin knows.
type seats struct {
	mu     sync.Mutex // guards what follows
	number map[*host.Call]uint32
	call   map[uint32]*host.Call
	last   uint32
}

// maxSeats bounds the contexts that are remembered; beyond it the oldest half is
// forgotten, on both sides.
const maxSeats = 4096

func (s *seats) init() { s.number, s.call = map[*host.Call]uint32{}, map[uint32]*host.Call{} }

// of returns the call of a context.
func (s *seats) of(n uint32) *host.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.call[n]
}

// seat returns the number of a context, and tells the plugin of a new one.
func (l *lane) seat(c *host.Call) (uint32, error) {
	if c == nil {
		return 0, nil
	}
	s := &l.seats
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.number[c]; ok {
		return n, nil
	}
	if len(s.number) >= maxSeats {
		for old, n := range s.number {
			if s.last-n >= maxSeats/2 {
				delete(s.number, old)
				delete(s.call, n)
				_ = l.enqueue(head{op: opForget, context: n}, nil)
			}
		}
	}
	s.last++
	n := s.last
	// Queued under the lock, so that no call overtakes it; the call has it written.
	err := l.enqueue(head{op: opContext, context: n}, func(b []byte) ([]byte, error) {
		return frame.AppendArgs(b, []any{c.Rule, c.Op, c.Instance, c.Run, c.Func})
	})
	if err != nil {
		return 0, err
	}
	s.number[c], s.call[n] = n, c
	return n, nil
}
