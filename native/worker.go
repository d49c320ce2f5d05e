package native

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/spawn"
)

// A worker is a child process, the same binary, that runs one plugin for the
// host, which is its parent: see isolated for the host's side and worker_wire.go
// for what they say to each other. What the plugin does to the process it does to
// the worker.

// What a worker allows itself.
const (
	workerGrace = 500 * time.Millisecond // for calls, when it is told to end
	flushEvery  = time.Second            // how late state is told that no call changed
)

// opener opens a plugin, as openPlugin does.
type opener func(path string) (finder, error)

// Worker is the whole of the child: it opens the file, when the host asks it to,
// and answers the host on conn, which it closes. It ends when the host says so,
// when conn ends or when its standard input does, that is, with its parent. It
// returns the exit code.
func Worker(path string, conn *os.File, stdin io.Reader, stderr io.Writer) int {
	if !opens {
		return refused(stderr)
	}
	return work(path, conn, stdin, stderr, openPlugin)
}

func work(path string, file *os.File, stdin io.Reader, stderr io.Writer, open opener) int {
	go spawn.EndWith(stdin)
	conn, err := net.FileConn(file)
	file.Close() // children of the plugin do not inherit it
	if err != nil {
		fmt.Fprintln(stderr, "worker: no connection to the host:", err)
		return 1
	}
	s := &server{path: path, open: open, calls: map[int64]context.CancelFunc{}, nodes: map[int64]*hosted{}, over: make(chan struct{})}
	s.life, s.end = context.WithCancel(context.Background())
	ready := make(chan struct{})
	s.link = newLink(conn, func(id int64, op int, f fields) error {
		<-ready
		return s.handle(id, op, f)
	})
	close(ready)
	return s.serve()
}

// server is a worker's side of the wire.
type server struct {
	path string
	open opener
	link *link
	life context.Context // ends when the calls in flight are forced to end
	end  context.CancelFunc
	over chan struct{} // closed when the host says so
	once sync.Once

	plugin atomic.Pointer[opened] // nil until the host has asked for it

	mu    sync.Mutex // guards what follows
	calls map[int64]context.CancelFunc
	nodes map[int64]*hosted
}

// opened is the plugin and what the worker has made of it.
type opened struct {
	*module
	state     *remoteState
	functions map[string]host.Function
	mu        sync.Mutex // guards seats
	seats     map[host.Call]*host.Call
}

// hosted is a source or a sink.
type hosted struct {
	mu     sync.Mutex // one request at a time
	symbol string
	source host.Source // or
	sink   host.Sink
}

// serve waits for the end, in good order or not. Calls that do not heed that are
// ended with the process.
func (s *server) serve() int {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush()
			continue
		case <-s.link.done:
			return 1
		case <-s.over:
		}
		break
	}
	ctx, cancel := context.WithTimeout(context.Background(), workerGrace)
	defer cancel()
	if p := s.plugin.Load(); p != nil {
		_ = p.guest.close(ctx) // the host has said what is left behind
	}
	s.end()
	s.flush()
	s.link.shut(ctx)
	return 0
}

// flush tells the host what changed of the state.
func (s *server) flush() {
	if p := s.plugin.Load(); p != nil {
		_ = p.state.kept.Save() // an error is the link's
	}
}

// handle takes a message of the host, on the reader's goroutine.
func (s *server) handle(id int64, op int, f fields) error {
	switch op {
	case opCancel:
		s.mu.Lock()
		cancel := s.calls[id]
		s.mu.Unlock()
		if cancel != nil {
			cancel()
		}
		return nil
	case opEnd:
		s.once.Do(func() { close(s.over) })
		return nil
	case opValue:
		if p := s.plugin.Load(); p != nil {
			return p.state.fetched(id, f)
		}
		return errProtocol
	}
	ctx, cancel := context.WithCancel(s.life)
	s.mu.Lock()
	s.calls[id] = cancel
	s.mu.Unlock()
	go s.answer(ctx, id, op, f) // ends with the process, if the plugin does not let it
	return nil
}

// answer runs a request.
func (s *server) answer(ctx context.Context, id int64, op int, f fields) {
	v, err := s.run(ctx, op, &f)
	s.mu.Lock()
	cancel := s.calls[id]
	delete(s.calls, id)
	s.mu.Unlock()
	cancel()
	s.flush()
	var b []byte
	if err == nil {
		if b, err = pack(id, opReply, v); err != nil {
			if p := s.plugin.Load(); p != nil {
				err = p.guest.fault("", host.FaultResult, err) // the host knows what it asked
			}
		}
	}
	if err != nil {
		if b, err = pack(id, opFail, encodeError(err)...); err != nil {
			s.link.fail(err)
			return
		}
	}
	_ = s.link.send(context.Background(), b)
}

// run does what is asked.
func (s *server) run(ctx context.Context, op int, f *fields) (any, error) {
	if op == opStart {
		return s.start(f)
	}
	p := s.plugin.Load()
	if p == nil {
		return nil, host.Errorf(host.ErrInvalid, "the plugin is not open")
	}
	switch op {
	case opExec:
		return p.exec(ctx, f)
	case opValidate:
		name, args := field[string](f), field[[]any](f)
		if err := f.end("a request"); err != nil {
			return nil, err
		}
		fn, err := p.function(name)
		if err != nil {
			return nil, err
		}
		return nil, fn.Validate(args)
	case opNew, opOpen, opWrite, opNext, opShut:
		return s.node(ctx, p, op, f)
	}
	return nil, fmt.Errorf("%w: op %d", errProtocol, op)
}

// start opens the plugin and looks for its symbols.
func (s *server) start(f *fields) (any, error) {
	id := host.ID{Class: host.Class(field[string](f)), Name: field[string](f)}
	man := host.Manifest{Version: field[string](f), Executable: field[string](f)}
	home := field[string](f)
	man.Functions, man.Sources, man.Sinks = nextStrings(f), nextStrings(f), nextStrings(f)
	if err := f.end("a request"); err != nil {
		return nil, err
	}
	find, err := s.open(s.path)
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "cannot open %s: %v", s.path, err)
	}
	state, err := newRemoteState(id)
	if err != nil {
		return nil, err
	}
	state.link = s.link
	b := host.Bundle{Plugin: host.Plugin{ID: id, Manifest: man}, State: state.kept}
	g, err := newGuest(b, guestOptions{Home: home, Log: slog.New(&remoteLog{link: s.link})})
	if err != nil {
		return nil, err
	}
	p := &opened{
		module: newModule(nil, placed{}, g, find, man),
		state:  state, functions: map[string]host.Function{}, seats: map[host.Call]*host.Call{},
	}
	if err := p.symbols.check(man); err != nil {
		return nil, err
	}
	aggregate := []any{}
	for _, name := range man.Functions {
		fn, err := p.Function(name)
		if err != nil {
			return nil, err
		}
		if own, ok := fn.(*function); ok {
			own.impl = stateful{own.impl, state}
		}
		if p.functions[name] = fn; fn.Signature().Aggregate {
			aggregate = append(aggregate, name)
		}
	}
	s.plugin.Store(p)
	return aggregate, nil
}

func (p *opened) function(name string) (host.Function, error) {
	if fn := p.functions[name]; fn != nil {
		return fn, nil
	}
	return nil, host.Errorf(host.ErrNotFound, "%s: function %s: not found", p.guest.id, name)
}

// exec runs a function.
func (p *opened) exec(ctx context.Context, f *fields) (any, error) {
	name := field[string](f)
	c := host.Call{
		Rule: field[string](f), Op: field[string](f),
		Instance: field[int64](f), Run: field[int64](f), Func: field[int64](f),
	}
	args := field[[]any](f)
	if err := f.end("a request"); err != nil {
		return nil, err
	}
	fn, err := p.function(name)
	if err != nil {
		return nil, err
	}
	return fn.Exec(ctx, p.seat(c), args)
}

// seat returns the one host.Call that is equal to c: functions know theirs by
// address. nil is the call from outside of any rule.
func (p *opened) seat(c host.Call) *host.Call {
	if c == (host.Call{}) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if own := p.seats[c]; own != nil {
		return own
	}
	if len(p.seats) >= maxSeats {
		clear(p.seats)
	}
	p.seats[c] = &c
	return &c
}
