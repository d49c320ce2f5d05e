package native

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// The wire between the host and a worker is a stream of frames: four bytes of
// length, little endian, and a list [id, op, ...] in the value profile of package
// frame. An id ties a reply to its request; each side numbers its own, from 1.
// What either side may ask for is listed with its fields and its reply.
const (
	// The host asks the worker.
	opStart    = iota + 1 // class, plugin, version, file, home, functions, sources, sinks: names of the aggregate functions
	opExec                // function, rule, op, instance, run, func, args: the result
	opValidate            // function, args: nil
	opNew                 // handle, "source" or "sink", name, rule, op, instance, run, props: nil
	opOpen                // handle: nil
	opWrite               // handle, value, meta, time or nil: nil
	opNext                // handle: [value, meta, time or nil]
	opShut                // handle: nil
	opCancel              // of the request of the same id; it is replied to as ever
	opEnd                 // ends the worker in good order
	opValue               // reply to opFetch: value or nil, counter

	// The worker tells the host.
	opReply // value
	opFail  // see encodeError
	opState // list of [scope, key, counter, value, nil or difference]
	opFetch // scope, key: opValue
	opLog   // level, message, list of keys and texts
)

// The bounds of a link.
const (
	linkQueue    = 64               // frames that wait for the writer
	writeTimeout = 30 * time.Second // of one frame, to a side that does not read
	readChunk    = 1 << 20          // what an announced length may allocate before its bytes are here
)

var (
	errLinkShut = errors.New("the connection was closed")
	errProtocol = errors.New("broke the protocol")
)

// link is one side of the wire: a goroutine that reads and one that writes. It
// fails as a whole, once, and says why.
type link struct {
	conn net.Conn
	out  chan []byte
	done chan struct{} // closed when the link has failed or was shut

	once sync.Once
	err  error // valid once done is closed
	wg   sync.WaitGroup
}

// newLink starts both goroutines. handle gets each message on the reader's; its
// error fails the link. Whoever starts it shuts it and waits.
func newLink(conn net.Conn, handle func(id int64, op int, rest fields) error) *link {
	l := &link{conn: conn, out: make(chan []byte, linkQueue), done: make(chan struct{})}
	l.wg.Go(func() { l.fail(l.read(handle)) })
	l.wg.Go(func() { l.fail(l.write()) })
	return l
}

// fail ends the link; the first reason stays.
func (l *link) fail(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.done)
		_ = l.conn.Close()
	})
}

// wait blocks until both goroutines of a failed link have ended.
func (l *link) wait() { l.wg.Wait() }

// send queues a frame that pack made. The error is ctx's, or why the link failed.
func (l *link) send(ctx context.Context, b []byte) error {
	select {
	case <-l.done:
		return l.err
	default:
	}
	select {
	case l.out <- b:
		return nil
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// trySend queues a frame if there is room.
func (l *link) trySend(b []byte) bool {
	select {
	case l.out <- b:
		return true
	default:
		return false
	}
}

// shut writes what is queued and ends the link.
func (l *link) shut(ctx context.Context) {
	if l.send(ctx, nil) != nil {
		l.fail(errLinkShut)
	}
	l.wait()
}

// write is the writer: it flushes when nothing more is queued.
func (l *link) write() error {
	w := bufio.NewWriterSize(l.conn, 64<<10)
	for {
		var b []byte
		select {
		case b = <-l.out:
		case <-l.done:
			return l.err
		}
		if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
		if b == nil {
			return errors.Join(w.Flush(), errLinkShut)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		if len(l.out) == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}

// read is the reader.
func (l *link) read(handle func(int64, int, fields) error) error {
	r := bufio.NewReaderSize(l.conn, 64<<10)
	var decoder frame.Decoder
	var body bytes.Buffer
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		n := int64(binary.LittleEndian.Uint32(head[:]))
		if n > frame.MaxBytes {
			return fmt.Errorf("%w: frame of %d bytes: at most %d are allowed", errProtocol, n, frame.MaxBytes)
		}
		body.Reset()
		if body.Cap() > readChunk {
			body = bytes.Buffer{} // one large message does not hold its memory
		}
		if _, err := io.CopyN(&body, r, n); err != nil { // grows as the bytes come
			return err
		}
		list, err := decoder.DecodeArgs(body.Bytes())
		if err != nil {
			return fmt.Errorf("%w: %w", errProtocol, err)
		}
		f := fields{list: list}
		id, op := field[int64](&f), field[int64](&f)
		if f.bad || id < 0 {
			return fmt.Errorf("%w: a message is [id, op, ...]", errProtocol)
		}
		if err := handle(id, int(op), f); err != nil {
			return err
		}
	}
}

// fields are what a message says, to be taken in order.
type fields struct {
	list []any
	bad  bool // one was missing or of another type
}

// field takes one of type T.
func field[T any](f *fields) (v T) {
	if len(f.list) == 0 {
		f.bad = true
		return v
	}
	v, ok := f.list[0].(T)
	f.list = f.list[1:]
	if !ok {
		f.bad = true
	}
	return v
}

// nextAny takes a field of any type, or nil.
func nextAny(f *fields) any {
	if len(f.list) == 0 {
		f.bad = true
		return nil
	}
	v := f.list[0]
	f.list = f.list[1:]
	return v
}

// nextMap takes a map, or nil.
func nextMap(f *fields) map[string]any {
	v := nextAny(f)
	m, ok := v.(map[string]any)
	if v != nil && !ok {
		f.bad = true
	}
	return m
}

// nextTime takes a time, the zero one for nil.
func nextTime(f *fields) time.Time {
	v := nextAny(f)
	t, ok := v.(time.Time)
	if v != nil && !ok {
		f.bad = true
	}
	return t
}

// nextStrings takes a list of strings.
func nextStrings(f *fields) []string {
	list := field[[]any](f)
	s := make([]string, len(list))
	for i, v := range list {
		var ok bool
		if s[i], ok = v.(string); !ok {
			f.bad = true
		}
	}
	return s
}

// end returns what was wrong with the fields.
func (f *fields) end(what string) error {
	if f.bad || len(f.list) > 0 {
		return fmt.Errorf("%w: %s with other fields than it has", errProtocol, what)
	}
	return nil
}

// pack makes a frame. The error is ErrInvalid: a value has no form in it.
func pack(id int64, op int, values ...any) ([]byte, error) {
	list := make([]any, 2, 2+len(values))
	list[0], list[1] = id, op
	b, err := frame.AppendArgs(make([]byte, 4, 128), append(list, values...))
	if err != nil {
		return nil, host.Errorf(host.ErrInvalid, "%v", err)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	return b, nil
}

// stringList makes a field of strings.
func stringList(s []string) []any {
	l := make([]any, len(s))
	for i, v := range s {
		l[i] = v
	}
	return l
}

// moment makes a field of a time.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}
