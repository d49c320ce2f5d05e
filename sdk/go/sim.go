//go:build !wasip1

package vanth

import (
	"math"
	"strconv"
	"sync"
	"time"
)

// Sim stands in for the host in a native build, so that a plugin's functions can be tested with go
// test. The zero value is a host that grants everything, knows nothing and logs every level. It
// exists in native builds only, and so do Simulate and Call.
type Sim struct {
	Rule, Op, Plugin, Symbol string
	Instance                 int64
	Now                      time.Time // zero: the wall clock
	Level                    Level     // the lowest level that is logged
	Refuse                   int32     // if not 0, the code with which state is refused
	Room                     int       // messages that are taken in one poll; 0: 1024
	// HTTP answers requests. An error that is no *Error is told as one of class Usage. nil: http is not
	// granted.
	HTTP func(Request) (*Response, error)

	mu       sync.Mutex // guards what is below
	lines    []string
	state    map[string][]byte
	counters map[string]int64
}

// sim is the host of this process; a guest has one and does not choose it.
var sim = &Sim{}

// Simulate makes s the host until the function it returns is called. Tests that use it must not run
// in parallel.
func Simulate(s *Sim) (restore func()) {
	old := sim
	sim = s
	return func() { sim = old }
}

// Call runs a registered function as the host would: the arguments become a frame, the function
// is looked up by name, and the result is what the host decodes. The error is an *Error.
func Call(name string, args ...any) (any, error) {
	if args == nil {
		args = []any{}
	}
	frame, err := Append(nil, args)
	if err != nil {
		return nil, asError(err)
	}
	index := -1
	for i := range this.entries {
		if this.entries[i].name == name {
			index = i
		}
	}
	out, failed := this.call(index, append(this.buf(len(frame))[:0], frame...))
	if out == nil {
		return nil, nil
	}
	v, err := Value(out)
	if failed && err == nil {
		return nil, v.(*Error)
	}
	return v, err
}

// Lines returns what was logged so far, each line as "level: text", with the level as its number.
func (s *Sim) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.lines...)
}

func hostLog(level Level, msg string) {
	if h := live(); h != nil {
		h.log(level, msg)
		return
	}
	if !hostLogOn(level) {
		return
	}
	sim.mu.Lock()
	defer sim.mu.Unlock()
	sim.lines = append(sim.lines, strconv.Itoa(int(level))+": "+msg)
}

func hostLogOn(level Level) bool {
	if h := live(); h != nil {
		return level >= h.at.log.level
	}
	return level >= sim.Level
}

func hostContextString(which int32, out []byte) int32 {
	if h := live(); h != nil {
		return fill(out, h.text(which))
	}
	switch which {
	case 0:
		return fill(out, sim.Rule)
	case 1:
		return fill(out, sim.Op)
	case 3:
		return fill(out, sim.Plugin)
	case 4:
		return fill(out, sim.Symbol)
	}
	return codeAbsent
}

func hostContextInt(which int32) int64 {
	if h := live(); h != nil {
		return h.number(which)
	}
	if which == 0 {
		return sim.Instance
	}
	return 0
}

func hostStateGet(key string, out []byte) int32 {
	if sim.Refuse != 0 {
		return sim.Refuse
	}
	sim.mu.Lock()
	defer sim.mu.Unlock()
	frame, ok := sim.state[key]
	if !ok {
		return codeAbsent
	}
	return fill(out, string(frame))
}

func hostStatePut(key string, frame []byte) int32 {
	if sim.Refuse != 0 {
		return sim.Refuse
	}
	sim.mu.Lock()
	defer sim.mu.Unlock()
	if sim.state == nil {
		sim.state = map[string][]byte{}
	}
	sim.state[key] = append([]byte(nil), frame...)
	return 0
}

func hostStateDelete(key string) int32 {
	if sim.Refuse != 0 {
		return sim.Refuse
	}
	sim.mu.Lock()
	defer sim.mu.Unlock()
	if _, ok := sim.state[key]; !ok {
		return codeAbsent
	}
	delete(sim.state, key)
	return 0
}

func hostCount(key string, by int64) int64 {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	if sim.counters == nil {
		sim.counters = map[string]int64{}
	}
	sim.counters[key] = addSaturated(sim.counters[key], by)
	return sim.counters[key]
}

func hostCounter(key string) int64 {
	sim.mu.Lock()
	defer sim.mu.Unlock()
	return sim.counters[key]
}

func hostNow() int64 {
	if sim.Now.IsZero() {
		return time.Now().UnixMilli()
	}
	return sim.Now.UnixMilli()
}

// fill answers as the host does: how much there is, and the data if there is room for all of it.
func fill(out []byte, data string) int32 {
	if len(data) <= len(out) {
		copy(out, data)
	}
	return int32(len(data))
}

func addSaturated(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}
