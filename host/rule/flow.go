package rule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
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
	push, drain := f.conveyor(w, s)
	defer drain()
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
			s.accept(w, m, push)
			w.flush(f)
			dirty = true
		case late:
		case ctx.Err() != nil, errors.Is(err, io.EOF), errors.Is(err, host.ErrClosed):
			drain()
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
			drain()
			if err := f.commit(s, rewinder); err != nil {
				return err
			}
			push, drain = f.conveyor(w, s)
			dirty, last = false, time.Now()
		}
	}
}

// accept decodes a message and gives its rows to push.
func (s *sourceNode) accept(w *worker, m host.Message, push func(*query.Row)) {
	w.now = coarse.millis()
	t := s.metrics.begin()
	s.metrics.in(1)
	if fields, ok := m.Value.(map[string]any); ok {
		s.metrics.out(1)
		s.metrics.end(t, w.now)
		push(&query.Row{Fields: fields, Meta: m.Meta, Stream: s.stream, Time: m.Time})
		return
	}
	rows, err := s.rows(m)
	if err != nil {
		s.metrics.end(t, w.now)
		s.metrics.fail(err)
		w.tell(endsOf(s.next), err)
		return
	}
	s.metrics.out(int64(len(rows)))
	s.metrics.end(t, w.now)
	list := make([]query.Row, len(rows)) // apart: with concurrency they are worked on at once
	for i, fields := range rows {
		list[i] = query.Row{Fields: fields, Meta: m.Meta, Stream: s.stream, Time: m.Time}
		push(&list[i])
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

// conveyor returns how rows go through the steps, and what waits until those
// pushed have reached the queues. With concurrency rows are worked on side by
// side, and arrive in their order.
func (f *flow) conveyor(w *worker, s *sourceNode) (push func(*query.Row), drain func()) {
	n := f.def.Concurrency
	if n <= 1 {
		return func(row *query.Row) {
			for _, step := range s.next {
				step.take(w, row)
			}
		}, func() {}
	}
	type delivery struct {
		to *sinkNode
		item
	}
	type job struct {
		row  *query.Row
		now  int64
		out  []delivery
		done chan struct{}
	}
	jobs, order := make(chan *job), make(chan *job, 2*n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			var j *job
			mine := f.worker()
			mine.deliver = func(to *sinkNode, i item) { j.out = append(j.out, delivery{to, i}) }
			for j = range jobs {
				mine.now = j.now
				for _, step := range s.next {
					step.take(mine, j.row)
				}
				close(j.done)
			}
		})
	}
	wg.Go(func() {
		for j := range order {
			<-j.done
			for _, d := range j.out {
				f.deliver(d.to, parcel{item: d.item})
			}
		}
	})
	push = func(row *query.Row) {
		j := &job{row: row, now: w.now, done: make(chan struct{})}
		order <- j
		jobs <- j
	}
	var once sync.Once
	return push, func() {
		once.Do(func() {
			close(jobs)
			close(order)
			wg.Wait()
		})
	}
}
