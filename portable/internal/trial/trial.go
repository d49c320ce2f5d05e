package trial

import "time"

// Whether looking pays is tried with Calls calls that sleep and as many that look, and holds for Term calls.
const (
	Calls = 64
	Term  = 2048
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
	return t.looking, t.phase != term
}

// next begins the next phase.
func (t *Trial) next() {
	t.left = Calls
	switch {
	case t.begun && t.phase == sleeping:
		t.slept = t.took
		t.phase, t.looking = looking, true
	case t.begun && t.phase == looking:
		t.phase, t.looking = term, t.took < t.slept
		t.left = Term
	default:
		t.begun, t.phase, t.looking = true, sleeping, false
	}
	t.took = 0
}

// End is the end of a call that is one of its phase, and took so long; 0 where the time does not count.
func (t *Trial) End(took time.Duration) {
	t.took += took
	t.left--
}
