package rule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
)

// flow is one run of a plan.
type flow struct {
	l     *live
	p     *plan
	opts  *Options
	def   *options
	write context.Context // of the sinks: it outlives the sources' by the drain time
	plugs context.Context // of waiting for the plugin of a sink: by a moment only
}

// moment is how long a rule that is stopped waits for a plugin that is just being
// replaced.
const moment = 200 * time.Millisecond

// worker runs rows through the steps on one goroutine. What reaches the sinks goes
// to deliver.
type worker struct {
	ctx       context.Context
	bound     []any // of the operators, by their id
	now       int64 // when the message under way came, in milliseconds since 1970
	deliver   func(*sinkNode, item)
	gathered  [][]item // by the sinks' places, until flush
	sendError bool
}

// item is a row on its way to a sink.
type item struct {
	row  map[string]any
	meta map[string]any
	time time.Time
}

// parcel is what a sink's queue holds: the rows of one message, or a barrier,
// which is answered when the sink has everything before it.
type parcel struct {
	item
	more    []item // in place of item
	barrier chan<- error
}

// gather keeps rows for flush.
func (w *worker) gather(s *sinkNode, i item) { w.gathered[s.place] = append(w.gathered[s.place], i) }

// maxParcel is how many rows go into one parcel.
const maxParcel = 64

// flush gives what was gathered to the queues.
func (w *worker) flush(f *flow) {
	for place, list := range w.gathered {
		s := f.p.sinks[place]
		switch {
		case len(list) == 0:
			continue
		case len(list) == 1:
			f.deliver(s, parcel{item: list[0]})
			list[0] = item{}
			w.gathered[place] = list[:0]
			continue
		}
		for from := 0; from < len(list); from += maxParcel {
			f.deliver(s, parcel{more: list[from:min(from+maxParcel, len(list))]})
		}
		w.gathered[place] = nil // the sink has it
	}
}

// tell sends the text of a fault to sinks.
func (w *worker) tell(sinks []*sinkNode, err error) {
	if !w.sendError {
		return
	}
	for _, s := range sinks {
		w.deliver(s, item{row: map[string]any{"error": err.Error()}})
	}
}

// worker makes a worker that gathers its rows.
func (f *flow) worker() *worker {
	w := &worker{ctx: f.write, sendError: f.def.sendError(), gathered: make([][]item, len(f.p.sinks))}
	w.deliver = w.gather
	for _, bind := range f.p.binds {
		w.bound = append(w.bound, bind())
	}
	return w
}

// newFlow makes the queues of a plan that nobody else sees yet.
func newFlow(l *live, p *plan) *flow {
	f := &flow{l: l, p: p, opts: &l.r.opts, def: &l.def.Options}
	for _, s := range p.sinks {
		s.queue = make(chan parcel, f.def.buffer())
	}
	return f
}

// run opens the sinks, then the sources, and returns when all sources have ended,
// one has failed, or ctx has ended; by then the sinks have what was read, and are
// closed.
func (f *flow) run(ctx context.Context) (err error) {
	write, endWrites := context.WithCancel(context.WithoutCancel(ctx))
	defer endWrites()
	plugs, endPlugs := context.WithCancel(write)
	defer endPlugs()
	f.write, f.plugs = write, plugs
	var sinks sync.WaitGroup
	var opened []*sinkNode
	defer func() {
		for _, s := range opened {
			close(s.queue)
		}
		sinks.Wait()
	}()
	// From the stop on there is the drain time to finish.
	stopped := context.AfterFunc(ctx, func() {
		time.AfterFunc(f.opts.Drain, endWrites)
		time.AfterFunc(moment, endPlugs)
	})
	defer stopped()
	for _, s := range f.p.sinks {
		if s.sink, err = f.openSink(ctx, s, true); err != nil {
			return fmt.Errorf("sink %s: %w", s.name, err)
		}
		opened = append(opened, s)
		sinks.Go(func() { f.runSink(s) })
	}
	read, endReads := context.WithCancel(ctx)
	defer endReads()
	var sources sync.WaitGroup
	errs := make([]error, len(f.p.sources))
	var once sync.Once
	for i, s := range f.p.sources {
		sources.Go(func() {
			if errs[i] = f.runSource(read, s, func() { once.Do(func() { f.l.say(Running, "") }) }); errs[i] != nil {
				errs[i] = fmt.Errorf("source %s: %w", s.name, errs[i])
				endReads() // the others end too: the rule is one thing
			}
		})
	}
	sources.Wait()
	return errors.Join(errs...)
}

// runSource reads a source, through all plugins that serve it one after another.
func (f *flow) runSource(ctx context.Context, s *sourceNode, opened func()) error {
	for first := true; ; first = false {
		src, err := f.openSource(ctx, s, first)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the rule was stopped
		}
		if err != nil {
			return err
		}
		s.metrics.connected(1, nil)
		opened()
		err = f.pump(ctx, s, src)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.opts.Drain)
		if e := src.Close(end); e != nil && ctx.Err() == nil {
			f.opts.Log.Warn("a source did not close", "rule", f.p.rule, "source", s.name, "err", e)
		}
		cancel()
		s.metrics.connected(-1, nil)
		switch {
		case ctx.Err() != nil, errors.Is(err, io.EOF):
			return nil //nolint:nilerr // the rule was stopped
		case !errors.Is(err, host.ErrClosed):
			return err
		}
	}
}

// openSource makes and opens a source, waiting for its plugin. A failure to open
// is the rule's, but when another one served before.
func (f *flow) openSource(ctx context.Context, s *sourceNode, first bool) (host.Source, error) {
	return reopen(ctx, f, &s.metrics, "source "+s.kind, first, func() (host.Source, error) {
		src, err := f.opts.Host.Source(s.kind, s.call, s.props)
		if err != nil {
			return nil, err
		}
		if err := src.Open(ctx); err != nil {
			return nil, errors.Join(err, src.Close(ctx))
		}
		return src, f.rewind(s, src)
	})
}

// reopen makes something of a plugin, waiting for that while it is not there.
func reopen[T any](ctx context.Context, f *flow, m *metrics, what string, first bool, make_ func() (T, error)) (T, error) {
	var none T
	waiting := false
	for {
		changed := f.opts.Host.Changed()
		v, err := make_()
		if err == nil {
			if waiting {
				f.l.say(Running, "")
			}
			return v, nil
		}
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		m.connected(0, err)
		if !missing(err) && !errors.Is(err, host.ErrClosed) {
			if first {
				return none, err
			}
			m.fail(err) // the plugin is there, and may mend
			changed = nil
		} else if !waiting {
			waiting = true
			m.fail(fmt.Errorf("waiting for %s: %w", what, err))
			f.l.say(Running, "waiting for "+what+": "+err.Error())
		}
		if !await(ctx, changed) {
			return none, ctx.Err()
		}
	}
}

// faults in a row, after which a source is read more slowly.
const patience = 100

// pump reads a source until it fails, ends, or ctx does.
func (f *flow) pump(ctx context.Context, s *sourceNode, src host.Source) error {
	// What is in hand when the rule is stopped is finished.
	w := f.worker()
	b := f.belt(w, s)
	defer func() { b.drain() }()
	rewinder, _ := src.(host.Rewinder)
	commits := f.def.QoS > 0
	dirty, last, bad := false, time.Now(), 0
	for {
		next, cancel := ctx, func() {}
		if commits && dirty {
			next, cancel = context.WithDeadline(ctx, last.Add(f.def.checkpoint()))
		}
		var m host.Message
		err := ctx.Err() // a source that always has a row may not look
		if err == nil {
			m, err = src.Next(next)
		}
		late := next.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			bad = 0
			s.accept(w, m, b)
			w.flush(f)
			dirty = true
		case late:
		case ctx.Err() != nil, errors.Is(err, io.EOF), errors.Is(err, host.ErrClosed):
			b.drain()
			if commits && dirty {
				err = errors.Join(err, f.commit(s, rewinder))
			}
			return err
		default:
			s.metrics.fail(err)
			w.tell(endsOf(s.next), err)
			w.flush(f)
			if bad++; bad > patience {
				select {
				case <-time.After(10 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		}
		if commits && dirty && time.Since(last) >= f.def.checkpoint() {
			b.drain()
			if err := f.commit(s, rewinder); err != nil {
				return err
			}
			b = f.belt(w, s)
			dirty, last = false, time.Now()
		}
	}
}

// deliver gives a row to the queue of a sink; a full one blocks.
func (f *flow) deliver(s *sinkNode, p parcel) {
	select {
	case s.queue <- p:
		return
	default:
	}
	select {
	case s.queue <- p:
	case <-f.write.Done():
		s.metrics.fail(errLeft)
	}
}

// errLeft is counted for each row that a sink had no time for.
var errLeft = errors.New("a row is lost: the rule was stopped, and its sink is too slow to take what was read")
