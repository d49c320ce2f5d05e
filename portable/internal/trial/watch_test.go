package trial

import (
	"testing"
	"time"
)

// run makes n calls that take so long, and returns how many slept.
func (t *Trial) run(n int, slept, looked time.Duration) (sleeps int) {
	for range n {
		look, counts := t.Begin()
		took := looked
		if !look {
			took = slept
			sleeps++
		}
		if !counts {
			took = 0
		}
		t.End(took)
	}
	return sleeps
}

// TestTrialLength: a verdict that is clear holds ever longer, another one does not.
func TestTrialLength(t *testing.T) {
	const us = time.Microsecond
	const calls = 40 * longest
	var r Trial
	if n := r.run(calls, 10*us, us); n > 60*Calls {
		t.Errorf("%d calls of %d slept where looking is much sooner", n, calls)
	}
	if want := calls / (2*Calls + Term) * Calls; (&Trial{}).run(calls, 10*us, 6*us) < want {
		t.Errorf("less than %d calls slept where looking is little sooner", want)
	}
}

// TestTrialWatch: a verdict that has become wrong is found out soon, one slow call changes nothing.
func TestTrialWatch(t *testing.T) {
	const us = time.Microsecond
	var r Trial
	r.run(4*longest, 10*us, us)
	for r.left < longest/2 {
		r.run(1, 10*us, us)
	}
	left := r.left
	for range 4 * every { // each of them may be timed
		r.run(1, 10*us, time.Second)
	}
	if r.run(watch*every, 10*us, us) > 0 || r.left >= left {
		t.Error("some slow calls have ended the term")
	}
	if r.run(2*watch*every, 10*us, 20*us) == 0 {
		t.Error("the verdict holds though looking has become slower")
	}
	if r.run(Term, 10*us, 20*us) < Term-2*Calls {
		t.Error("calls look though sleeping is sooner")
	}
}
