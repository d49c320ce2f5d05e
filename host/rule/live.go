package rule

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vanth-io/vanth/host"
)

// State is what a rule does, in eKuiper's words.
type State string

// The states.
const (
	Stopped        State = "stopped"
	Starting       State = "starting"
	Running        State = "running"
	Stopping       State = "stopping"
	StoppedByError State = "stopped by error"
)

// live is a rule with its runs, of which there is one at a time.
type live struct {
	r    *Rules
	id   string
	def  *definition
	text atomic.Pointer[[]byte] // as it is stored

	mu      sync.Mutex // guards what follows
	now     State
	message string
	began   time.Time
	ended   time.Time
	runs    int64
	plan    *plan         // of the run, or the last one
	cancel  func()        // ends the run; nil while there is none
	done    chan struct{} // closed when the run has ended; nil before the first
}

func newLive(r *Rules, d *definition) *live {
	l := &live{r: r, id: d.ID, def: d, now: Stopped}
	l.text.Store(&d.text)
	return l
}

func (l *live) state() (State, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now, l.message
}

func (l *live) isStarted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cancel != nil
}

// reads are the streams of the last run.
func (l *live) reads() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.plan == nil {
		return nil
	}
	return l.plan.reads
}

func (l *live) say(s State, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.message = s, message
}

// start begins a run, unless there is one.
func (l *live) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(l.r.life)
	done := make(chan struct{})
	l.cancel, l.done = cancel, done
	l.now, l.message, l.began = Starting, "", time.Now()
	go func() {
		defer close(done)
		err := l.run(ctx)
		by := ctx.Err() != nil
		cancel()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.cancel, l.ended = nil, time.Now()
		switch {
		case by:
			l.now, l.message = Stopped, "canceled manually"
		case err != nil:
			l.now, l.message = StoppedByError, err.Error()
			l.r.opts.Log.Error("a rule was stopped by an error", "rule", l.id, "err", err)
		default:
			l.now, l.message = Stopped, "done: every source has come to its end"
		}
	}()
}

// stop asks a run to end.
func (l *live) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.now = Stopping
		l.cancel()
	}
}

// await waits for a run that was asked to end.
func (l *live) await(ctx context.Context) error {
	l.mu.Lock()
	done := l.done
	l.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	default:
	}
	// A run ends within its drain time, also when ctx has ended already.
	limit := time.NewTimer(2*l.r.opts.Drain + time.Second)
	defer limit.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-limit.C:
			return host.Errorf(host.ErrInUse, "it does not stop: one of its sources or sinks does not return")
		case <-ctx.Done():
			ctx = context.Background()
		}
	}
}

// run runs until ctx ends, every source has come to its end, or the restart
// strategy is used up.
func (l *live) run(ctx context.Context) error {
	s := l.def.Options.Restart
	if s == nil {
		s = &strategy{}
	}
	delay := time.Duration(s.Delay)
	if delay <= 0 {
		delay = time.Second
	}
	for attempt := 0; ; attempt++ {
		began := time.Now()
		err := l.once(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if s.Attempts >= 0 && attempt >= s.Attempts {
			return err
		}
		l.r.opts.Log.Warn("a rule failed and is started again", "rule", l.id, "in", delay, "err", err)
		l.say(Starting, "retry: "+err.Error())
		pause := delay + time.Duration(float64(delay)*s.Jitter*rand.Float64())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
		if s.Multiplier > 1 {
			delay = time.Duration(float64(delay) * s.Multiplier)
		}
		if most := time.Duration(s.MaxDelay); most > 0 {
			delay = min(delay, most)
		}
		if time.Since(began) > time.Minute {
			attempt, delay = 0, max(time.Duration(s.Delay), time.Second)
		}
	}
}

// once compiles the rule, waiting for the plugins that it needs, and runs it.
func (l *live) once(ctx context.Context) error {
	l.mu.Lock()
	l.runs++
	run := l.runs
	l.mu.Unlock()
	var p *plan
	for {
		changed := l.r.opts.Host.Changed()
		var err error
		if p, err = l.r.compile(l.def, run); err == nil {
			break
		}
		if !missing(err) {
			return err
		}
		l.say(Starting, "waiting: "+err.Error())
		if !await(ctx, changed) {
			return ctx.Err()
		}
	}
	f := newFlow(l, p)
	l.mu.Lock()
	l.plan = p
	l.mu.Unlock()
	return f.run(ctx)
}

// missing tells whether an error passes when a plugin comes.
func missing(err error) bool {
	return errors.Is(err, host.ErrNotFound) || errors.Is(err, host.ErrUnavailable)
}

// lookAgain bounds the wait for a change: what is missing may come in other ways.
const lookAgain = 5 * time.Second

// await waits for a change of what is installed; false when ctx has ended.
func await(ctx context.Context, changed <-chan struct{}) bool {
	t := time.NewTimer(lookAgain)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
