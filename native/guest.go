package native

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/gate"
)

// guestOptions configure what the adapters of a plugin share. Zero values mean
// the defaults stated.
type guestOptions struct {
	// Home is what a plugin sees as its root path.
	Home string
	// Log takes what plugins log. Default: nowhere.
	Log *slog.Logger
	// Grace is how long code that was told to end is waited for. Default 2 s.
	Grace time.Duration
	// Queue is how many messages a source may be ahead of its reader. Default
	// 128.
	Queue int
}

func (o *guestOptions) fill() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Grace <= 0 {
		o.Grace = 2 * time.Second
	}
	if o.Queue <= 0 {
		o.Queue = 128
	}
}

// guest is what the adapters of one loaded plugin share: who it is, what it
// remembers, where it logs, and whether it still serves. It starts no goroutine.
type guest struct {
	id     host.ID
	ver    string
	opts   guestOptions
	log    *slog.Logger // with the plugin's name
	memory *memory

	calls *gate.Gate
	life  context.Context // ends when what still runs is forced to end
	end   context.CancelFunc

	closer   sync.Once
	closeErr error
}

// newGuest begins the life of a loaded bundle. A bundle without a State has one
// that is never saved.
func newGuest(b host.Bundle, o guestOptions) (*guest, error) {
	o.fill()
	g := &guest{id: b.Plugin.ID, ver: b.Plugin.Manifest.Version, opts: o, calls: gate.New()}
	g.log = o.Log.With("plugin", g.id.String())
	state := b.State
	if state == nil {
		var err error
		if state, err = host.NewState(volatile{}, g.id); err != nil {
			return nil, err
		}
	}
	g.memory = newMemory(state, g.log)
	g.life, g.end = context.WithCancel(context.Background())
	return g, nil
}

// close refuses further calls, waits for those in flight until ctx ends, and
// then forces: the contexts of calls, sources and sinks end, and what heeds
// them has the grace to return. Code that does not heed its context cannot be
// stopped; it is reported and left behind. Closing twice is fine.
func (g *guest) close(ctx context.Context) error {
	g.closer.Do(func() {
		g.calls.Shut()
		err := g.calls.Wait(ctx)
		g.end()
		if err == nil {
			return
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.opts.Grace)
		defer cancel()
		if err := g.calls.Wait(last); err != nil {
			g.closeErr = fmt.Errorf("%s: %d calls have not returned and are left behind: %w", g.id, g.calls.InFlight(), err)
		}
	})
	return g.closeErr
}

// errClosed is the error of a symbol whose module was closed before it could begin.
func (g *guest) errClosed(symbol string) error {
	return fmt.Errorf("%s: %s: %w", g.id, symbol, host.ErrClosed)
}

// errInterrupted is the error of a call that the end of its module cut off.
func (g *guest) errInterrupted(symbol string) error {
	return fmt.Errorf("%s: %s: %w", g.id, symbol, host.ErrInterrupted)
}
