package sp

import (
	"cmp"
	"errors"
	"log/slog"
	"time"
)

var (
	// ErrClosed: the Hub, Caller, Puller or Pusher has been closed.
	ErrClosed = errors.New("closed")
	// ErrBusy: as many calls as may wait are waiting.
	ErrBusy = errors.New("too many calls wait")
	// ErrNotSent: the other end has not got the message and never will; sending it again does nothing twice.
	ErrNotSent = errors.New("not sent")
	// ErrPeerGone: the connection ended while an answer was awaited; the call may have run.
	ErrPeerGone = errors.New("peer gone")
	// ErrRestless: the other end answered the call with a new handshake, again and again.
	ErrRestless = errors.New("peer answers with handshakes only")
	// ErrInUse: a living socket of someone else is at the path.
	ErrInUse = errors.New("socket in use")
	// ErrFrame: the other end sent what is not SP.
	ErrFrame = errors.New("invalid frame")
)

// Peer is the process at the other end, as the kernel says.
type Peer struct{ PID, UID int }

// Options; the zero value means the defaults.
type Options struct {
	// MaxFrame is the longest payload accepted, in bytes; 0: 64 MiB. A connection that announces more is dropped.
	MaxFrame int
	// MaxQueue is how many calls may wait for a connection of one Caller; 0: 1024.
	MaxQueue int
	// MaxConns is how many connections one claim holds; 0: 256. More are closed at once.
	MaxConns int
	// WriteTimeout is how long the other end may take to accept one message; 0: 5 s.
	WriteTimeout time.Duration
	// HelloTimeout is how long the other end may take to say what it is; 0: 5 s.
	HelloTimeout time.Duration
	// Owns says which process a Pusher takes for its plugin; nil: any of our own user. A Hub asks its claims instead.
	Owns func(Peer) bool
	// Log gets why connections were dropped; nil: nobody does.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.MaxFrame = cmp.Or(o.MaxFrame, 64<<20)
	o.MaxQueue = cmp.Or(o.MaxQueue, 1024)
	o.MaxConns = cmp.Or(o.MaxConns, 256)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 5*time.Second)
	o.HelloTimeout = cmp.Or(o.HelloTimeout, 5*time.Second)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return o
}
