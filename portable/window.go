package portable

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
)

// windowSize is how many messages of a sink are under way at most.
const windowSize = 256

// parcel is a message on its way to a sink's acknowledgement.
type parcel struct {
	seq     uint32
	message host.Message
	// lost: its acknowledgement was waited for too long. It still takes the
	// place of the one that comes late, where they come in order.
	lost bool
	// round is the window's when it took the message.
	round int
}

// window holds the messages that a sink has taken and the plugin has not
// acknowledged, in order. They are sent again to the next process.
type window struct {
	mu       sync.Mutex // guards what follows
	parcels  []*parcel
	seq      uint32
	failed   []error // refused messages, not yet told
	progress chan struct{}
	round    int // how often it was sent again
}

func newWindow() *window { return &window{progress: make(chan struct{})} }

// add takes a message; nil when the window is full.
func (w *window) add(m host.Message) *parcel {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.parcels) >= windowSize {
		return nil
	}
	w.seq++
	p := &parcel{seq: w.seq, message: m, round: w.round}
	w.parcels = append(w.parcels, p)
	return p
}

// acked takes the acknowledgement of a message, or of the oldest for seq 0.
func (w *window) acked(seq uint32, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, p := range w.parcels {
		if seq != 0 && p.seq != seq {
			continue
		}
		w.parcels = append(w.parcels[:i], w.parcels[i+1:]...)
		if err != nil && !p.lost && len(w.failed) < windowSize {
			w.failed = append(w.failed, err)
		}
		w.moved()
		return
	}
}

// resent tells whether a message was among those sent again.
func (w *window) resent(p *parcel) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.round > p.round
}

// holds tells whether a message is under way.
func (w *window) holds(p *parcel) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.parcels, p)
}

// forget drops a message that no process got.
func (w *window) forget(p *parcel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.parcels, p); i >= 0 {
		w.parcels = slices.Delete(w.parcels, i, i+1)
		w.moved()
	}
}

// moved wakes those who wait. It requires w.mu.
func (w *window) moved() {
	close(w.progress)
	w.progress = make(chan struct{})
}

// again lists what the next process must get.
func (w *window) again() []*parcel {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.round++
	kept := w.parcels[:0:0]
	for _, p := range w.parcels {
		if !p.lost {
			kept = append(kept, p)
		}
	}
	w.parcels = kept
	return append([]*parcel(nil), kept...)
}

// trouble returns the errors of refused messages, once.
func (w *window) trouble() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := errors.Join(w.failed...)
	w.failed = nil
	return err
}

// wait blocks until at most n messages are under way. Without any progress for
// limit those that are count as lost, and that is the error.
func (w *window) wait(ctx context.Context, n int, limit time.Duration, done <-chan struct{}) error {
	t := time.NewTimer(limit)
	defer t.Stop()
	for {
		w.mu.Lock()
		under, progress := 0, w.progress
		for _, p := range w.parcels {
			if !p.lost || n > 0 {
				under++
			}
		}
		w.mu.Unlock()
		if under <= n {
			return nil
		}
		select {
		case <-progress:
			t.Reset(limit)
		case <-t.C:
			return w.lose(limit)
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
			return host.ErrClosed
		}
	}
}

// lose gives up what is under way.
func (w *window) lose(limit time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	lost := 0
	for _, p := range w.parcels {
		if !p.lost {
			p.lost = true
			lost++
		}
	}
	return fmt.Errorf("%d messages were not acknowledged within %v: %w; if the plugin never acknowledges, set requireAck to false", lost, limit, context.DeadlineExceeded)
}
