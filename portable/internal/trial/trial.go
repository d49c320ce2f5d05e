package trial

import "time"

// Whether looking pays is tried with Calls calls that sleep and as many that look, and holds for Term calls.
const (
	Calls = 64
	Term  = 2048
)

// A trial costs what its sleeping calls take longer, which is much where looking pays much. There each
// verdict holds twice as long as the one before, up to longest calls, and is watched: of so many calls
// one is timed, and when most of a watch are slower than those that slept, there is a new trial at once.
const (
	longest = 32 * Term
	every   = 64
	watch   = 16
)

// Trial decides whether calls look for their answers before they sleep. On a machine with an idle processor, waking it
// costs more than most answers take, and the plugin pays that for each of its own threads too: while a call keeps one
// processor awake, it does not have to be woken, and the plugin's threads find each other on the next. On a busy machine
// looking takes from the plugin what it needs to answer. Which it is shows only over some calls, as each leaves the
// machine awake for the next: so some are made either way now and then, and the rest in the way that was answered sooner.
//
// The zero value begins with a trial. It is for one goroutine at a time.
type Trial struct {
	phase   phase
	begun   bool
	looking bool
	left    int           // calls of the phase
	took    time.Duration // by them, so far
	slept   time.Duration // by those of the last trial that slept
	length  int           // of the term
	timed   int           // calls of the watch
	slow    int           // of them
}

type phase uint8

const (
	sleeping phase = iota
	looking
	term
)

// Begin is the start of a call. It says whether the call looks, and whether its time counts.
func (t *Trial) Begin() (look, counts bool) {
	if t.left == 0 {
		t.next()
	}
	return t.looking, t.phase != term || t.watched()
}

// watched says that a call of a term counts.
func (t *Trial) watched() bool { return t.length > Term && t.left%every == 0 }

// next begins the next phase.
func (t *Trial) next() {
	t.left = Calls
	switch {
	case t.begun && t.phase == sleeping:
		t.slept = t.took
		t.phase, t.looking = looking, true
	case t.begun && t.phase == looking:
		t.phase, t.looking = term, t.took < t.slept
		if 2*t.took < t.slept {
			t.length = min(max(2*t.length, Term), longest)
		} else {
			t.length = Term
		}
		t.left, t.timed, t.slow = t.length, 0, 0
	default:
		t.begun, t.phase, t.looking = true, sleeping, false
	}
	t.took = 0
}

// End is the end of a call that is one of its phase, and took so long; 0 where the time does not count.
func (t *Trial) End(took time.Duration) {
	if t.phase == term && t.watched() {
		t.judge(took)
	}
	t.took += took
	t.left--
}

// judge takes a call of the watch.
func (t *Trial) judge(took time.Duration) {
	if t.timed++; took > t.slept/Calls {
		t.slow++
	}
	if t.timed < watch {
		return
	}
	if 2*t.slow > t.timed { // it looks in vain by now
		t.left, t.length = 1, 0 // this call is the last
	}
	t.timed, t.slow = 0, 0
}
