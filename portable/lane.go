package portable

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/portable/internal/trial"
)

// lane is our own way to talk: one stream of frames in each direction, with many
// requests under way at once. See sdk/abi/lane.md.
//
// Callers append their frames to out. Whoever finds nobody writing writes all
// that is there, so a lone caller writes its own frame and busy ones share a
// write. One goroutine reads, and gives each answer to the caller that waits; which
// one that is changes, see lane_reader.go.
type lane struct {
	p      *process
	conn   *net.UnixConn
	ring   *ring // nil when the socket carries the frames
	hello  chan error
	down   chan struct{} // closed when the lane is no more
	frames *frameReader  // of who reads, as is trial
	trial  trial.Trial
	reader sync.WaitGroup

	// What the plugin has, constant after hello: names to symbol numbers.
	symbols  map[host.Symbol]uint16
	numbers  []uint16 // of functions, by their index
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
	l.frames = newFrameReader(conn)
	l.pending.handed = make(chan struct{}, 1)
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

// listen is exhaust for a process that has ended.
func (l *lane) listen() {
	if l.p.child != nil && l.p.ended() != "" {
		l.exhaust()
	}
}

// exhaust returns when what the process said to sources and sinks before it ended was
// read, or nobody takes it for a while.
func (l *lane) exhaust() {
	for begun, still := time.Now(), 0; l.nodes.some() && l.alive() && time.Since(begun) < lastWords; {
		taken := l.nodes.taken.Load()
		time.Sleep(time.Millisecond)
		if still++; l.ring == nil || !l.ring.empty() || l.nodes.taken.Load() != taken {
			still = 0
		} else if still == quietFor { // a ring has no end that could be read
			return
		}
	}
}

// quietFor is for how many milliseconds nothing comes out of a ring that is at its end.
const quietFor = 3

// close implements link.
func (l *lane) close() {
	l.listen()
	l.fail(errGone)
	l.reader.Wait()
	l.p.m.rt.looker.CompareAndSwap(l, nil)
	if l.ring == nil {
		return
	}
	for l.pending.who() == caller { // and it is on its way out
		time.Sleep(50 * time.Microsecond)
	}
	l.out.Lock() // whoever stores something does so with the lock
	l.queue, l.spare = nil, nil
	l.out.Unlock()
	l.ring.free()
}

// bye implements link.
func (l *lane) bye() { _ = l.send(head{op: opBye}, nil) }
