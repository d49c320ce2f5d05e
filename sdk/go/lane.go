//go:build !wasip1

package vanth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// lane is a plugin's side of the fast lane, from hello to the end of the stream.
//
// Frames are read by whoever has the reader's role, a goroutine in lead. It runs the call it has
// read by itself if the function is free: no hand-over, no switch. The role passes on to a new
// goroutine when the old one is found in a call that takes its time (watch); the old one then goes on
// as the function's own. Who needs an answer from the host while the holder is in a call borrows the
// role until it comes (ask): mostly that is the call itself, and again nobody has to be woken.
type lane struct {
	plugin *plugin
	ctx    context.Context // of all user code; done when the lane ends
	out    *sender

	role     atomic.Uint64            // see roleReads
	running  atomic.Pointer[executor] // what the holder is in
	reader   *frameReader             // the holder's, as is all up to watching that is not atomic
	pinned   *frameReader             // in its buffer are the arguments of the call the holder is in
	spare    *frameReader
	lent     bool // somebody holds the role until an answer comes
	woke     bool // the holder's: it has made another goroutine ready since it last waited
	uses     map[uint32]*use
	nobody   *use
	start    time.Time
	held     time.Duration // the holder's: since start, when a result was first held back
	watching atomic.Bool
	watched  chan struct{}

	asking atomic.Int32 // goroutines that wait for an answer

	mu      sync.Mutex // guards what follows
	asks    map[uint32]chan answer
	lastID  uint32
	handles map[uint32]handle

	over   sync.Once
	ended  chan struct{}
	err    error          // why it ended; nil if the host wanted it
	wg     sync.WaitGroup // goroutines that end with the lane
	opened sync.WaitGroup // sources and sinks that have not closed
}

// handle is an open source or sink.
type handle interface {
	credit(n uint32)
	write(l *lane, id uint32, payload []byte) error // an error ends the lane
	close(l *lane, id uint32)                       // id 0: nobody wants to know
}

var errBye = errors.New("bye")

// runLane speaks the lane over the socket until its end. ring, if any, is what the host offers.
func runLane(ctx context.Context, p *plugin, socket stream, ring stream) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &lane{
		plugin: p, ctx: ctx, out: newSender(socket), reader: newFrameReader(socket), uses: map[uint32]*use{},
		start: time.Now(), watched: make(chan struct{}, 1), asks: map[uint32]chan answer{}, handles: map[uint32]handle{}, ended: make(chan struct{}),
	}
	l.nobody = p.newUse(0)
	l.uses[0] = l.nobody
	useRing, err := l.greet(ring != nil)
	if err != nil {
		return quiet(err)
	}
	if useRing {
		l.listen(l.reader) // the socket stays open only to end
		l.reader, l.out = newFrameReader(ring), newSender(ring)
	}
	l.spawn(l.watch)
	l.spawn(l.lead)
	select {
	case <-l.ended:
	case <-ctx.Done(): // a signal
	}
	l.finish(nil)
	cancel()
	l.closeAll()
	return l.err
}

// listen ends the lane with the socket.
func (l *lane) listen(socket *frameReader) {
	l.spawn(func() {
		for {
			socket.pos, socket.end = 0, 0
			if err := socket.fill(); err != nil {
				l.finish(nil)
				return
			}
		}
	})
}

// spawn starts a goroutine that closeAll waits for.
func (l *lane) spawn(f func()) {
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		f()
	}()
}

// finish ends the lane. The first reason counts.
func (l *lane) finish(err error) {
	l.over.Do(func() {
		l.err = err
		close(l.ended)
	})
}

// closeAll gives what is open the time to close. Goroutines that hang in a read end with the process.
func (l *lane) closeAll() {
	l.mu.Lock()
	open := l.handles
	l.handles = nil // nothing opens any more
	l.mu.Unlock()
	for _, h := range open {
		h.close(l, 0)
	}
	closed := make(chan struct{})
	go func() {
		l.opened.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(farewell):
	}
}

// greet exchanges hello and welcome.
func (l *lane) greet(offered bool) (ring bool, err error) {
	hello := map[string]any{
		"lane": 1, "name": l.plugin.name, "sdk": sdkName, "ring": offered,
		"sources": names(l.plugin.sources), "sinks": names(l.plugin.sinks),
	}
	functions, aggregate := []string{}, []string{}
	for _, f := range l.plugin.functions {
		functions = append(functions, f.name)
		if f.aggregate {
			aggregate = append(aggregate, f.name)
		}
	}
	hello["functions"], hello["aggregate"] = functions, aggregate
	if err := l.post(head{op: opHello}, hello); err != nil {
		return false, err
	}
	for {
		h, payload, ok, err := l.reader.next()
		if err != nil {
			return false, err
		}
		switch {
		case !ok:
			if err := l.reader.fill(); err != nil {
				return false, err
			}
		case h.op == opBye:
			return false, errBye
		case h.op == opWelcome:
			v, err := Value(payload)
			m, isMap := v.(map[string]any)
			if err != nil || !isMap || m["lane"] != int64(1) {
				return false, fmt.Errorf("lane: welcome: %v is not lane 1", m["lane"])
			}
			return offered && m["ring"] == true, nil
		default:
			return false, fmt.Errorf("lane: op %d before welcome", h.op)
		}
	}
}

const sdkName = "vanth-go/1"

func names[T any](list []symbol[T]) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, s.name)
	}
	return out
}

// lead reads and handles frames for as long as it has the role.
func (l *lane) lead() {
	for {
		kept, err := l.step()
		if err != nil {
			l.finish(quiet(err))
			return
		}
		if !kept {
			return
		}
	}
}

// step handles a frame, or waits for more of it. It is the role's holder's.
func (l *lane) step() (kept bool, err error) {
	h, payload, ok, err := l.reader.next()
	if err != nil {
		return true, err
	}
	if ok {
		return l.handle(h, payload)
	}
	if err := l.out.flush(); err != nil {
		return true, err
	}
	l.held = 0
	if l.woke { // a wait keeps its processor for a while: first those who are ready for it
		l.woke = false
		runtime.Gosched()
	}
	return true, l.reader.fill()
}

// quiet makes nil of an end that is the host's wish or the host's own.
func quiet(err error) error {
	if errors.Is(err, errBye) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || isGone(err) {
		return nil
	}
	return err
}

// handle does what a frame asks for. What has an id and is wrong is answered with an error; what is
// wrong and cannot be answered ends the lane.
func (l *lane) handle(h head, payload []byte) (kept bool, err error) {
	switch h.op {
	case opCall, opBatch, opValidate:
		return l.call(h, payload)
	case opBye:
		return false, errBye
	case opCancel:
		l.cancel(h.id)
	case opContext:
		err = l.introduce(h.context, payload)
	case opForget:
		if h.context != 0 {
			delete(l.uses, h.context)
		}
	case opOpenSource, opOpenSink:
		err = l.openHandle(h, payload)
	case opClose:
		l.closeHandle(h)
	case opCredit:
		if x := l.handleOf(h.context); x != nil {
			l.woke = true
			x.credit(h.id)
		}
	case opWrite:
		x := l.handleOf(h.context)
		if x == nil {
			return true, l.refuse(h.id, &Error{Msg: fmt.Sprintf("no sink is open as %d", h.context), Class: Usage})
		}
		l.woke = true
		err = x.write(l, h.id, payload)
	case opValue:
		l.answered(h, payload)
	}
	return true, err
}

// introduce keeps what the host says about a context.
func (l *lane) introduce(id uint32, payload []byte) error {
	v, err := Value(payload)
	list, _ := v.([]any)
	if err != nil || len(list) != 5 || id == 0 {
		return fmt.Errorf("lane: context %d: not a list of five", id)
	}
	u := l.plugin.newUse(id)
	var ok [5]bool
	u.rule, ok[0] = list[0].(string)
	u.op, ok[1] = list[1].(string)
	u.instance, ok[2] = list[2].(int64)
	u.run, ok[3] = list[3].(int64)
	u.fn, ok[4] = list[4].(int64)
	if ok != [5]bool{true, true, true, true, true} {
		return fmt.Errorf("lane: context %d: not two texts and three integers", id)
	}
	l.uses[id] = u
	return nil
}

// post sends a frame of v.
func (l *lane) post(h head, v any) error {
	frame, err := appendAny(append(make([]byte, 0, 256), noHead[:]...), v)
	if err != nil {
		return err
	}
	if len(frame)-headSize > maxPayload {
		return errTooLarge
	}
	return l.out.send(sealed(frame, h), false)
}

var errTooLarge = &Error{Msg: "a value is longer than 64 MiB", Class: Fatal}

// refuse answers request id with err.
func (l *lane) refuse(id uint32, err error) error {
	return l.post(head{op: opResult, flags: flagError, id: id}, asError(err))
}

// done answers request id with null or err.
func (l *lane) done(id uint32, err error) error {
	if err != nil {
		return l.refuse(id, err)
	}
	return l.out.send(alone(head{op: opResult, id: id}), false)
}

func (l *lane) handleOf(id uint32) handle {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.handles[id]
}

func (l *lane) closeHandle(h head) {
	l.mu.Lock()
	x := l.handles[h.context]
	delete(l.handles, h.context)
	l.mu.Unlock()
	if x == nil { // it has ended by itself
		_ = l.done(h.id, nil)
		return
	}
	x.close(l, h.id)
}
