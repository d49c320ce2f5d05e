//go:build !wasip1

package vanth

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// executor runs tasks one at a time, in the order in which they came.
type executor struct {
	turn sync.Mutex // eKuiper's wire: held by the call that runs

	mu      sync.Mutex // guards what follows
	busy    bool       // somebody runs a task or is about to
	queue   []task
	slow    int           // tasks still to be kept off the reader's goroutine
	caution int           // of them the next time that one is found slow
	swift   int           // tasks in a row that the reader ran and was not kept by
	current uint32        // the request under way
	stop    chan struct{} // of the call under way, once somebody has asked for it

	stopped atomic.Bool // the call under way is cancelled
	out     []byte      // whoever runs: the last result
}

// task is a request to a function, or to a sink.
type task struct {
	head
	function  *function
	use       *use
	sink      *laneSink
	payload   []byte
	copied    *[]byte // what payload is in, if it had to wait
	cancelled bool
}

// done is closed when the call under way is cancelled.
func (ex *executor) done() <-chan struct{} {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ex.stop == nil {
		ex.stop = make(chan struct{})
		if ex.stopped.Load() {
			close(ex.stop)
		}
	}
	return ex.stop
}

// begin makes t the one under way. The caller holds mu.
func (ex *executor) begin(t *task) {
	ex.busy, ex.current, ex.stop = true, t.id, nil
	if ex.stopped.Load() { // a store costs more than a look
		ex.stopped.Store(false)
	}
}

// cancel stops request id if it is here.
func (ex *executor) cancel(id uint32) bool {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ex.busy && ex.current == id {
		if !ex.stopped.Swap(true) && ex.stop != nil {
			close(ex.stop)
		}
		return true
	}
	for i := range ex.queue {
		if ex.queue[i].id == id {
			ex.queue[i].cancelled = true
			return true
		}
	}
	return false
}

func (l *lane) cancel(id uint32) {
	for _, f := range l.plugin.functions {
		if f.executor.cancel(id) {
			return
		}
	}
}

// later queues t with a copy of its payload, and starts a goroutine for it if there is none. The
// caller holds ex.mu.
func (l *lane) later(ex *executor, t task) {
	t.copied = borrowCopy(t.payload)
	t.payload = *t.copied
	ex.queue = append(ex.queue, t)
	if !ex.busy {
		ex.busy = true
		l.spawn(func() { l.drain(ex) })
	}
}

// drain runs what is queued until nothing is.
func (l *lane) drain(ex *executor) {
	for {
		ex.mu.Lock()
		if len(ex.queue) == 0 {
			ex.busy, ex.current = false, 0
			ex.queue = nil
			ex.mu.Unlock()
			return
		}
		t := ex.queue[0]
		ex.queue[0] = task{}
		ex.queue = ex.queue[1:]
		ex.begin(&t)
		ex.mu.Unlock()
		if err := l.perform(ex, &t, false); err != nil {
			l.finish(quiet(err))
		}
		returnCopy(t.copied)
	}
}

// call has a request to a function run, by the reader itself if it can be.
func (l *lane) call(h head, payload []byte) (kept bool, err error) {
	if int(h.symbol) >= len(l.plugin.functions) {
		return true, l.refuse(h.id, &Error{Msg: fmt.Sprintf("no function %d of %d", h.symbol, len(l.plugin.functions)), Class: Fatal})
	}
	t := task{head: h, function: l.plugin.functions[h.symbol], use: l.nobody, payload: payload}
	if h.op != opValidate && h.context != 0 {
		if t.use = l.uses[h.context]; t.use == nil {
			return true, l.refuse(h.id, &Error{Msg: fmt.Sprintf("context %d is not known", h.context), Class: Fatal})
		}
	}
	ex := t.function.executor
	ex.mu.Lock()
	if ex.busy || ex.slow > 0 || l.lent {
		l.woke = true
		ex.slow = max(0, ex.slow-1)
		l.later(ex, t)
		ex.mu.Unlock()
		return true, nil
	}
	ex.begin(&t)
	ex.mu.Unlock()

	hold := l.holds()
	role := l.enter(ex)
	if l.asking.Load() > 0 && l.leave(role) { // somebody waits for a frame that is still to be read
		l.woke = true
		ex.mu.Lock()
		ex.busy = false
		l.later(ex, t)
		ex.mu.Unlock()
		return true, nil
	}
	err = l.perform(ex, &t, hold)
	if l.leave(role) {
		ex.mu.Lock()
		ex.busy, ex.current = false, 0 // nothing is queued: only the role's holder does that
		ex.swiftly()
		ex.mu.Unlock()
		return true, err
	}
	if err == nil && hold { // whoever reads now may be past the frame it waited for
		err = l.out.flush()
	}
	if err != nil {
		l.finish(quiet(err))
	}
	l.drain(ex)
	return false, nil
}

// holds reports whether the result of the call that is about to run may wait for others. What was
// held too long already goes out first.
func (l *lane) holds() bool {
	if !l.reader.more() {
		return false
	}
	now := time.Since(l.start)
	switch {
	case l.held == 0:
		l.held = now
	case now-l.held > holdFor:
		l.held = 0
		_ = l.out.flush() // send returns the error
	}
	return true
}

const holdFor = 50 * time.Microsecond

// perform runs t and sends its result.
func (l *lane) perform(ex *executor, t *task, hold bool) error {
	if t.sink != nil {
		return t.sink.perform(l, t)
	}
	out := append(ex.out[:0], noHead[:]...)
	failed := false
	switch {
	case t.cancelled:
		out, failed = appendError(out, errCancelled), true
	case t.op == opValidate:
		out, failed = l.validate(t, out)
	case t.op == opBatch:
		out, failed = l.batch(ex, t, out)
	default:
		out, failed = t.function.callee.answer(t.use.contextOf(l.ctx, l.plugin, t.function, l), t.payload, out)
	}
	if len(out)-headSize > maxPayload {
		out, failed = appendError(out[:headSize], errTooLarge), true
	}
	h := head{op: opResult, id: t.id}
	if failed {
		h.flags = flagError
	}
	err := l.out.send(sealed(out, h), hold)
	if ex.out = out; cap(out) > keepBuffer {
		ex.out = nil
	}
	return err
}

var errCancelled = &Error{Msg: "cancelled", Class: IO}

func (l *lane) validate(t *task, out []byte) (_ []byte, failed bool) {
	v, err := Value(t.payload)
	args, ok := v.([]any)
	switch {
	case err != nil || !ok:
		err = errNoList
	default:
		for i := range args {
			args[i] = asJSON(args[i])
		}
		err = t.function.callee.validate(args)
	}
	if err != nil {
		return appendError(out, asError(err)), true
	}
	return append(out, 0xc0), false
}

// batch answers a list of lists of arguments with a list of results, errors among them.
func (l *lane) batch(ex *executor, t *task, out []byte) (_ []byte, failed bool) {
	start := len(out)
	d := decoder{rest: t.payload}
	list, err := d.head()
	if err != nil || list.kind != kList {
		return appendError(out, &Error{Msg: "the rows are not a list", Class: Usage}), true
	}
	c := t.use.contextOf(l.ctx, l.plugin, t.function, l)
	out = appendHead(out, kList, int(list.n))
	made, isMade := t.function.callee.(madeFunction)
	typed, isTyped := t.function.callee.(typedFunction)
	for left := list.n; left > 0; left-- {
		if isTyped {
			var done int64
			if done, out = typed.rows(c, ex, &d, left, out); done == left {
				break
			}
			left -= done
		}
		row := d.rest
		if isMade && !ex.stopped.Load() { // what takes any values needs not be looked at twice
			if args, err := c.args.read(&d, 2); err == nil {
				out, _ = made.run(c, args, out)
				continue
			}
			d.rest = row
		}
		if err := d.skip(1); err != nil {
			return appendError(out[:start], asError(err)), true
		}
		if ex.stopped.Load() {
			out = appendError(out, errCancelled)
			continue
		}
		out, _ = t.function.callee.answer(c, row[:len(row)-len(d.rest)], out)
	}
	if len(d.rest) > 0 {
		return appendError(out[:start], asError(ErrTrailing)), true
	}
	return out, false
}

// skip reads past one value that lies inside depth lists and maps. It looks at the structure only,
// and at what rows are mostly made of first.
func (d *decoder) skip(depth int) error {
	if b := d.rest; len(b) >= 9 {
		switch c := b[0]; {
		case c == 0xcb:
			d.rest = b[9:]
			return nil
		case c <= 0x7f, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
			d.rest = b[1:]
			return nil
		}
	}
	t, err := d.head()
	if err != nil {
		return err
	}
	n := t.n
	switch t.kind {
	case kString, kBytes, kTime, kError:
		_, err = d.take(n)
		return err
	case kMap:
		n *= 2
	case kList:
	default:
		return nil
	}
	if depth >= MaxDepth {
		return ErrDepth
	}
	for range n {
		if err := d.skip(depth + 1); err != nil {
			return err
		}
	}
	return nil
}
