package rule

import (
	"slices"
	"sync"

	"github.com/vanth-io/vanth/host"
	"github.com/vanth-io/vanth/host/rule/internal/query"
)

// accept decodes a message and puts its rows on the belt.
func (s *sourceNode) accept(w *worker, m host.Message, b *belt) {
	w.now = coarse.millis()
	t := s.metrics.begin()
	s.metrics.in(1)
	if fields, ok := m.Value.(map[string]any); ok {
		s.metrics.out(1)
		s.metrics.end(t, w.now)
		b.push(&query.Row{Fields: fields, Meta: m.Meta, Stream: s.stream, Time: m.Time})
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
	}
	for some := range slices.Chunk(list, query.MaxAhead) {
		b.ahead(some)
		for i := range some {
			b.push(&some[i])
		}
	}
}

// belt carries rows through the steps.
type belt struct {
	// ahead gives the steps a look at rows that are pushed next, in this order.
	ahead func([]query.Row)
	push  func(*query.Row)
	// drain waits until the rows pushed have reached the queues. It is the end.
	drain func()
}

// belt returns the belt behind a source. With concurrency rows are worked on side by
// side, each when a worker is free, and arrive in their order.
func (f *flow) belt(w *worker, s *sourceNode) *belt {
	n := f.def.Concurrency
	if n > 1 {
		return f.belts(n, w, s)
	}
	return &belt{
		ahead: func(rows []query.Row) {
			for _, step := range s.next {
				if o, ok := step.(*opNode); ok {
					o.ahead(w, rows)
				}
			}
		},
		push: func(row *query.Row) {
			for _, step := range s.next {
				step.take(w, row)
			}
		},
		drain: func() {},
	}
}

// belts is a belt with n workers.
func (f *flow) belts(n int, w *worker, s *sourceNode) *belt {
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
	push := func(row *query.Row) {
		j := &job{row: row, now: w.now, done: make(chan struct{})}
		order <- j
		jobs <- j
	}
	var once sync.Once
	return &belt{ahead: func([]query.Row) {}, push: push, drain: func() {
		once.Do(func() {
			close(jobs)
			close(order)
			wg.Wait()
		})
	}}
}
