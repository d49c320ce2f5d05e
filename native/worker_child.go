package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/spawn"
)

// The bounds of a worker process.
const (
	endGrace    = 2 * time.Second // for a worker that was told to end
	drainGrace  = time.Second     // for what a dead worker left in the socket
	maxInFlight = 1024            // requests that a worker has not answered, those given up included
	tailBytes   = 4 << 10         // of its standard error that are kept
)

// child is one worker process:
//
//  1. startChild makes the socket and starts the process
//  2. ask sends requests, from any goroutine
//  3. when the process ends, the connection does, or stop is called, watch kills
//     the process group, waits for the process and for both goroutines of the
//     link, fails what was asked, and closes gone
type child struct {
	m      *isolated
	pid    int
	link   *link
	stderr spawn.Tail

	exited chan struct{} // closed when the process has been waited for
	exit   error         // valid once exited is closed
	dying  chan struct{} // closed when no request can be answered any more
	gone   chan struct{} // closed when nothing of it is left

	answered atomic.Int64 // replies to what is not the start

	mu    sync.Mutex // guards what follows
	last  int64
	asked map[int64]*request
	fatal error // why it died, as the error of a call without its symbol
}

// request is what has been asked and not answered.
type request struct {
	id     int64
	symbol string
	counts bool // an answer to it shows that the worker is good for something
	reply  chan answer
}

type answer struct {
	value any
	err   error
}

// startChild starts a worker. It does not know the plugin yet.
func startChild(m *isolated, command []string) (*child, error) {
	conn, file, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	c := &child{
		m: m, asked: map[int64]*request{}, stderr: spawn.Tail{Limit: tailBytes},
		exited: make(chan struct{}), dying: make(chan struct{}), gone: make(chan struct{}),
	}
	cmd := spawn.Command(context.Background(), command, m.path) // it outlives the call
	cmd.Env = append(loaderEnv(), "GOTRACEBACK=single")         // the plugin sees nothing else of ours
	cmd.ExtraFiles = append(cmd.ExtraFiles, file)               // fd 3
	cmd.Stderr = &c.stderr
	stdin, err := spawn.Start(cmd, func(err error) {
		c.exit = err
		close(c.exited)
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	c.pid = cmd.Process.Pid
	c.link = newLink(conn, c.handle)
	go c.watch(stdin)
	return c, nil
}

// watch waits for the end of the worker and leaves nothing of it.
func (c *child) watch(stdin io.Closer) {
	defer close(c.gone)
	select {
	case <-c.link.done:
		close(c.dying)
		if !errors.Is(c.link.err, errProtocol) && !errors.Is(c.link.err, errLinkShut) {
			within(drainGrace, c.exited) // in its own way, with its own status
		}
	case <-c.exited:
		spawn.KillGroup(c.pid) // what it may have started
		within(drainGrace, c.link.done)
		close(c.dying)
	}
	c.link.fail(errLinkShut)
	spawn.KillGroup(c.pid)
	<-c.exited
	stdin.Close()
	c.link.wait()

	c.mu.Lock()
	c.fatal = c.cause()
	asked := c.asked
	c.asked = nil
	c.mu.Unlock()
	for _, r := range asked {
		r.reply <- answer{err: c.crash(r.symbol)}
	}
}

// within waits for an event, at most for d.
func within(d time.Duration, event <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-event:
	case <-t.C:
	}
}

// cause says why the worker died: what it did to the protocol, else how its
// process ended.
func (c *child) cause() error {
	switch err := c.link.err; {
	case errors.Is(err, errProtocol):
		return fmt.Errorf("the worker process was ended: it %w", err)
	case c.exit == nil:
		return errors.New("the worker process has ended: exit status 0")
	default:
		return fmt.Errorf("the worker process has ended: %w", c.exit)
	}
}

// crash makes the error of a call from the end of the worker. It is called once
// the worker is gone.
func (c *child) crash(symbol string) error {
	e := c.m.guest.fault(symbol, host.FaultTrap, c.fatal)
	e.Output = valid(c.stderr.String())
	return e
}

// ask sends a request and waits for its answer, until ctx ends: then the worker
// is told, and not waited for. symbol names it in errors.
func (c *child) ask(ctx context.Context, symbol string, op int, values ...any) (any, error) {
	r, err := c.begin(ctx, symbol, op, values...)
	if err != nil {
		return nil, err
	}
	a, ok := c.await(ctx, r)
	if !ok {
		c.cancel(r)
		return nil, c.ended(ctx, symbol)
	}
	return a.value, a.err
}

// ended is the error of a wait that ended before its answer.
func (c *child) ended(ctx context.Context, symbol string) error {
	switch err := ctx.Err(); {
	case err == nil:
		return c.m.guest.errInterrupted(symbol)
	case errors.Is(err, context.DeadlineExceeded):
		return c.m.guest.fault(symbol, host.FaultDeadline, err)
	default:
		return fmt.Errorf("%s: %w", symbol, err)
	}
}

// begin sends a request.
func (c *child) begin(ctx context.Context, symbol string, op int, values ...any) (*request, error) {
	r := &request{symbol: symbol, counts: op != opStart, reply: make(chan answer, 1)}
	c.mu.Lock()
	switch {
	case c.asked == nil:
		c.mu.Unlock()
		return nil, c.crash(symbol)
	case len(c.asked) >= maxInFlight:
		c.mu.Unlock()
		return nil, fmt.Errorf("%s: %d calls have not returned: %w", symbol, maxInFlight, host.ErrBusy)
	}
	c.last++
	r.id = c.last
	c.asked[r.id] = r
	c.mu.Unlock()
	b, err := pack(r.id, op, values...)
	if err == nil {
		err = c.link.send(ctx, b)
	}
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		c.forget(r)
		return nil, c.ended(ctx, symbol)
	case errors.Is(err, host.ErrInvalid):
		c.forget(r)
		return nil, fmt.Errorf("%s: %w", symbol, err)
	}
	return r, nil // the link has failed: watch answers
}

// await waits for the answer; false when ctx ended first, or the module was
// forced to end.
func (c *child) await(ctx context.Context, r *request) (answer, bool) {
	select {
	case a := <-r.reply:
		return a, true
	case <-ctx.Done():
	case <-c.m.guest.life.Done():
	}
	select {
	case a := <-r.reply:
		return a, true // both at once: what came is not lost
	default:
		return answer{}, false
	}
}

// cancel tells the worker that nobody waits for the answer. It does not wait
// itself; a worker that does not read is not told.
func (c *child) cancel(r *request) {
	if b, err := pack(r.id, opCancel); err == nil {
		c.link.trySend(b)
	}
}

func (c *child) forget(r *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asked, r.id)
}

// handle takes a message of the worker, on the reader's goroutine.
func (c *child) handle(id int64, op int, f fields) error {
	switch op {
	case opReply:
		v := nextAny(&f)
		if err := f.end("a reply"); err != nil {
			return err
		}
		return c.answer(id, answer{value: v})
	case opFail:
		err, broken := c.m.guest.decodeError(f)
		if broken != nil {
			return broken
		}
		return c.answer(id, answer{err: err})
	case opState:
		return c.m.keep(f)
	case opFetch:
		return c.fetch(id, f)
	case opLog:
		return c.m.logged(f)
	}
	return fmt.Errorf("%w: it sent op %d", errProtocol, op)
}

func (c *child) answer(id int64, a answer) error {
	c.mu.Lock()
	r := c.asked[id]
	delete(c.asked, id)
	c.mu.Unlock()
	if r == nil {
		return fmt.Errorf("%w: it answered %d, which was not asked", errProtocol, id)
	}
	if r.counts {
		c.answered.Add(1)
	}
	if g, ok := a.err.(*host.GuestError); ok && g.Symbol == "" { //nolint:errorlint // decodeError made it
		g.Symbol = r.symbol
	}
	r.reply <- a
	return nil
}

// fetch answers what the worker asks of the state. The reader must not wait: a
// worker that asks and does not read has broken the protocol.
func (c *child) fetch(id int64, f fields) error {
	scope, key := string(field[[]byte](&f)), string(field[[]byte](&f))
	if err := f.end("a fetch"); err != nil {
		return err
	}
	var value any
	if b, ok := c.m.state.Append([]byte{}, scope, key); ok {
		value = b
	}
	b, err := pack(id, opValue, value, c.m.state.Counter(scope, key))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return c.link.send(ctx, b)
}

// stop ends the worker: in good order within the grace, else by force. It
// returns when nothing of it is left.
func (c *child) stop() {
	if b, err := pack(0, opEnd); err == nil && c.link.trySend(b) {
		within(endGrace, c.gone)
	}
	c.link.fail(errLinkShut)
	<-c.gone
}
