package native

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/lf-edge/ekuiper/contract/v2/api"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/frame"
)

// item is one answer of Next.
type item struct {
	message  host.Message
	position *position // nil when it does not change
	err      error
	last     bool // err is the answer of every later Next too
}

// position is where a source stood.
type position struct {
	offset any
	err    error
}

// inbox is the bounded queue between a plugin and the reader of its source. Its
// methods bytes, tuple, error and eof are the ingest functions of the contract:
// any goroutine may call them, at any time. What comes in is copied before they
// return. They wait while the queue is full; after the end, and after close,
// they do nothing.
type inbox struct {
	guest   *guest
	name    string
	life    context.Context // of the source
	open    context.Context // ends with life, and at the end of a bounded source
	finish  context.CancelFunc
	offsets api.Rewindable
	queue   chan item
	want    chan struct{} // the reader waits
}

func newInbox(g *guest, name string, life context.Context, offsets api.Rewindable) *inbox {
	b := &inbox{
		guest: g, name: name, life: life, offsets: offsets,
		queue: make(chan item, g.opts.Queue), want: make(chan struct{}, 1),
	}
	b.open, b.finish = context.WithCancel(life)
	return b
}

// take returns the next item. The error is ctx's, or ErrClosed.
func (b *inbox) take(ctx context.Context) (item, error) {
	select {
	case it := <-b.queue:
		return it, nil
	default:
	}
	select {
	case b.want <- struct{}{}:
	default: // it is known already
	}
	select {
	case it := <-b.queue:
		return it, nil
	case <-ctx.Done():
		return item{}, ctx.Err()
	case <-b.life.Done():
		return item{}, host.ErrClosed
	}
}

// wanted waits until trigger has come and the reader waits; false when there
// will be no more.
func (b *inbox) wanted(trigger time.Time) bool {
	if wait := time.Until(trigger); wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-b.open.Done():
			return false
		}
	}
	select {
	case <-b.want:
		return b.open.Err() == nil
	case <-b.open.Done():
		return false
	}
}

// put waits for room.
func (b *inbox) put(it item) {
	if b.open.Err() != nil {
		return
	}
	select {
	case b.queue <- it:
	case <-b.open.Done():
	}
}

// tryError puts an error of the plugin if there is room, and logs it else: it
// comes from where the plugin must not wait.
func (b *inbox) tryError(err error) {
	e := b.told(err)
	select {
	case b.queue <- item{err: e}:
	default:
		b.guest.log.Warn("source is not read: its error is dropped", "source", b.name, "error", e.Error())
	}
}

func (b *inbox) told(err error) error {
	e := b.guest.returned(b.name, err)
	e.Class = frame.ClassIO
	return e
}

// error implements api.ErrorIngest.
func (b *inbox) error(_ api.StreamContext, err error) {
	if err != nil {
		b.put(item{err: b.told(err)})
	}
}

// eof implements api.EOFIngest.
func (b *inbox) eof(_ api.StreamContext, msg string) {
	if msg != "" {
		b.guest.log.Info("source has come to its end", "source", b.name, "message", msg)
	}
	b.put(item{err: io.EOF, last: true})
	b.finish()
}

// bytes implements api.BytesIngest.
func (b *inbox) bytes(_ api.StreamContext, payload []byte, meta map[string]any, at time.Time) {
	m, err := toMeta(meta)
	if err != nil {
		b.refuse(err)
		return
	}
	v, err := toValue(payload)
	if err != nil {
		b.refuse(err)
		return
	}
	b.message(host.Message{Value: v, Meta: m, Time: at}, true)
}

// tuple implements api.TupleIngest. A list of maps makes a message of each.
func (b *inbox) tuple(_ api.StreamContext, data any, meta map[string]any, at time.Time) {
	v, err := toValue(data)
	if err != nil {
		b.refuse(err)
		return
	}
	m, err := toMeta(meta)
	if err != nil {
		b.refuse(err)
		return
	}
	switch v := v.(type) {
	case map[string]any, []byte:
		b.message(host.Message{Value: v, Meta: m, Time: at}, true)
	case []any:
		for i, row := range v {
			if _, ok := row.(map[string]any); !ok {
				b.refuse(fmt.Errorf("[%d]: found %s, expected a map", i, host.Describe(row)))
				return
			}
		}
		for i, row := range v {
			// Half of a list is none: the offset is behind it with its last row.
			b.message(host.Message{Value: row, Meta: m, Time: at}, i == len(v)-1)
		}
	default:
		b.refuse(fmt.Errorf("found %s, expected a map, a list of maps or bytes", host.Describe(v)))
	}
}

func (b *inbox) refuse(err error) {
	b.put(item{err: b.guest.fault(b.name, host.FaultResult, fmt.Errorf("ingest: %w", err))})
}

func (b *inbox) message(m host.Message, whole bool) {
	it := item{message: m}
	if b.offsets != nil && whole {
		it.position = b.positionNow()
	}
	b.put(it)
}

// positionNow asks the plugin where it stands, as eKuiper does within ingest.
func (b *inbox) positionNow() *position {
	p := new(position)
	p.err = b.guest.guard(b.name, "GetOffset", func() error {
		var err error
		if p.offset, err = b.offsets.GetOffset(); err != nil {
			return b.guest.returnedBy(b.name, "GetOffset", err)
		}
		return nil
	})
	return p
}

// toMeta copies what a source says of a message; nil when it says nothing.
func toMeta(meta map[string]any) (map[string]any, error) {
	if len(meta) == 0 {
		return nil, nil
	}
	v, err := toValue(meta)
	if err != nil {
		return nil, fmt.Errorf("meta: %w", err)
	}
	return v.(map[string]any), nil
}
