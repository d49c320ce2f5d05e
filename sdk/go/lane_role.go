//go:build !wasip1

package vanth

import (
	"time"
)

// The states of the role, in the low bits of its number; a holder's turn through them makes the
// number four more, so that no two calls are mistaken for each other.
const (
	roleReads    = 0 // its holder reads
	roleCalls    = 1 // its holder is in a call
	roleLent     = 2 // and somebody reads meanwhile, for an answer
	roleOrphaned = 3 // and the holder has left the call and gone
	roleStates   = 4
)

// enter says that the role's holder is in a call, leave that it is out; leave is false if the role
// is no longer its own.
func (l *lane) enter(ex *executor) uint64 {
	if l.running.Load() != ex {
		l.running.Store(ex)
	}
	role := l.role.Add(roleCalls)
	if !l.watching.Load() {
		select {
		case l.watched <- struct{}{}:
		default:
		}
	}
	return role
}

func (l *lane) leave(role uint64) bool {
	for {
		if l.role.CompareAndSwap(role, role-roleCalls+roleStates) {
			if l.pinned != nil {
				l.spare, l.pinned = l.pinned, nil
			}
			return true
		}
		if l.role.CompareAndSwap(role-roleCalls+roleLent, role-roleCalls+roleOrphaned) {
			return false
		}
		if now := l.role.Load(); now&^(roleStates-1) != role&^(roleStates-1) {
			return false
		}
	}
}

// pass gives the role to a new goroutine if the holder is in the call that made it role.
func (l *lane) pass(role uint64) bool {
	if role%roleStates != roleCalls || !l.role.CompareAndSwap(role, role-roleCalls+roleStates) {
		return false
	}
	if l.pinned == nil {
		l.reader = l.reader.rest(nil)
	}
	l.pinned, l.held, l.woke = nil, 0, false
	l.spawn(l.lead)
	return true
}

// borrowRole takes the role from a holder that is in a call, until giveBackRole. The arguments of that
// call stay where they are: what is read goes elsewhere.
func (l *lane) borrowRole() (role uint64, ok bool) {
	role = l.role.Load()
	if role%roleStates != roleCalls || !l.role.CompareAndSwap(role, role-roleCalls+roleLent) {
		return 0, false
	}
	if l.pinned == nil {
		l.reader, l.pinned, l.spare = l.reader.rest(l.spare), l.reader, nil
	}
	l.lent = true
	return role, true
}

func (l *lane) giveBackRole(role uint64) {
	l.lent = false
	if l.role.CompareAndSwap(role-roleCalls+roleLent, role) {
		return
	}
	l.pinned = nil // the holder has gone
	l.role.Store(role - roleCalls + roleStates)
	l.spawn(l.lead)
}

const (
	watchEach = time.Millisecond
	// For so many calls a function that was found slow keeps off the reader's goroutine: few at first,
	// for on a busy machine any call may be found so, and twice as many each time.
	slowLeast, slowMost = 16, 1024
)

// watch passes the role on when its holder is in one call for longer than watchEach. It sleeps
// while there are no calls.
func (l *lane) watch() {
	l.watching.Store(true)
	tick := time.NewTicker(watchEach)
	defer tick.Stop()
	for last, idle := uint64(0), 0; ; {
		select {
		case <-tick.C:
		case <-l.ended:
			return
		}
		role := l.role.Load()
		if role%roleStates == roleCalls && role == last {
			l.tooSlow(role)
		}
		if idle++; role != last {
			last, idle = role, 0
		}
		if idle < 5 {
			continue
		}
		tick.Stop()
		l.watching.Store(false)
		if l.role.Load() == last { // else a call has come meanwhile that saw us watching
			select {
			case <-l.watched:
			case <-l.ended:
				return
			}
		}
		l.watching.Store(true)
		tick.Reset(watchEach)
		idle = 0
	}
}

// tooSlow passes the role on and remembers whose call it was.
func (l *lane) tooSlow(role uint64) {
	ex := l.running.Load() // right if the role passes on
	if !l.pass(role) {
		return
	}
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.slowly()
}

// slowly is after a call that was found slow. The caller holds mu.
func (ex *executor) slowly() {
	ex.caution = min(max(2*ex.caution, slowLeast), slowMost)
	ex.slow, ex.swift = ex.caution, 0
}

// swiftly is after a call that the reader ran by itself. Enough of them make a slow one an exception.
// The caller holds mu.
func (ex *executor) swiftly() {
	if ex.caution == 0 {
		return
	}
	if ex.swift++; ex.swift >= slowMost {
		ex.caution, ex.swift = 0, 0
	}
}
