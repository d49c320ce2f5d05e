package sp

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Proto is the role of one end of a connection.
type Proto uint16

// The roles. Each has one that it talks to.
const (
	Req  Proto = 0x30
	Rep  Proto = 0x31
	Push Proto = 0x50
	Pull Proto = 0x51
)

// partner is the role at the other end.
func (p Proto) partner() Proto { return p ^ 1 }

// hello bounds the exchange of greetings.
const hello = 5 * time.Second

// Conn is a connection after the greeting. One goroutine receives at a time, any number send.
type Conn struct {
	net.Conn
	in  *bufio.Reader
	mu  sync.Mutex // guards out, and keeps frames whole
	out []byte
}

// Dial connects to the socket at path.
func Dial(ctx context.Context, path string, own Proto) (*Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return greet(c, own)
}

func greet(c net.Conn, own Proto) (*Conn, error) {
	fail := func(err error) (*Conn, error) {
		_ = c.Close()
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(hello)); err != nil {
		return fail(err)
	}
	greeting := [8]byte{0, 'S', 'P', 0, byte(own >> 8), byte(own)}
	if _, err := c.Write(greeting[:]); err != nil {
		return fail(err)
	}
	var theirs [8]byte
	if _, err := io.ReadFull(c, theirs[:]); err != nil {
		return fail(err)
	}
	binary.BigEndian.PutUint16(greeting[4:], uint16(own.partner()))
	if theirs != greeting {
		return fail(fmt.Errorf("sp: the other end greets with %x, not %x", theirs, greeting))
	}
	return &Conn{Conn: c, in: bufio.NewReaderSize(c, 64<<10)}, c.SetDeadline(time.Time{})
}

// Send writes one message, made of parts, in one write.
func (c *Conn) Send(parts ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	c.out = binary.BigEndian.AppendUint64(append(c.out[:0], 1), uint64(n))
	for _, p := range parts {
		c.out = append(c.out, p...)
	}
	_, err := c.Write(c.out)
	if cap(c.out) > 1<<20 {
		c.out = nil
	}
	return err
}

var errFrame = errors.New("sp: not a frame")

// maxMessage is a sanity bound. eKuiper has none, and its own SDK one of 1 MiB.
const maxMessage = 1 << 30

// Receive waits for one message, which the caller owns. It takes memory as bytes come, whatever the
// length before them says.
func (c *Conn) Receive() ([]byte, error) {
	var head [9]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(head[1:])
	if head[0] != 1 || n > maxMessage {
		return nil, errFrame
	}
	message := make([]byte, 0, min(n, 1<<20))
	for uint64(len(message)) < n {
		if len(message) == cap(message) {
			message = append(make([]byte, 0, min(n, 2*uint64(cap(message)))), message...)
		}
		k, err := io.ReadFull(c.in, message[len(message):cap(message)])
		if err != nil {
			return nil, err
		}
		message = message[:len(message)+k]
	}
	return message, nil
}
